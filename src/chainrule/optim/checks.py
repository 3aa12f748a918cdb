"""Numbers as arguments: held to their range, with a message that names the optimizer and the option."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from ..errors import ArgumentError
from ..graph import user_place

#: The half-open interval ``[low, high)`` of the values that an option takes.
Range = tuple[float, float]

FRACTION: Range = (0.0, 1.0)
NOT_NEGATIVE: Range = (0.0, math.inf)


def is_number(value: Any) -> bool:
    """Whether ``value`` is a real number, Python's or NumPy's; booleans are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def in_range(what: str, value: Any, allowed: Range) -> float:
    """``value`` as a float within ``allowed``, else an ``ArgumentError`` that begins with ``what``."""
    low, high = allowed
    if not (is_number(value) and low <= value < high and math.isfinite(value)):
        bounds = [f"at least {low:g}"] if low > -math.inf else []
        bounds += [f"below {high:g}"] if high < math.inf else []
        raise ArgumentError(
            f"{what} is {value!r}; it must be a finite number, {' and '.join(bounds)}", where=user_place()
        )
    return float(value)


def positive(what: str, value: Any) -> float:
    """``value`` as a finite float above 0, else an ``ArgumentError`` that begins with ``what``."""
    if not (is_number(value) and 0.0 < value < math.inf):
        raise ArgumentError(f"{what} is {value!r}; it must be a finite number above 0", where=user_place())
    return float(value)


def whole(what: str, value: Any, least: int = 1) -> int:
    """``value`` as an integer of at least ``least``, else an ``ArgumentError`` that begins with ``what``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ArgumentError(f"{what} is {value!r}; it must be a whole number, at least {least}",
                            where=user_place())  # fmt: skip
    return int(value)
