"""The dtype policy, as one table, and what the graph makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import dtypes, errors

NAMES = ["bool", "uint32", "int32", "int64", "float32", "float64"]

#: Row meets column; symmetric.
MEETING = {
    "bool": ["bool", "uint32", "int32", "int64", "float32", "float64"],
    "uint32": ["uint32", "uint32", "int64", "int64", "float32", "float64"],
    "int32": ["int32", "int64", "int32", "int64", "float32", "float64"],
    "int64": ["int64", "int64", "int64", "int64", "float32", "float64"],
    "float32": ["float32", "float32", "float32", "float32", "float32", "float64"],
    "float64": ["float64", "float64", "float64", "float64", "float64", "float64"],
}


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("right", NAMES)
def test_types_meet_as_the_table_says(left: str, right: str) -> None:
    expected = MEETING[left][NAMES.index(right)]
    assert dtypes.promote(dtypes.as_dtype(left), dtypes.as_dtype(right)).name == expected
    x, y = cr.placeholder((2,), left), cr.placeholder((2,), right)
    for node in (cr.maximum(x, y), cr.maximum(y, x), cr.where([True, False], x, y), cr.concat([x, y])):
        assert node.dtype.name == expected
    values = cr.evaluate(cr.maximum(x, y), feed={x: np.ones(2, left), y: np.zeros(2, right)})
    assert values.dtype.name == expected


#: A Python scalar beside an operand.
SCALARS = [
    (True, {"bool": "bool", "uint32": "uint32", "int32": "int32", "float32": "float32"}),
    (2, {"bool": "int64", "uint32": "uint32", "int32": "int32", "int64": "int64", "float32": "float32",
         "float64": "float64"}),
    (2.5, {"bool": "float32", "uint32": "float32", "int32": "float32", "int64": "float32",
           "float32": "float32", "float64": "float64"}),
]  # fmt: skip


@pytest.mark.parametrize(("scalar", "table"), SCALARS, ids=["bool", "int", "float"])
def test_a_python_scalar_takes_the_other_operand_s_type(scalar: Any, table: dict[str, str]) -> None:
    for name, expected in table.items():
        x = cr.placeholder((2,), name)
        assert cr.multiply(x, scalar).dtype.name == expected, name
        assert cr.multiply(scalar, x).dtype.name == expected, name


RESULTS: dict[str, tuple[Callable[[], cr.Node], str]] = {
    "two Python numbers": (lambda: cr.add(1, 2.5), "float32"),
    "two Python integers": (lambda: cr.add(1, 2), "int64"),
    "integers divided": (lambda: cr.divide(cr.constant([1, 2]), 2), "float32"),
    "float64 divided": (lambda: cr.divide(cr.constant(np.ones(2)), 2), "float64"),
    "exp of integers": (lambda: cr.exp(cr.constant([1, 2])), "float32"),
    "mean of integers": (lambda: cr.mean(cr.constant([1, 2])), "float32"),
    "sum of booleans": (lambda: cr.sum(cr.constant([True, False])), "int64"),
    "sum of int32": (lambda: cr.sum(cr.placeholder((2,), "int32")), "int64"),
    "comparison": (lambda: cr.placeholder((2,), "float64") > 1, "bool"),
    "argmax": (lambda: cr.argmax(cr.placeholder((2,), "float64")), "int64"),
    "NumPy float64 scalar": (lambda: cr.placeholder((2,)) * np.float64(2), "float64"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results(name: str) -> None:
    make, expected = RESULTS[name]
    assert make().dtype.name == expected


def test_casts_are_nodes_and_constants_are_cast_at_once() -> None:
    x, i = cr.placeholder((2,)), cr.placeholder((2,), "int32")
    assert [child.op.name for child in (x * i).inputs] == ["placeholder", "cast"]
    assert [child.op.name for child in (x * np.ones(2, np.int32)).inputs] == ["placeholder", "constant"]
    assert x.astype("float32") is x


def test_float_to_integer_cuts_and_lets_nothing_flow() -> None:
    x = cr.variable([1.7, -1.7])
    assert x.astype("int32").value.tolist() == [1, -1]
    assert cr.gradients(cr.sum(x.astype("int64") * x), x).value.tolist() == [1.0, -1.0]


def test_gradients_come_back_through_casts_in_the_leaf_s_type() -> None:
    x = cr.variable(np.ones(2, np.float32))
    gradient = cr.gradients(cr.sum(x * np.arange(2.0)), x)
    assert gradient.dtype.name == "float32"


@pytest.mark.parametrize("given", ["float32", np.float32, np.dtype("float32"), float, np.dtype(">f4"), "f4"])
def test_spellings_of_a_dtype(given: Any) -> None:
    assert dtypes.as_dtype(given) is dtypes.float32


@pytest.mark.parametrize("given", ["float16", "nonsense", None.__class__, [], {}, np.complex64, "datetime64"])
def test_other_types_are_refused(given: Any) -> None:
    with pytest.raises(errors.DTypeError, match="is not supported"):
        dtypes.as_dtype(given)


def test_python_integers_that_do_not_fit_are_refused() -> None:
    x = cr.placeholder((2,), "uint32")
    with pytest.raises(errors.DTypeError, match="-1 does not fit uint32") as caught:
        _ = x + -1
    assert "test_dtypes.py:" in str(caught.value)
