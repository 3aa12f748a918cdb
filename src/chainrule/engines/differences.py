"""Numerical derivatives: central differences at two steps, extrapolated, and a verdict on analytic ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from ..graph import Array

AGREES: Final = 0
KINK: Final = 1
"""The two sides have different slopes, or the function exists on one side only."""
UNCERTAIN: Final = 2
"""Rounding alone could explain the difference, and more than that: nothing can be said."""
WRONG: Final = 3


class Difference(NamedTuple):
    """The numerical derivative of each output along a direction, with what is known about its quality."""

    value: Array
    """Central differences at two steps, extrapolated: the error is of the fourth order in the step."""
    error: Array
    """An estimate of the error, from the two steps and from rounding."""
    left: Array
    right: Array
    """The slopes on either side."""
    kink: Array
    """Where the two slopes do not approach each other as the step shrinks."""

    def better_of(self, other: Difference) -> Difference:
        """Entry by entry, the one whose error estimate is smaller; a NaN is never the better one."""
        mine = np.isfinite(self.value) & ~(other.error < self.error)

        def pick(name: str) -> Array:
            picked: Array = np.where(mine, getattr(self, name), getattr(other, name))
            return picked

        return Difference(pick("value"), pick("error"), pick("left"), pick("right"), pick("kink"))


def steps(eps: float) -> list[float]:
    """Finer and finer steps for a dtype of this resolution.

    The first balances truncation against rounding, eps^(1/5); the finer ones are for kinks and edges of
    the domain close by.
    """
    return [eps**0.2 * shrink for shrink in (1.0, 0.1, 0.01, 0.001)]


def central(
    f: Callable[[float], Array], here: Array, h: float, eps: float, weight: Array | None = None
) -> Difference:
    """The derivative at 0 of ``f``, whose value there is ``here``: (4·D(h/2) - D(h)) / 3 of central D.

    ``weight`` is the size of what f's rounding is of, |here| unless f cancels.

    >>> found = central(lambda t: np.array([(2 + t) ** 3]), np.array([8.0]), 1e-3, 2.2e-16)
    >>> round(float(found.value[0]), 9), bool(found.kink[0])
    (12.0, False)
    """
    weight = np.abs(here) if weight is None else weight
    with np.errstate(all="ignore"):
        far_right, far_left, right, left = f(h), f(-h), f(h / 2), f(-h / 2)
        coarse, fine = (far_right - far_left) / (2 * h), (right - left) / h
        value = (4 * fine - coarse) / 3
        rounding = eps * (weight + np.abs(here)) / h
        slope_left, slope_right = (here - left) / (h / 2), (right - here) / (h / 2)
        gap_far, gap = (far_right - 2 * here + far_left) / h, slope_right - slope_left
        steepest = np.maximum(np.abs(slope_left), np.abs(slope_right))
        apart = (np.abs(gap) > 0.9 * np.abs(gap_far)) & (np.abs(gap) > 1e-3 * steepest + 8 * rounding)
        one_sided = np.isfinite(slope_left) != np.isfinite(slope_right)
    error = np.where(np.isfinite(value), np.abs(value - fine) + rounding, math.inf)
    return Difference(value, error, slope_left, slope_right, apart | one_sided)


def judge(analytic: Array, numerical: Difference, rtol: float, atol: float) -> Array:
    """A verdict on each entry: |analytic - numerical| ≤ atol + rtol · max(|analytic|, |numerical|)."""
    value = numerical.value
    with np.errstate(all="ignore"):
        larger = np.maximum(np.abs(analytic), np.abs(value))
        apart = np.abs(analytic - value)
        close = apart <= atol + rtol * larger
        noise = 4 * numerical.error
        scale = np.max(larger, initial=0.0, where=np.isfinite(larger))
        within, small = apart <= noise, noise <= max(rtol, 1e-3) * scale
    verdict = np.where(within, np.where(small, AGREES, UNCERTAIN), WRONG)
    verdict = np.where(numerical.kink, KINK, verdict)
    return np.where(close, AGREES, verdict)
