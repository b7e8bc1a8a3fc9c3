"""Will this flight arrive more than 15 minutes late? Said two hours before its scheduled departure."""

from __future__ import annotations
