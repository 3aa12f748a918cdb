"""Rows of sums, extremes, and what else folds axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

from .row import ALL, TIED, TRUTH, Row, cases


def _casting(reference: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's reduction, counting booleans and int32 in int64 as the array API standard has it."""

    def reduced(x: Any, **attributes: Any) -> Any:
        wide = np.int64 if x.dtype in (np.bool_, np.int32) else x.dtype
        return reference(x, dtype=wide, **attributes)

    return reduced


_AXES = [
    {},
    {"axis": 0},
    {"axis": -1, "keepdims": True},
    {"axis": (0, 2)},
    {"axis": (2, 1), "keepdims": True},
]
REDUCED = cases(([(2, 3, 4)], _AXES), ([()], [{}]), ([(1,)], [{}]), ([(1, 1)], [{"axis": 1}]))
EMPTY = cases(([(0,)], [{}]), ([(3, 0)], [{"axis": 1}, {"axis": 0}]))
ONE_AXIS = cases(
    ([(3, 4)], [{}, {"axis": 0}, {"axis": -1, "keepdims": True}]), ([(1,)], [{}]), ([(3, 0)], [{"axis": 0}])
)
NO_AXIS = ((np.ones((2, 3)), 2), (np.ones(3), (0, 0)))


REDUCTION = [
    Row("sum", cr.sum, _casting(np.sum), cases=REDUCED + EMPTY, dtypes=ALL, result="counted", wrong=NO_AXIS),
    Row(
        "prod", cr.prod, _casting(np.prod), cases=REDUCED + EMPTY, dtypes=ALL, result="counted",
        wrong=NO_AXIS, nonfinite=False,
    ),
    Row("mean", cr.mean, np.mean, cases=REDUCED + EMPTY[-1:], result="float", wrong=NO_AXIS),
    Row(
        "var", cr.var, lambda x, axis=None, correction=0, keepdims=False: np.var(
            x, axis=axis, ddof=correction, keepdims=keepdims
        ),
        cases=REDUCED + cases(([(4, 3)], [{"correction": 1}, {"axis": 0, "correction": 1.5}])),
        result="float", wrong=NO_AXIS, tolerance=4,
    ),
    Row(
        "std", cr.std, lambda x, axis=None, correction=0, keepdims=False: np.std(
            x, axis=axis, ddof=correction, keepdims=keepdims
        ),
        cases=cases(([(2, 3, 4)], _AXES), ([(4, 3)], [{"axis": 0, "correction": 1}])),
        result="float", wrong=NO_AXIS, tolerance=4,
    ),
    Row("max", cr.max, np.max, cases=REDUCED + cases(([(3, 0)], [{"axis": 0}])), wrong=NO_AXIS),
    Row("min", cr.min, np.min, cases=REDUCED + cases(([(3, 0)], [{"axis": 0}])), wrong=NO_AXIS),
    Row(
        "argmax", cr.argmax, np.argmax, (TIED,), cases=ONE_AXIS, result="int64",
        differentiable=False, wrong=((np.ones(3), 1), (np.ones((2, 0)), 1)),
    ),
    Row(
        "argmin", cr.argmin, np.argmin, (TIED,), cases=ONE_AXIS, result="int64",
        differentiable=False, wrong=((np.ones(3), 1), (np.ones((2, 0)), 1)),
    ),
    Row(
        "any", cr.any, np.any, (TRUTH,), cases=REDUCED + EMPTY, dtypes=("bool",), result="bool",
        differentiable=False, nonfinite=False, wrong=(([True], 1),),
    ),
    Row(
        "all", cr.all, np.all, (TRUTH,), cases=REDUCED + EMPTY, dtypes=("bool",), result="bool",
        differentiable=False, nonfinite=False, wrong=(([True], 1),),
    ),
    Row(
        "cumulative_sum", cr.cumulative_sum,
        lambda x, axis=None, include_initial=False: np.cumulative_sum(
            x, axis=axis, include_initial=include_initial, dtype=np.int64 if x.dtype == np.int32 else x.dtype
        ),
        cases=cases(
            ([(5,)], [{}, {"include_initial": True}]), ([(3, 4)], [{"axis": 0}, {"axis": -1}]),
            ([(0,)], [{}]),
            ([(1,)], [{}]),
        ),
        result="counted", wrong=((np.ones((2, 2)),), (np.ones(2), 1)),
    ),
]  # fmt: skip
