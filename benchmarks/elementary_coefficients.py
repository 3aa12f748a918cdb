"""Which polynomials do the native engine's elementary functions need, and how wrong are they at best?

Of each function on its reduced interval: the polynomial whose greatest error in the result is least, with
any coefficients, with coefficients that the format can hold, and with those that
``engines/native/vector_coefficients.py`` has.  Errors are in units of 2⁻²⁴ of the result (2⁻⁵³ in float64),
half a unit in the last place or less.  Needs mpmath.

    python benchmarks/elementary_coefficients.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

from chainrule.engines.native import vector_coefficients

mp.mp.dps = 40
Number = Any  # an mpmath number
Array = np.ndarray[Any, Any]
Function = Callable[[Number], Number]


@dataclass(frozen=True)
class Problem:
    """Approximate ``function`` on [low, high]; an error there counts ``weight`` times in the result."""

    table: str
    degree: int
    function: Function
    low: Number
    high: Number
    weight: Function
    dtype: type[np.floating[Any]] = np.float32
    bits: int = 24


def problems() -> list[Problem]:
    """One for each table of coefficients in the module."""
    half_log2, root = mp.log(2) / 2 * mp.mpf("1.0001"), mp.sqrt
    quarter, least, one = mp.pi / 4 * mp.mpf("1.033"), mp.mpf("1e-9"), mp.mpf("1.0001")
    low, high = mp.sqrt(0.5) - 1, mp.sqrt(2) - 1
    exp = (lambda r: mp.expm1(r) / r if r else mp.mpf(1), -half_log2, half_log2, lambda r: r * mp.exp(-r))
    expm1 = (lambda r: (mp.expm1(r) - r) / r**2 if r else mp.mpf(0.5), -half_log2, half_log2,
             lambda r: r**2 / mp.expm1(r))  # fmt: skip
    log1p = (lambda f: (mp.log1p(f) - f) / f**2, low, high, lambda f: f**2 / mp.log1p(f))
    return [
        Problem("EXP", 5, *exp), Problem("EXP_64", 10, *exp, np.float64, 53),
        Problem("EXPM1", 5, *expm1), Problem("EXPM1_64", 10, *expm1, np.float64, 53),
        Problem("LOG1P", 7, *log1p), Problem("LOG1P_64", 19, *log1p, np.float64, 53),
        Problem("EXP2", 5, lambda r: (2**r - 1) / r, -one / 2, one / 2, lambda r: r * 2**-r),
        Problem("LOG2", 11, lambda f: mp.log1p(f) / f / mp.log(2), low, high,
                lambda f: f / mp.log1p(f) * mp.log(2), np.float64),
        Problem("ERF", 8, lambda a: -mp.log(mp.erfc(a)) / a - 1, least, mp.mpf("3.93"),
                lambda a: a * mp.erfc(a) / mp.erf(a)),
        Problem("SIN", 2, lambda z: (mp.sin(root(z)) / root(z) - 1) / z, least, quarter**2,
                lambda z: z * root(z) / mp.sin(root(z))),
        Problem("COS", 3, lambda z: (mp.cos(root(z)) - 1) / z, least, quarter**2,
                lambda z: z / mp.cos(root(z))),
        Problem("ATAN", 7, lambda z: (mp.atan(root(z)) / root(z) - 1) / z, least, one,
                lambda z: z * root(z) / mp.atan(root(z))),
    ]  # fmt: skip


class Grid:
    """A problem at many places, denser towards the ends: where its errors are largest."""

    def __init__(self, problem: Problem, count: int = 400) -> None:
        middle, half = (problem.low + problem.high) / 2, (problem.high - problem.low) / 2
        self.places = [middle - half * mp.cos(mp.pi * (i + mp.mpf(0.5)) / count) for i in range(count)]
        self.targets = [problem.function(x) for x in self.places]
        self.weights = [abs(problem.weight(x)) * 2**problem.bits for x in self.places]

    def errors(self, coefficients: Sequence[float]) -> Array:
        """What is weighted wrong at each place, in units of the result; differences taken in 40 digits."""
        lowest_last = [mp.mpf(c) for c in reversed(coefficients)] or [mp.mpf(0)]
        places = zip(self.places, self.targets, self.weights, strict=True)
        return np.array([float(w * (t - mp.polyval(lowest_last, x))) for x, t, w in places])


def minimax(grid: Grid, degree: int, known: Sequence[float], rounds: int = 400) -> list[float]:
    """The coefficients after the ``known`` lowest ones that make the greatest error least.

    Lawson's way: least squares again and again, each place counting as much more as it was wrong.
    """
    places, weights = np.array(grid.places, float), np.array(grid.weights, float)
    basis = weights[:, None] * places[:, None] ** np.arange(len(known), degree + 1)
    scale = np.abs(basis).max(0)
    rest, share = grid.errors(known), np.full(len(places), 1 / len(places))
    best, least = np.zeros(basis.shape[1]), np.inf
    for _ in range(rounds):
        root = np.sqrt(share)
        found = np.linalg.lstsq(root[:, None] * basis / scale, root * rest, rcond=None)[0]
        error = np.abs(rest - basis / scale @ found)
        if error.max() < least:
            best, least = found / scale, error.max()
        share = share * error
        share /= share.sum()
    return [float(c) for c in best]


def rounded(problem: Problem, grid: Grid) -> list[float]:
    """Coefficients that the dtype holds: the lowest is rounded, the others are fitted around it, …

    For 53 bits the squares would have to be of more digits than NumPy has.  There, interpolation at
    Chebyshev's places comes near enough to the best that one coefficient more makes good for it.
    """
    if problem.bits == 53:
        found = mp.chebyfit(problem.function, [problem.low, problem.high], problem.degree + 1)
        return [float(c) for c in reversed(found)]
    known: list[float] = []
    while len(known) <= problem.degree:
        known.append(float(problem.dtype(minimax(grid, problem.degree, known)[0])))
    return known


def main() -> None:
    for problem in problems():
        grid = Grid(problem)
        fresh = rounded(problem, grid)
        rows = {
            f"{np.dtype(problem.dtype)}": fresh,
            "the module's": getattr(vector_coefficients, problem.table),
        }
        if problem.bits == 24:
            rows = {"any numbers": minimax(grid, problem.degree, [])} | rows
        said = "; ".join(f"{who} {np.abs(grid.errors(row)).max():.4f}" for who, row in rows.items())
        print(f"{problem.table}: greatest error with {said}\n    {fresh}")


if __name__ == "__main__":
    main()
