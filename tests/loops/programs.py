"""Random legal loop programs with memory to run them on, and what the interpreter makes of them.

``cases()`` is a hypothesis strategy; ``case(seed)`` is the same without hypothesis, for many at once.
What a case is made of is in ``families.py``, and what it knows of its own values in ``maker.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from .families import FAMILIES
from .maker import Case, Maker

Families = Sequence[Callable[[Maker], None]]


def make(integer: Callable[[int, int], int], families: Families, largest: int) -> Case:
    """A program of one to four parts, each by one of the families."""
    maker = Maker(integer, largest)
    for _ in range(integer(1, 4)):
        maker.choice(families)(maker)
    return maker.finish()


def case(seed: int, families: Families | None = None, largest: int = 70) -> Case:
    """The random program of a seed."""
    rng = np.random.default_rng(seed)
    return make(lambda low, high: int(rng.integers(low, high + 1)), families or FAMILIES, largest)


@st.composite
def cases(draw: st.DrawFn, families: Families | None = None, largest: int = 70) -> Case:
    """Random programs; ``families`` (from ``families.py``) narrows what they are made of."""
    return make(lambda low, high: draw(st.integers(low, high)), families or FAMILIES, largest)
