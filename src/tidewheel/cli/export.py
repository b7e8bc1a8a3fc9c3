"""The command that hands a model out of the workspace."""

from __future__ import annotations

from pathlib import Path

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json


@command("export", example="tidewheel export flight-delay ./flight-delay-edge --to edge")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--version", type=int, metavar="N", help="Which version; the champion, or the newest one, if not given.")
@click.option("--to", "form", type=click.Choice(["edge"]), required=True, help="In which form.")
@click.option("--assets", type=click.Path(path_type=Path), help="Folder with the files of onnxruntime-web; npm if not.")
def export_command(
    model: str, folder: Path, version: int | None, form: str, assets: Path | None, as_json: bool
) -> None:
    """Write MODEL into FOLDER, in a form that runs without Python.

    The form `edge` is a folder with model.onnx, its signature, example rows with expected answers, and a page that runs
    the model in a browser. A version in its native form is refused.
    """
    with opened() as workspace:
        bundle = workspace.export(model, folder, version=version, assets=assets)
        if as_json:
            print_json(bundle)
            return
        size = sum(bundle.files.values()) / 1e6
        click.echo(f"{model} v{bundle.version} is in {bundle.folder}: {len(bundle.files)} files, {size:.1f} MB")
        click.echo(f"look at it: python3 -m http.server --bind 127.0.0.1 -d {bundle.folder} 8000")
