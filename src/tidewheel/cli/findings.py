"""How findings of an audit are printed."""

from __future__ import annotations

import click

from tidewheel.core.records import ContractReport


def print_findings(report: ContractReport) -> None:
    """One line for each broken rule, with what happens to its rows."""
    for finding in report.findings:
        colour = "yellow" if finding.severity == "warning" else "red"
        click.echo(f"{click.style(f'{finding.policy:<10}', fg=colour)}  {finding.message}")
