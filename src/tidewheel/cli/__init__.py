"""The command line: one function per command, each a thin edge over `tidewheel.open(path)`."""

from __future__ import annotations


def main() -> None:
    """The entry point of `tidewheel`."""
    import gc
    import sys

    # A command lives for a moment: collecting while its modules load, and once more at the end, is a fifth of its time.
    gc.set_threshold(50_000, 20, 20)
    from tidewheel.cli.app import app

    try:
        app(prog_name="tidewheel")
    finally:
        if "duckdb" not in sys.modules:  # its binding looks for what was not collected, and tells on standard error
            gc.freeze()
