"""The table of commands; a command's module is imported when it is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from tidewheel.cli import exit_code

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Project": {
        "init": ("project", "make this folder a project"),
        "new": ("project", "make a new project with the flights example"),
        "config": ("project", "show every setting and where it comes from"),
    },
    "Data": {
        "ingest": ("data", "add files to a table"),
        "tables": ("tables", "list tables, or one table's snapshots, and care for them"),
        "sql": ("data", "query tables"),
        "profile": ("profiles", "look at a table: distributions, missing values, what has changed, what to prepare"),
        "features": ("features", "list, search, show and materialize feature views"),
        "contract": ("contracts", "draft, show and check what tables are expected to look like"),
        "quarantine": ("quarantine", "look at rows that broke a contract, release or drop them"),
    },
    "Runs": {
        "plan": ("plans", "show what a pipeline would do"),
        "run": ("runs", "run a pipeline"),
        "runs": ("runs", "list runs"),
        "show": ("runs", "show a run and its steps"),
        "get": ("runs", "get an output of a step"),
        "logs": ("runs", "show what a step printed"),
        "status": ("runs", "show what is going on"),
        "cancel": ("runs", "end a run"),
        "resume": ("runs", "continue a run that did not succeed"),
        "reproduce": ("reproduction", "carry a run out again from what it was made from, and compare"),
        "experiments": ("experiments", "list runs by parameters and metrics"),
        "compare": ("experiments", "put runs side by side: data, code, parameters, environment, metrics"),
        "why-rerun": ("runs", "tell why a step was carried out again"),
    },
    "Models": {
        "models": ("models", "list models and versions, look at them, decide about them"),
        "promote": ("models", "make a version the champion"),
        "rollback": ("models", "make the previous champion the champion again"),
        "deploy": ("serving", "bring a model to an endpoint"),
        "undeploy": ("serving", "take an endpoint down"),
        "predict": ("serving", "ask an endpoint"),
        "export": ("export", "write a model in a form that runs without Python"),
        "label": ("serving", "tell what turned out to be true"),
    },
    "The circle": {
        "signals": ("circle", "list what monitors found"),
        "events": ("circle", "list why things were started"),
        "tick": ("circle", "let the controller look and act once"),
        "why": ("circle", "tell why a model is in production"),
    },
}
COMMANDS = {name: place for section in SECTIONS.values() for name, place in section.items()}


class CommandTable(click.Group):
    """Finds commands in `SECTIONS`, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tidewheel.cli.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, cmd_name.replace("-", "_") + "_command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from tidewheel.core.errors import suggest

            ctx.fail(f"no command {args[0]!r}: {suggest(args[0], COMMANDS, 'command')}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, summary) for name, (_, summary) in commands.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in exit_code.MEANINGS.items()])


@click.command(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "--project", type=click.Path(), help="The project's folder, or one inside of it.")
@click.version_option(package_name="tidewheel")
def app(**options: Any) -> None:
    """Keeps machine-learning models fresh in production, and proves how each one came to be."""
