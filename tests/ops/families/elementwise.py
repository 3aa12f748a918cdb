"""Rows of arithmetic, comparison, transcendental functions and rounding."""

from __future__ import annotations

import numpy as np
import scipy.special

import chainrule as cr

from .row import (
    ALL,
    FLOATS,
    NONZERO,
    NUMBERS,
    POSITIVE,
    REAL,
    SIGNED,
    TIED,
    TRUTH,
    Operand,
    Row,
    cases,
    elementwise,
    question,
    step,
    transcendental,
)

ARITHMETIC = [
    elementwise("add", np.add, REAL, REAL, dtypes=ALL),
    elementwise("subtract", np.subtract, Operand(whole=(3, 6)), Operand(whole=(0, 3)), dtypes=NUMBERS),
    elementwise("multiply", np.multiply, REAL, REAL, dtypes=ALL),
    elementwise("divide", np.divide, REAL, NONZERO, result="float"),
    step("floor_divide", np.floor_divide, REAL, NONZERO, nonfinite=False),
    elementwise("remainder", np.remainder, REAL, NONZERO, nonfinite=False),
    elementwise("negative", np.negative, dtypes=SIGNED),
    elementwise("abs", np.abs, NONZERO),
    step("sign", np.sign, NONZERO),
    elementwise("pow", np.power, POSITIVE, Operand(whole=(0, 3))),
    elementwise("maximum", np.maximum, REAL, REAL, dtypes=ALL),
    elementwise("minimum", np.minimum, REAL, REAL, dtypes=ALL),
    transcendental("reciprocal", lambda x: 1 / np.asarray(x), NONZERO),
    elementwise("square", np.square),
    transcendental("sqrt", np.sqrt, POSITIVE),
    transcendental("rsqrt", lambda x: 1 / np.sqrt(x), POSITIVE),
]

COMPARISON = [
    *[
        question(name, getattr(np, name), TIED, TIED)
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ],
    *[
        question(name, getattr(np, name), TRUTH, TRUTH, dtypes=("bool",), nonfinite=False)
        for name in ("logical_and", "logical_or", "logical_xor")
    ],
    question("logical_not", np.logical_not, TRUTH, dtypes=("bool",), nonfinite=False),
    question("isfinite", np.isfinite),
    question("isnan", np.isnan),
    elementwise("where", np.where, TRUTH, REAL, REAL, dtypes=ALL, wrong=(([True] * 2, np.ones(3), 0.0),)),
]

INSIDE = Operand(-0.9, 0.9, whole=(0, 0))
TRANSCENDENTAL = [
    transcendental("exp", np.exp),
    transcendental("expm1", np.expm1),
    transcendental("log", np.log, POSITIVE),
    transcendental("log1p", np.log1p, POSITIVE),
    transcendental("log2", np.log2, POSITIVE),
    transcendental("sin", np.sin),
    transcendental("cos", np.cos),
    transcendental("tan", np.tan, Operand(-1.2, 1.2, whole=(0, 1))),
    transcendental("sinh", np.sinh),
    transcendental("cosh", np.cosh),
    transcendental("tanh", np.tanh),
    transcendental("arcsin", np.arcsin, INSIDE),
    transcendental("arccos", np.arccos, INSIDE),
    transcendental("arctan", np.arctan),
    transcendental("arctan2", np.arctan2, NONZERO, NONZERO),
    transcendental("arcsinh", np.arcsinh),
    transcendental("arccosh", np.arccosh, Operand(1.2, 4.0, whole=(1, 6)), tolerance=4),
    transcendental("arctanh", np.arctanh, INSIDE),
    transcendental("erf", scipy.special.erf),
    transcendental("sigmoid", scipy.special.expit),
]

ROUNDING = [
    step("floor", np.floor),
    step("ceil", np.ceil),
    step("round", np.round),
    Row(
        "clip", cr.clip, lambda x, min=None, max=None: np.clip(x, min, max),
        cases=cases(
            ([(5, 4)], [{"min": -1, "max": 1}, {"min": -0.5}, {"max": 0.5}]),
            ([()], [{"min": -1, "max": 1}]), ([(0, 2)], [{"max": 1}]),
        ),
        dtypes=FLOATS,
    ),
]  # fmt: skip
