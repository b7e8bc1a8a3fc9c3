"""What Tidewheel promises of speed, each as a ratio to a baseline that runs beside it: `make bench`."""
