"""Commands about the project itself."""

from __future__ import annotations

from pathlib import Path

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, print_table
from tidewheel.workspace.template import init_project, name_from, new_project, unwritten_modules


@command("init", example="tidewheel init --module my_package.pipelines")
@click.option("--name", help="The project's name; the folder's by default.")
@click.option("--module", "modules", multiple=True, help="A module that declares pipelines and models.")
def init_command(name: str | None, modules: tuple[str, ...], as_json: bool) -> None:
    """Make this folder a project: write its tidewheel.toml."""
    folder = Path(click.get_current_context().find_root().params.get("project") or ".").resolve()
    path = init_project(folder, name or name_from(folder), modules)
    following = "`tidewheel plan` lists its pipelines" if modules else "name the modules that declare pipelines in it"
    if missing := unwritten_modules(folder, modules):
        following = f"write {', '.join(missing)}, which every command imports; then {following}"
    print_json({"path": str(path)}) if as_json else click.echo(f"wrote {path.name}; next: {following}")


@command("new", example="tidewheel new flights && cd flights")
@click.argument("folder", type=click.Path())
def new_command(folder: str, as_json: bool) -> None:
    """Make a new project in FOLDER: a copy of the flights example with tests, as a Git repository."""
    path = new_project(Path(folder))
    if as_json:
        print_json({"path": str(path)})
        return
    click.echo(f"{path} is a project; next:\n  cd {path}\n  python get_data.py data\n  tidewheel plan training")


@command("config", example="tidewheel config")
def config_command(as_json: bool) -> None:
    """Show every setting, its value and whether it is a default, from tidewheel.toml or from a variable."""
    with opened() as workspace:
        items = list(workspace.config.items())
        if as_json:
            print_json({path: {"value": value, "origin": origin} for path, value, origin in items})
            return
        rows = [(path, value if value not in ((), {}) else "", origin) for path, value, origin in items]
        print_table(("setting", "value", "from"), rows, empty="no settings")
