"""Which of many groups of rows are worse than chance explains, with one error rate for all of them together.

Each group has one contribution per block. Where nothing is wrong, a block's contributions may as well have the other
sign; so all contributions of a block are flipped together, at random and many times, and the largest statistic of any
group in each flip says how large the largest gets by chance (Westfall and Young, Resampling-Based Multiple Testing,
1993; Romano and Wolf, Econometrica 73, 2005). What groups share stays shared, so that ten thousand overlapping groups
cost little power, and there is no normal approximation that few blocks would break: with n blocks no statistic
exceeds the root of n.
"""

from __future__ import annotations

import numpy as np

from tidewheel.core.errors import ParameterError
from tidewheel.statistics.binary_metrics import Numbers
from tidewheel.statistics.block_measure import BlockMeasure

_CHUNK = 4096


def worse_than_chance(contributions: Numbers, *, flips: int = 1000, seed: int = 0) -> Numbers:
    """The probability of each group that one as bad as it would be found anywhere if nothing were wrong.

    Args:
        contributions: [blocks, groups]; their sum over blocks is negative where a group is worse.
        flips: random signs; the least probability is 1 / (flips + 1).
        seed: of the signs.

    Returns:
        Adjusted probabilities [groups]: calling those below a level worse errs at all with at most that probability.

    Example:
        >>> days = np.array([[-2.0, 1.0], [-1.0, -1.0], [-3.0, 2.0], [-2.0, -2.0], [-1.0, 1.0], [-2.0, -1.0]])
        >>> bad, fair = worse_than_chance(days)
        >>> bool(bad < 0.05 < fair)
        True
    """
    if contributions.ndim != 2 or flips < 1:
        raise ParameterError(f"contributions {contributions.shape} must be [blocks, groups], flips {flips} at least 1")
    blocks, groups = contributions.shape
    if not groups:
        return np.empty(0)
    scale = np.sqrt((contributions**2).sum(axis=0))
    scaled = contributions / np.where(scale > 0, scale, 1.0)
    signs = np.random.default_rng(seed).integers(0, 2, (flips, blocks)) * 2.0 - 1.0
    most = np.full(flips, -np.inf)
    for start in range(0, groups, _CHUNK):
        most = np.maximum(most, (signs @ scaled[:, start : start + _CHUNK]).max(axis=1))
    found = -scaled.sum(axis=0)
    # Sums of the same numbers in another order differ in the last bit; a tie counts against the finding.
    reached = len(most) - np.searchsorted(np.sort(most), found - 1e-9, side="left")
    return np.asarray((1 + reached) / (flips + 1))


def contributions_of(measure: BlockMeasure, shares: Numbers) -> Numbers:
    """What each block adds to a gain: exact for means, to first order for others, from leaving out block by block.

    Args:
        measure: of the gain.
        shares: of the rows that lie in each block, summing to 1.

    Returns:
        [blocks], summing to the gain of all rows (to first order).
    """
    count = len(shares)
    gain = float(measure(np.ones((1, count)))[0])
    without = measure(np.ones((count, count)) - np.eye(count))
    change = np.where(np.isfinite(without), gain - without, 0.0)
    return np.asarray(shares * gain + (1.0 - shares) * change)
