"""Rows of changes of type and of gradients."""

from __future__ import annotations

import numpy as np

import chainrule as cr

from .row import ALL, Operand, Row, cases

CASTS = [
    Row(
        "astype", cr.astype, lambda x, dtype: np.asarray(x).astype(dtype), (Operand(0.5, 3.0),),
        cases(([(3, 4)], [{"dtype": "float64"}, {"dtype": "float32"}]), ([(0,)], [{"dtype": "float64"}])),
        ALL, result="asked", wrong=((np.ones(3), "complex64"), (np.ones(3), ["x"])),
    ),
    Row(
        "stop_gradient", cr.stop_gradient, lambda x: x, dtypes=ALL, differentiable=False,
    ),
]  # fmt: skip
