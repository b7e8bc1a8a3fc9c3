"""The page `docs/cli.md`, from the commands themselves: `python -m tidewheel.cli.reference > docs/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from tidewheel.cli import exit_code
from tidewheel.cli.app import COMMANDS, SECTIONS, app

ALSO = {
    "ingest": (5,),
    "sql": (1, 5),
    "quarantine": (5,),
    "run": (1, 4, 130),
    "resume": (1, 4, 130),
    "reproduce": (1, 4, 130),
    "cancel": (1,),
    "models": (5,),
    "promote": (5,),
    "rollback": (5,),
    "deploy": (1,),
    "predict": (1, 5),
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


def leaves(name: str) -> Iterator[tuple[str, click.Command, click.Context]]:
    """A command, or each command of a group, by what is typed."""
    context = click.Context(app, info_name="tidewheel")
    command = app.get_command(context, name)
    assert command is not None, name
    inner = click.Context(command, info_name=name, parent=context)
    if not isinstance(command, click.Group):
        yield name, command, inner
        return
    for word in command.list_commands(inner):
        found = command.get_command(inner, word)
        assert found is not None, word
        yield f"{name} {word}", found, click.Context(found, info_name=word, parent=inner)


def _section(name: str) -> list[str]:
    lines = ["", f"### {name}"]
    for full, command, context in leaves(name):
        lines += [] if full == name else ["", f"#### {full}"]
        usage = " ".join(["tidewheel", full, *command.collect_usage_pieces(context)])
        records = [record for one in command.params if (record := one.get_help_record(context)) is not None]
        options = [f"- `{option}`: {text}" for option, text in records if text and not option.startswith("--json")]
        if options:
            options.insert(0, "")
        said = inspect.cleandoc(command.help or "")
        lines += ["", said, "", "```sh", example_of(command), "```", "", f"Usage: `{usage}`", *options]
    return lines


def example_of(command: click.Command) -> str:
    """The line that `--help` shows."""
    return (command.epilog or "").removeprefix("Example:").strip()


if __name__ == "__main__":
    assert set(ALSO) <= set(COMMANDS)
    click.echo(reference(), nl=False)
