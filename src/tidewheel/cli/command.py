"""The shape that all commands share: `--json`, the project's folder, and errors as messages with exit codes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from tidewheel.cli import exit_code
from tidewheel.cli.output import print_json
from tidewheel.core.errors import ProblemsError, TidewheelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidewheel.workspace import Workspace


def command(name: str, *, example: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declares a command.

    Args:
        name: as it is typed.
        example: a line that works, shown by `--help`.
        settings: for click.
    """

    def declare(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def guarded(context: click.Context, /, *args: Any, **kwargs: Any) -> Any:
            context.ensure_object(dict)["json"] = kwargs.get("as_json", False)
            try:
                return function(*args, **kwargs)
            except TidewheelError as error:
                tell_error(error, as_json=kwargs.get("as_json", False))
                context.exit(exit_code.of_error(error))
            except KeyboardInterrupt:
                click.echo("cancelled", err=True)
                context.exit(exit_code.CANCELLED)

        passing: Any = click.pass_context
        as_json: Any = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
        decorate: Any = click.command(name, epilog=f"Example:  {example}", **settings)
        declared: click.Command = decorate(as_json(passing(guarded)))
        return declared

    return declare


@contextmanager
def opened(*, is_for_run: bool = False) -> Iterator[Workspace]:
    """The workspace of the project that the command is for.

    Args:
        is_for_run: brings up the process that steps are forked from, which imports while the workspace is opened.
    """
    with ExitStack() as stack:
        server = None
        if is_for_run:
            from tidewheel.workspace.warm_server import warm_server

            server = stack.enter_context(closing(warm_server()))
        from tidewheel.workspace.workspace import open_warm

        place = click.get_current_context().find_root().params.get("project") or "."
        yield stack.enter_context(open_warm(place, server))


def tell_error(error: TidewheelError, *, as_json: bool) -> None:
    """Prints an error on standard error, for `--json` as JSON on standard output."""
    if as_json:
        problems = list(error.problems) if isinstance(error, ProblemsError) else []
        facts = {
            "type": type(error).__name__,
            "what": error.what,
            "where": error.where,
            "next_step": error.next_step,
            "problems": problems,
        }
        print_json({"error": facts})
        return
    click.secho("error: ", fg="red", nl=False, err=True)
    click.echo(str(error), err=True)
    sys.stderr.flush()
