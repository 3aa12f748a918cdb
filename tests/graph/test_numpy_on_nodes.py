"""NumPy's operators on nodes give nodes; its functions are refused, naming the library's own."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import chainrule as cr

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


@pytest.mark.parametrize("apply", OPERATORS)
@pytest.mark.parametrize("left", [np.array([3.0, 4.0], "f"), np.float32(3)])
def test_an_array_on_the_left_makes_a_node(apply, left):
    x = cr.variable([2.0, 3.0])
    found = apply(left, x)
    assert isinstance(found, cr.Node)
    np.testing.assert_array_equal(found.value, apply(left, x.value))


def test_matrices_and_logic():
    a, x = np.eye(2, dtype="f"), cr.variable([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal((a @ x).value, x.value)
    assert (np.array([True, False]) & (x[0] > 0)).value.tolist() == [True, False]


@pytest.mark.parametrize(
    ("call", "mend"),
    [
        (np.exp, r"use cr\.exp in graphs"),
        (np.absolute, r"use cr\.abs"),
        (np.add.reduce, r"np\.add\(x\.value\)"),
        (np.sum, r"use cr\.sum in graphs, or np\.sum\(x\.value\) for numbers"),
        (np.max, r"use cr\.max"),
        (lambda x: np.concatenate([np.zeros(1), x]), r"use cr\.concat in graphs"),
    ],
)
def test_a_function_of_numpy_is_refused(call, mend):
    with pytest.raises(cr.errors.ArgumentError, match=mend):
        call(cr.variable([1.0], name="x"))


def test_what_the_library_has_no_function_for_is_of_the_values():
    x = cr.variable([3.0, 4.0])
    assert np.allclose(x, [3, 4])
    assert np.linalg.norm(x, ord=2) == 5


def test_an_output_array_is_refused():
    x = cr.variable([1.0, 2.0])
    with pytest.raises(cr.errors.ArgumentError, match="has no value yet"):
        np.add(np.ones(2, "f"), x, out=np.zeros(2, "f"))
