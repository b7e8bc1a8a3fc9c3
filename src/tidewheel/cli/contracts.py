"""Commands about contracts."""

from __future__ import annotations

from pathlib import Path

import click

from tidewheel.cli import exit_code
from tidewheel.cli.command import command, opened
from tidewheel.cli.findings import print_findings
from tidewheel.cli.output import print_facts, print_json, print_table
from tidewheel.core.counted import counted
from tidewheel.table_store.contract_messages import describe_rule


@command("list", example="tidewheel contract list")
def list_command(as_json: bool) -> None:
    """List the contracts that the project declares."""
    with opened() as workspace:
        contracts = workspace.contracts.list()
        if as_json:
            print_json(contracts)
            return
        rows = [
            (
                one.table,
                len(one.columns),
                len(one.rules),
                sum(rule.is_slow for rule in one.rules),
                f"{one.module}:{one.name}",
                one.digest[:16],
            )
            for one in contracts
        ]
        empty = "no contract yet: draft one with `tidewheel contract infer TABLE --to FILE`"
        print_table(("table", "columns", "rules", "slow", "declared in", "digest"), rows, empty=empty)


@command("show", example="tidewheel contract show flights")
@click.argument("table")
def show_command(table: str, as_json: bool) -> None:
    """Show what is expected of TABLE, and what happens to rows that are different."""
    with opened() as workspace:
        contract = workspace.contracts.get(table)
        if as_json:
            print_json(contract)
            return
        print_facts({"table": contract.table, "declared in": f"{contract.module}:{contract.name}"})
        print_facts({"digest": contract.digest, "columns": ", ".join(_column(one) for one in contract.columns)})
        print_facts(
            {"profile": ", ".join(f"{name}: {policy or 'not compared'}" for name, policy in contract.profile.items())}
        )
        click.echo()
        rows = [(one.name, describe_rule(one), one.policy, "slow" if one.is_slow else "") for one in contract.rules]
        print_table(("rule", "expects", "policy", "speed"), rows, empty="it has no rule")


@command("check", example="tidewheel contract check flights")
@click.argument("table")
@click.option("--snapshot", type=int, help="Check this snapshot instead of the current one.")
@click.pass_context
def check_command(context: click.Context, table: str, snapshot: int | None, as_json: bool) -> None:
    """Hold the rows of TABLE against its contract; nothing is changed. The exit code is 2 when a rule is broken."""
    with opened() as workspace:
        report = workspace.contracts.check(table, snapshot=snapshot)
        if as_json:
            print_json(report)
        else:
            print_findings(report)
            outcome = "keeps its contract" if report.is_kept else "breaks its contract"
            click.echo(f"{table}: {counted(report.rows)}, {counted(report.rules, 'rule')}: it {outcome}")
        if not report.is_kept:
            context.exit(exit_code.USAGE)


@command("infer", example="tidewheel contract infer flights --to flights/contracts.py")
@click.argument("table")
@click.option("--to", type=click.Path(path_type=Path), help="Write it into this new file instead of printing it.")
def infer_command(table: str, to: Path | None, as_json: bool) -> None:
    """Draft a contract that TABLE keeps as it is: Python that a person edits."""
    with opened() as workspace:
        text = workspace.contracts.infer(table, to=to)
        if as_json:
            print_json({"table": table, "path": str(to) if to else None, "text": text})
        elif to is None:
            click.echo(text, nl=False)
        else:
            click.echo(f"wrote {to}; next: edit it, and import it in one of the project's modules")


contract_command = click.Group(
    "contract",
    help="What tables are expected to look like: draft a contract, show it, hold a table against it.",
    commands={"list": list_command, "show": show_command, "check": check_command, "infer": infer_command},
    epilog="Example:  tidewheel contract check flights",
)


def _column(column: object) -> str:
    name, type_ = getattr(column, "name", ""), getattr(column, "type", "")
    return f"{name} {type_}".strip()
