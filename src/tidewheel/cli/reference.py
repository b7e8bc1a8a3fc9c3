"""The page `docs/cli.md`, from the commands themselves: `python -m tidewheel.cli.reference > docs/cli.md`."""

from __future__ import annotations

import inspect

import click

from tidewheel.cli import exit_code
from tidewheel.cli.app import COMMANDS, SECTIONS, app

ALSO = {
    "ingest": (5,),
    "quarantine": (5,),
    "run": (1, 4, 130),
    "resume": (1, 4, 130),
    "cancel": (1,),
    "promote": (5,),
    "rollback": (5,),
    "deploy": (1,),
    "predict": (1,),
    "label": (5,),
    "tick": (5, 130),
}
"""The codes by which a command ends besides those of every command: 0, 2, 3 and 6."""

HEAD = """# The command line

`tidewheel COMMAND --help` says the same with an example; this page is made from it, and a test compares the two.

Commands look for a `tidewheel.toml` here or above; `-C FOLDER` before the command looks there. A RUN is its id, the
first characters of it (four at least), or `latest`, the newest run of a pipeline; a wrong name is answered with the
nearest ones. `--json` prints what the command found for programs, on standard output; progress and messages go to
standard error. An error is then `{"error": {"type", "what", "where", "next_step", "problems"}}`.

## Exit codes
"""


def reference() -> str:
    """The page."""
    lines = [HEAD, "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in exit_code.MEANINGS.items()]
    lines += ["", "Every command can end with 0, 2, 3 and 6; which others it can is said below."]
    for title, commands in SECTIONS.items():
        lines += ["", f"## {title}", "", "| command | what | also ends with |", "|---|---|---|"]
        for name, (_, what) in commands.items():
            codes = ", ".join(str(code) for code in ALSO.get(name, ()))
            lines.append(f"| [`{name}`](#{name}) | {what} | {codes} |")
        for name in commands:
            lines += _section(name)
    return "\n".join(lines) + "\n"


def _section(name: str) -> list[str]:
    context = click.Context(app, info_name="tidewheel")
    command = app.get_command(context, name)
    assert isinstance(command, click.Command), name
    inner = click.Context(command, info_name=name, parent=context)
    usage = " ".join(["tidewheel", name, *command.collect_usage_pieces(inner)])
    lines = [
        "",
        f"### {name}",
        "",
        inspect.cleandoc(command.help or ""),
        "",
        "```sh",
        f"{example_of(command)}",
        "```",
        "",
        f"Usage: `{usage}`",
    ]
    if isinstance(command, click.Group):
        lines.append("")
        for sub_name, sub in command.commands.items():
            usage = " ".join([name, sub_name, *sub.collect_usage_pieces(click.Context(sub, parent=inner))])
            lines.append(f"- `tidewheel {usage}`: {' '.join((sub.help or '').split())}")
    options = [record for one in command.params if (record := one.get_help_record(inner)) is not None]
    if options:
        lines.append("")
        lines += [f"- `{option}`: {text}" for option, text in options if not option.startswith(("--json", "-h"))]
    return lines if lines[-1] else lines[:-1]


def example_of(command: click.Command) -> str:
    """The line that `--help` shows."""
    return (command.epilog or "").removeprefix("Example:").strip()


if __name__ == "__main__":
    assert set(ALSO) <= set(COMMANDS)
    click.echo(reference(), nl=False)
