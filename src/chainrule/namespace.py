"""The few places where array libraries differ, behind one function each.

An op's ``forward(xp, …)`` calls ``xp`` for everything that the array API standard names, and these
functions for the rest.  Each takes ``xp`` first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .special import erf as _erf


def erf(xp: Any, x: NDArray[Any]) -> NDArray[Any]:
    """The error function 2/√π ∫₀ˣ exp(-t²) dt."""
    return _erf(x)


def place(xp: Any, x: NDArray[Any], slices: tuple[slice, ...], shape: tuple[int, ...]) -> NDArray[Any]:
    """Zeros of ``shape`` with ``x`` at ``slices``."""
    result = np.zeros(shape, x.dtype)
    result[slices] = x
    return result
