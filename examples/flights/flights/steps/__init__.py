"""The steps of the training pipeline, one file each, as the paper names them."""

from __future__ import annotations
