"""Leaves: what their makers take, what variables hold, how placeholders are bound."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import errors

DTYPES: list[tuple[Any, str, str]] = [
    # value, dtype as a constant, dtype as a variable
    (1.5, "float32", "float32"),
    (3, "int64", "float32"),
    (True, "bool", "bool"),
    ([1.0, 2.0], "float32", "float32"),
    ([1, 2], "int64", "float32"),
    (np.float64(1.5), "float64", "float64"),
    (np.ones(2), "float64", "float64"),
    (np.ones(2, np.float32), "float32", "float32"),
    (np.ones(2, np.int32), "int32", "int32"),
    (np.ones(2, np.uint32), "uint32", "uint32"),
    (np.ones(2, ">f8"), "float64", "float64"),
]


@pytest.mark.parametrize(("value", "constant", "variable"), DTYPES, ids=lambda item: repr(item)[:24])
def test_dtypes_of_leaves(value: Any, constant: str, variable: str) -> None:
    assert cr.constant(value).dtype.name == constant
    assert cr.variable(value).dtype.name == variable
    assert cr.variable(value, "float64").value.dtype == np.float64


def test_leaves_hold_copies() -> None:
    array = np.ones(3)
    variable, constant = cr.variable(array), cr.constant(array)
    array[0] = 5.0
    assert variable.value[0] == constant.value[0] == 1.0


def test_assign_replaces_the_array_and_keeps_shape_and_dtype() -> None:
    w = cr.variable(np.zeros((2, 3)), name="w")
    square = w * w
    w.assign(np.full((2, 3), 3.0))
    assert square.value.tolist() == [[9.0] * 3] * 2
    w.assign(np.ones((2, 3), np.float32))
    assert w.value.dtype == np.float64
    source = np.ones((2, 3))
    w.assign(source)
    source[:] = 7
    assert w.value.max() == 1.0


ASSIGN: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "shape": (np.zeros(3), np.zeros(4), errors.ShapeError, "cannot hold an array of shape (4,)"),
    "scalar": (np.zeros(3), 1.0, errors.ShapeError, "cannot hold an array of shape ()"),
    "complex": (np.zeros(1), np.ones(1, complex), errors.DTypeError, "cannot hold an array of complex128"),
    "float to int": (np.zeros(1, int), np.ones(1), errors.DTypeError, "cannot hold an array of float64"),
}


@pytest.mark.parametrize("name", ASSIGN)
def test_assign_refuses(name: str) -> None:
    start, value, kind, text = ASSIGN[name]
    variable = cr.variable(start, name="w")
    with pytest.raises(kind) as caught:
        variable.assign(value)
    assert text in str(caught.value)
    assert "'w'" in str(caught.value)
    np.testing.assert_array_equal(variable.value, start)


MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])

MAKERS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "ragged": (lambda: cr.constant([[1.0], [1.0, 2.0]]), errors.ShapeError, "constant: the nested lists"),
    "string": (lambda: cr.variable("three"), errors.DTypeError, "variable: element type dtype('<U5')"),
    "complex": (
        lambda: cr.variable(1j),
        errors.DTypeError,
        "pass the real and the imaginary part separately",
    ),
    "object": (lambda: cr.constant([None]), errors.DTypeError, "constant: element type dtype('O')"),
    "overflow": (lambda: cr.constant(2**40, "int32"), errors.DTypeError, "1099511627776 does not fit int32"),
    "negative size": (lambda: cr.placeholder((2, -1)), errors.ShapeError, "sizes cannot be negative"),
    "size of a float": (lambda: cr.placeholder((2.5,)), errors.ShapeError, "sizes are integers, got (2.5,)"),
    "size of a drawn array": (
        lambda: cr.random.normal(cr.random.key(0), (2.5, 3)),
        errors.ShapeError,
        "random: sizes are integers, got (2.5, 3)",
    ),
    "masked": (lambda: cr.constant(MASKED), errors.DTypeError, "constant: a masked array hides elements"),
    "masked variable": (lambda: cr.variable(MASKED), errors.DTypeError, "weigh the elements with the mask"),
    "dtype": (lambda: cr.placeholder((), "float16"), errors.DTypeError, "element type 'float16'"),
    "no dtype": (lambda: cr.placeholder((), ["x"]), errors.DTypeError, "convert to one of bool, uint32"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_makers_refuse_and_say_where(name: str) -> None:
    make, kind, text = MAKERS[name]
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)
    assert "test_leaves.py:" in str(caught.value)


def test_copies_of_variables_are_variables_of_their_own() -> None:
    """So a model is copied with copy.deepcopy; what is written in nodes needs no copy."""
    w = cr.variable([1.0, 2.0], name="w")
    model = {"w": w, "tied": w, "norm": cr.sum(w * w)}
    twin = copy.deepcopy(model)
    assert twin["w"] is twin["tied"]
    assert twin["w"] is not w
    assert (twin["w"].name, twin["w"].dtype.name) == ("w", "float32")
    w.assign([5.0, 6.0])
    assert twin["w"].value.tolist() == [1.0, 2.0]
    assert twin["norm"] is copy.copy(model["norm"]) is model["norm"]


def test_nodes_are_not_pickled() -> None:
    with pytest.raises(errors.ArgumentError, match="cannot be pickled: nodes belong to their process"):
        pickle.dumps(cr.variable(1.0) * 2)


def test_an_unbound_placeholder_says_how_to_bind_it() -> None:
    x = cr.placeholder((2, 3), name="x")
    with pytest.raises(errors.UnboundError) as caught:
        _ = cr.sum(x * 2).value
    place = str(x.origin)
    assert str(caught.value) == (
        "the placeholder x has no value\n"
        f"  where: {place}\n"
        "  mend:  give it one: feed={x: an array of shape (2, 3) and dtype float32}"
    )
    assert "test_leaves.py:" in place


def test_short_values_of_constants() -> None:
    assert cr.constant(2.5).short == "2.5"
    assert cr.constant([1.0, 2.0]).short == "[1., 2.]"
    assert cr.constant(np.arange(100.0)).short == "[ 0.,  1.,  2., ..., 97., 98., 99.]"


FEEDS: dict[str, tuple[Callable[[cr.Placeholder], dict[Any, Any]], type[Exception], str]] = {
    "shape": (lambda x: {x: np.zeros(4)}, errors.ShapeError, "has shape (3,), the array given has (4,)"),
    "no leaf": (lambda x: {x * 2: np.zeros(3)}, errors.ArgumentError, "not a placeholder or a variable"),
    "name": (lambda x: {"x": np.zeros(3)}, errors.ArgumentError, "use the leaf itself as the key"),
    "masked": (lambda x: {x: MASKED}, errors.DTypeError, "a masked array hides elements"),
    "complex": (lambda x: {x: np.zeros(3, complex)}, errors.DTypeError, "the array given is complex128"),
    "string": (lambda x: {x: ["a"] * 3}, errors.DTypeError, "is float32, the array given is <U1"),
}


@pytest.mark.parametrize("name", FEEDS)
def test_feeds_that_do_not_fit(name: str) -> None:
    make, kind, text = FEEDS[name]
    x = cr.placeholder((3,), name="x")
    with pytest.raises(kind) as caught:
        cr.evaluate(x + 1, feed=make(x))
    assert text in str(caught.value)


def test_feeds_that_fit() -> None:
    x, i = cr.placeholder((2,), name="x"), cr.placeholder((2,), "int32", name="i")
    assert cr.evaluate(x * 2, feed={x: [1, 2]}).tolist() == [2.0, 4.0]
    assert cr.evaluate(x * 2, feed={x: np.array([1.0, 2.0])}).dtype == np.float32
    assert cr.evaluate(i * 2, feed={i: np.array([1, 2])}).dtype == np.int32
    with pytest.raises(errors.DTypeError):
        cr.evaluate(i, feed={i: [1.5, 2.0]})
    with pytest.raises(errors.DTypeError, match="outside its range"):
        cr.evaluate(i, feed={i: [2**40, 0]})


def test_a_variable_may_be_fed_for_one_evaluation() -> None:
    w = cr.variable(2.0)
    assert cr.evaluate(w * w, feed={w: 5.0}).item() == 25.0
    assert (w * w).value.item() == 4.0
