"""Brings endpoints into being. For now one place: servers of this machine."""

from tidewheel.deployment.local import LocalDeployment

__all__ = ["LocalDeployment"]
