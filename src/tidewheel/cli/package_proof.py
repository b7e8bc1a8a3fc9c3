"""Commands about the proof of a version's package: signing and verifying it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tidewheel.cli import exit_code
from tidewheel.cli.command import command, opened
from tidewheel.cli.output import print_json
from tidewheel.core.errors import ParameterError

_MARKS = {True: "ok", False: "FAILED", None: "-"}


@command("sign", example="tidewheel models sign flight-delay 3 --key private.pem")
@click.argument("model")
@click.argument("version", type=int, required=False)
@click.option("--key", "key_file", help="File with the private Ed25519 key in PEM form, or TIDEWHEEL_SIGNING_KEY.")
def sign_command(model: str, version: int | None, key_file: str | None, as_json: bool) -> None:
    """Sign the package of VERSION of MODEL; the champion, or the newest one, unless a version is named.

    The key is read from the file or the variable TIDEWHEEL_SIGNING_KEY, and kept nowhere. `openssl genpkey -algorithm
    ed25519 -out private.pem` makes one, `openssl pkey -in private.pem -pubout -out public.pem` its public part.
    """
    key = _key(key_file, "TIDEWHEEL_SIGNING_KEY")
    if key is None:
        raise ParameterError("no key is given", next_step="name one with --key, or set TIDEWHEEL_SIGNING_KEY to it")
    with opened() as workspace:
        envelope = workspace.sign_package(model, version, key=key)
        print_json(envelope) if as_json else click.echo(f"signed by key {envelope.signatures[0].keyid[:16]}")


@command("verify", example="tidewheel models verify flight-delay 3 --key public.pem")
@click.argument("model")
@click.argument("version", type=int, required=False)
@click.option("--key", "key_file", help="File with the public key that must have signed it, or TIDEWHEEL_PUBLIC_KEY.")
def verify_command(model: str, version: int | None, key_file: str | None, as_json: bool) -> None:
    """Check the package of VERSION of MODEL: its digest, form, bill of materials, examples and signature.

    It is the champion, or the newest version, unless one is named. Nothing of a package that fails is loaded. The exit
    code is 6 when a check fails.
    """
    with opened() as workspace:
        proof = workspace.verify_package(model, version, key=_key(key_file, "TIDEWHEEL_PUBLIC_KEY"))
        if as_json:
            print_json(proof)
        else:
            click.echo(f"{model} v{proof.version}")
            for check in proof.checks:
                click.echo(f"  {check.name:<10} {_MARKS[check.is_passed]:<7} {check.told}")
    if not proof.is_passed:
        click.get_current_context().exit(exit_code.STORAGE)


def _key(file: str | None, variable: str) -> str | None:
    """The key's text from a file, else from the environment."""
    if file is None:
        return os.environ.get(variable) or None
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError):
        raise ParameterError("the key cannot be read", where=file, next_step="name a file in PEM form") from None
