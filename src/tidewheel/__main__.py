"""`python -m tidewheel` is the command `tidewheel`."""

from __future__ import annotations

from tidewheel.cli import main

main()
