"""The controller that closes the circle."""

from tidewheel.loop.tick import TickReport, tick

__all__ = ["TickReport", "tick"]
