"""What a bench found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One promise with the figures that it is judged by.

    Args:
        name: what was measured.
        unit: of `baseline` and `ours`.
        baseline: the figure beside which ours stands; None when the promise is absolute.
        ours: Tidewheel's figure.
        bound: the most that the ratio, or without a baseline the figure, may be.
    """

    name: str
    unit: str
    ours: float
    bound: float
    baseline: float | None = None

    @property
    def measure(self) -> float:
        """What is compared with the bound."""
        return self.ours if self.baseline is None else self.ours / self.baseline

    @property
    def is_kept(self) -> bool:
        return self.measure <= self.bound
