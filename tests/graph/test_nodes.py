"""Nodes as Python objects: immutable, named, printable, and arithmetic like arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import errors

A = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
B = np.array([[2.0, 2.0, 2.0], [-3.0, 1.0, 4.0]])

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "**": lambda x, y: abs(x) ** y,
    "@": lambda x, y: x @ y.T,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "&": lambda x, y: (x > 0) & (y > 0),
    "|": lambda x, y: (x > 0) | (y > 0),
    "^": lambda x, y: (x > 0) ^ (y > 0),
    "neg": lambda x, y: -x + -y,
    "pos": lambda x, y: +x,
    "invert": lambda x, y: ~(x > y),
    "abs": lambda x, y: abs(x) + abs(y),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("left", ["node", "array"])
@pytest.mark.parametrize("right", ["node", "array"])
def test_operators_mean_what_they_mean_for_arrays(name: str, left: str, right: str) -> None:
    x = cr.variable(A) if left == "node" else A
    y = cr.variable(B) if right == "node" else B
    found = OPERATORS[name](x, y)
    if left == "node":
        assert isinstance(found, cr.Node)
    np.testing.assert_allclose(np.asarray(found), OPERATORS[name](A, B))


SCALARS: dict[str, Callable[[Any], Any]] = {
    "2 + x": lambda x: 2 + x,
    "2 - x": lambda x: 2 - x,
    "2 * x": lambda x: 2 * x,
    "2 / x": lambda x: 2 / x,
    "2 // x": lambda x: 2 // x,
    "2 % x": lambda x: 2 % x,
    "2 ** x": lambda x: 2**x,
    "x + 2.5": lambda x: x + 2.5,
    "x > 1": lambda x: x > 1,
    "1 > x": lambda x: 1 > x,  # noqa: SIM300  # the reflected comparison is what is tested
    "array @ x": lambda x: np.ones((4, 2)) @ x,
    "array * x": lambda x: np.ones(3) * x,
    "NumPy scalar * x": lambda x: np.float64(2.0) * x,
}


@pytest.mark.parametrize("name", SCALARS)
def test_scalars_and_arrays_on_the_left(name: str) -> None:
    found = SCALARS[name](cr.variable(A))
    assert isinstance(found, cr.Node)
    np.testing.assert_allclose(found.value, SCALARS[name](A))


def test_methods_and_properties() -> None:
    x = cr.variable(A)
    for found, expected in [
        (x.T, A.T), (x.mT, A.T), (x.sum(), A.sum()), (x.sum(0), A.sum(0)), (x.mean(1), A.mean(1)),
        (x.max(axis=1, keepdims=True), A.max(1, keepdims=True)), (x.min(), A.min()),
        (x.reshape(3, 2), A.reshape(3, 2)), (x.reshape((-1,)), A.reshape(-1)), (x[1, ::2], A[1, ::2]),
        (x.astype("int64"), A.astype(int)),
    ]:  # fmt: skip
        np.testing.assert_allclose(found.value, expected)
    assert (x.ndim, x.size, len(x)) == (2, 6, 2)
    assert cr.placeholder((0, 3)).size == 0


def test_a_node_of_one_element_becomes_a_number() -> None:
    x = cr.variable([[2.75]])
    assert (float(x), int(x), bool(x), x.item()) == (2.75, 2, True, 2.75)
    assert not cr.constant(0.0)
    for convert in (float, int, bool):
        with pytest.raises(errors.ShapeError, match="has 2 elements and cannot become one Python number"):
            convert(cr.variable([1.0, 2.0]))


def test_iteration_and_length() -> None:
    assert [row.value.tolist() for row in cr.variable(A)] == A.tolist()
    first, second = cr.variable([1.0, 2.0])
    assert (float(first), float(second)) == (1.0, 2.0)
    with pytest.raises(errors.ShapeError, match="no axis to take the length of"):
        len(cr.variable(1.0))


def test_conversion_to_numpy() -> None:
    x = cr.variable(A)
    assert np.asarray(x).dtype == np.float64
    assert np.asarray(x, dtype="float32").dtype == np.float32
    copy = np.array(x)
    copy[0, 0] = 99
    assert x.value[0, 0] == 1.0
    assert not np.asarray(x).flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        x.value[0, 0] = 5.0


def test_nodes_cannot_be_changed_or_made_by_hand() -> None:
    x = cr.variable(A) * 2
    for name in ("op", "shape", "inputs", "dtype", "unheard_of"):
        with pytest.raises(AttributeError, match=f"nodes are immutable: {name} cannot be set"):
            setattr(x, name, None)
    with pytest.raises(TypeError):
        del x.shape
    with pytest.raises(TypeError):
        cr.sum(x, axis=0).attributes["axis"] = 1
    for kind in (cr.Node, cr.Variable, cr.Placeholder):
        with pytest.raises(errors.ArgumentError, match="nodes are not made by hand"):
            kind()


def test_names_and_repr() -> None:
    x = cr.placeholder((2, 3), name="x")
    assert (x.name, x.label) == ("x", "x")
    total = cr.sum(x, axis=1, keepdims=True)
    assert (total.name, total.label) == (None, "sum")
    assert repr(total).startswith("<sum axis=(1,) keepdims=True shape=(2, 1) dtype=float32 at ")
    assert "test_nodes.py:" in repr(total)
    assert repr(total.named("row sums")).startswith("<sum 'row sums' axis=(1,)")
    assert cr.sum(x, axis=1, keepdims=True).name == "row sums"


def test_a_list_of_nodes_is_refused_and_not_evaluated() -> None:
    a, b = cr.variable(1.0), cr.variable(2.0)
    for wrong in ([a, b], (a, 1.0), [[a], [b]]):
        with pytest.raises(errors.ArgumentError, match="list of nodes") as caught:
            cr.sum(wrong)
        assert "cr.stack them" in str(caught.value)
        assert "test_nodes.py" in str(caught.value)


def test_backward_puts_gradients_where_pytorch_users_look() -> None:
    x, y, unused = cr.variable([1.0, 2.0]), cr.variable(3.0), cr.variable(1.0)
    (cr.sum(x * x) * y + 0 * cr.stop_gradient(unused)).backward()
    assert x.grad.tolist() == [6.0, 12.0]
    assert y.grad.item() == 5.0
    assert unused.grad is None
    (y * y).backward()
    assert y.grad.item() == 6.0  # replaced, not added to
    x.grad = None
    assert x.grad is None
    with pytest.raises(errors.ShapeError, match="not a scalar"):
        (x * x).backward()
