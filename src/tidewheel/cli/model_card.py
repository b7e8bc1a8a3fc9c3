"""`tidewheel models card`: what a version is, how good, and where it comes from, on one page."""

from __future__ import annotations

from pathlib import Path

import click

from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json, write_text


@command("card", example="tidewheel models card flight-delay 3 --to card.html")
@click.argument("model")
@click.argument("version", type=int, required=False)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file: HTML with pictures when its name ends in .html, Markdown otherwise.",
)
def card_command(model: str, version: int | None, to: Path | None, as_json: bool) -> None:
    """Print the model card of VERSION of MODEL as Markdown; without VERSION that of the champion, or before there is
    one of the newest version."""
    with opened() as workspace:
        card = workspace.model_card(model, version)
        if to is not None:
            text = card.to_html() if to.suffix.lower() in (".html", ".htm") else card.to_markdown()
            write_text(to, text, what="card")
        if as_json:
            facts = {"model": model, "version": card.version.version, "markdown": card.markdown, "html": card.html}
            print_json(facts | ({"file": str(to)} if to else {"text": card.to_markdown()}))
        else:
            click.echo(f"card: {to}" if to else card.to_markdown())
