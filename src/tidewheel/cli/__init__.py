"""The command line: one function per command, each a thin edge over `tidewheel.open(path)`."""

from __future__ import annotations


def main() -> None:
    """The entry point of `tidewheel`."""
    import gc

    # A command lives for a moment: collecting while its imports allocate costs a fifth of its start.
    gc.disable()
    from tidewheel.cli.app import app

    gc.enable()
    app(prog_name="tidewheel")
