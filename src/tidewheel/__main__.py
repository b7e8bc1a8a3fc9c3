"""`python -m tidewheel` is the command `tidewheel`."""

from tidewheel.cli import main

main()
