"""How findings of an audit are printed."""

from __future__ import annotations

import click

from tidewheel.core.records import ContractReport, ValidationReport


def print_findings(report: ContractReport) -> None:
    """One line for each broken rule, with what happens to its rows."""
    for finding in report.findings:
        colour = "yellow" if finding.severity == "warning" else "red"
        click.echo(f"{click.style(f'{finding.policy:<10}', fg=colour)}  {finding.message}")


def print_validation(report: ValidationReport) -> None:
    """What data validation found: what stopped the run, broken rules, columns that moved, outliers."""
    reference = report.reference
    click.echo(f"{reference.table}: {report.row_count:,} rows held against {reference.table}@{reference.snapshot_id}")
    for told in report.stops:
        click.echo(f"{click.style('stop'.ljust(10), fg='red')}  {told}")
    for finding in report.findings:
        if finding.message not in report.stops:
            click.echo(f"{finding.policy:<10}  {finding.message}")
    for column in report.skew.moved if report.skew else ():
        missing = f"missing {column.missing_before:.1%} to {column.missing_after:.1%}"
        click.echo(f"{'moved':<10}  {column.column}: distance {column.distance or 0:.2f}, {missing}")
    for outlier in report.outliers:
        if (outlier.count or outlier.high is None) and outlier.message not in report.stops:
            click.echo(f"{outlier.policy:<10}  {outlier.message}")
