"""Versions of models, their states and aliases, and MLflow as the window on them."""

from tidewheel.model_registry.finding import Finding
from tidewheel.model_registry.registry import CHAMPION, ModelRegistry

__all__ = ["CHAMPION", "Finding", "ModelRegistry"]
