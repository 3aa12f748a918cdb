"""Analytic against numerical: one verdict an entry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..dtypes import DType, float32
from ..engines.differences import AGREES, WRONG, Difference, judge
from ..graph import Array
from .probe import Probe


def attainable(dtype: DType) -> float:
    """The relative accuracy that central differences reach at best in this dtype: 10·eps^(2/3).

    >>> import chainrule as cr
    >>> f"{attainable(cr.float64):.1e}, {attainable(cr.float32):.1e}"
    '3.7e-10, 2.4e-04'
    """
    return float(10 * np.finfo(dtype).eps ** (2 / 3))


class Tolerance(NamedTuple):
    """|analytic - numerical| ≤ atol + rtol · max(|analytic|, |numerical|)."""

    rtol: float
    atol: float
    step: float | None = None

    @classmethod
    def usual(cls, dtype: DType, rtol: float | None, atol: float | None, step: float | None) -> Tolerance:
        usual = (1e-2, 1e-3) if dtype is float32 else (1e-6, 1e-8)
        return cls(usual[0] if rtol is None else rtol, usual[1] if atol is None else atol, step)


class Comparison(NamedTuple):
    """Both derivatives of each output along one direction, and the verdicts."""

    analytic: Array
    numerical: Difference
    verdict: Array

    @property
    def agrees(self) -> bool:
        return bool((self.verdict == AGREES).all())


def compare(
    probe: Probe, direction: Array, analytic: Array, tolerance: Tolerance, u: Array | None = None
) -> Comparison:
    """``analytic`` (J·direction, or u·J·direction) against differences, at finer steps where they differ."""
    analytic = np.atleast_1d(np.asarray(analytic, np.float64))
    best: Difference | None = None
    verdict = np.full(analytic.shape, WRONG)
    for difference in probe.differences(direction, u, tolerance.step):
        best = difference if best is None else best.better_of(difference)
        verdict = judge(analytic, best, tolerance.rtol, tolerance.atol)
        if (verdict == AGREES).all():
            break
    assert best is not None
    return Comparison(analytic, best, verdict)
