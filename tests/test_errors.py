"""Errors: what, where and how to mend; and one class for each kind of mistake."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule import errors

KINDS: list[tuple[type[errors.ChainruleError], type[Exception], int]] = [
    (errors.ShapeError, ValueError, 1),
    (errors.DTypeError, TypeError, 1),
    (errors.ArgumentError, ValueError, 1),
    (errors.IndexRangeError, IndexError, 1),
    (errors.UnboundError, ValueError, 1),
    (errors.DerivativeError, ValueError, 1),
    (errors.GradientCheckError, AssertionError, 1),
    (errors.NonFiniteError, ArithmeticError, 1),
    (errors.ConfigurationError, ValueError, 2),
    (errors.DataError, ValueError, 3),
    (errors.RunFolderError, ValueError, 3),
    (errors.TuningError, RuntimeError, 1),
]


@pytest.mark.parametrize(("kind", "builtin", "code"), KINDS, ids=lambda item: getattr(item, "__name__", item))
def test_kinds(kind: type[errors.ChainruleError], builtin: type[Exception], code: int) -> None:
    error = kind("something is wrong")
    assert isinstance(error, builtin)
    assert isinstance(error, errors.ChainruleError)
    assert error.exit_code == code
    assert str(error) == error.what == "something is wrong"


def test_text_of_an_error() -> None:
    error = errors.ShapeError("what", where="file.py:3", mend="do this")
    assert str(error) == "what\n  where: file.py:3\n  mend:  do this"
    assert (error.what, error.where, error.mend) == ("what", "file.py:3", "do this")


def test_data_errors_name_the_file_and_the_place() -> None:
    assert str(errors.DataError("bad", path="a.csv", line=3)) == "bad\n  where: a.csv, line 3"
    assert str(errors.DataError("bad", path="a.idx", offset=16)) == "bad\n  where: a.idx, byte 16"
    assert str(errors.DataError("bad")) == "bad"


def test_a_missing_extra_says_what_to_install() -> None:
    error = errors.MissingExtraError("igraph", "draw", "drawing a graph")
    assert isinstance(error, ImportError)
    assert "drawing a graph needs the package 'igraph'" in str(error)
    assert "pip install 'chainrule[draw]'" in str(error)


def test_errors_survive_another_process() -> None:
    error = errors.ShapeError("what", where="here", mend="that")
    error.about = X  # a node, which belongs to this process
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.mend) == (errors.ShapeError, str(error), "that")
    assert copied.about is None
    missing = pickle.loads(pickle.dumps(errors.MissingExtraError("igraph", "draw", "drawing")))
    assert "pip install 'chainrule[draw]'" in str(missing)


X = cr.placeholder((2, 3), name="x")
HERE = X.origin.place

GOLDEN: dict[str, tuple[Callable[[], object], str]] = {
    "broadcast": (
        lambda: X + cr.placeholder((4,), "float64", name="b"),
        "add: shapes (2, 3) and (4,) do not broadcast: axis -1 has lengths 3 and 4\n"
        "  input 0: cast, shape (2, 3), float64, from {here}\n"
        "    └ x (2, 3)\n"
        "  input 1: b, shape (4,), float64, from {here}\n"
        "    cast  2  3\n"
        "    b        4\n"
        "             ^  3 against 4\n"
        "  where: {here}\n"
        "  mend:  axes are matched from the last; cr.expand_dims inserts a missing one, of length 1",
    ),
    "broadcast on several axes": (
        lambda: cr.add(np.ones((2, 3)), np.ones((4, 5))),
        "axis -2 has lengths 2 and 4; axis -1 has lengths 3 and 5",
    ),
    "axis": (
        lambda: cr.sum(X, axis=2),
        "sum: axis 2 does not exist in an array of 2 axes\n  where: {here}\n  mend:  axes run from -2 to 1",
    ),
    "scalar axis": (lambda: cr.sum(1.0, axis=0), "mend:  a scalar has no axes"),
    "logic of numbers": (
        lambda: cr.logical_not(X),
        "logical_not: operands of float32 are not taken\n"
        "  input 0: x, shape (2, 3), float32, from {origin}\n"
        "  where: {here}\n"
        "  mend:  convert first: x.astype('bool')",
    ),
    "arithmetic of booleans": (lambda: -(X > 1), "negative: operands of bool are not taken"),
    "condition": (lambda: cr.where(X, 1, 2), "where: the condition is float32, not bool"),
    "empty maximum": (
        lambda: cr.max(np.ones((0, 2)), axis=0),
        "axis 0 of shape (0, 2) is empty and has no max",
    ),
    "reshape": (
        lambda: cr.reshape(X, (4, -1)),
        "reshape: 6 elements of shape (2, 3) do not fill the shape (4, -1)\n"
        "  where: {here}\n"
        "  mend:  one of the sizes may be -1, and the others must divide the number of elements",
    ),
    "inside a composed function": (
        lambda: cr.var(X, axis=5),
        "var: axis 5 does not exist in an array of 2 axes\n  where: {here}",
    ),
    "gradient of a matrix": (
        lambda: cr.gradients(X * 2, X),
        "is not a scalar\n  where: {here}\n  mend:  reduce it (.sum(), .mean()), or give cotangent=",
    ),
    "gradient of integers": (
        lambda: cr.gradients(cr.sum(cr.placeholder((2,), "int64")), X),
        "is int64; derivatives are of floats",
    ),
    "index": (
        lambda: X[2],
        "x[…]: axis 0 has length 2; the index 2 is outside it\n"
        "  where: {here}\n"
        "  mend:  indices run from -2 to 1",
    ),
    "too many operands": (lambda: cr.exp(X, X), "exp takes 1 operand, 2 were given\n  where: {here}"),
    "an op within a pool": (
        lambda: cr.max_pool2d(np.ones((1, 2, 2, 3)), 3),
        "max_pool2d: sliding_windows: a window of 3 does not fit axis 1, of length 2 when padded\n",
    ),
    "an op within a convolution": (
        lambda: cr.conv1d(np.ones((1, 2, 3)), np.ones((3, 3, 4))),
        "conv1d: sliding_windows: a window of 3 does not fit",
    ),
    "an op within a softmax": (
        lambda: cr.log_softmax(np.ones((2, 0))),
        "log_softmax: max: axis 1 of shape (2, 0) is empty and has no max\n",
    ),
    "an attribute that is none": (
        lambda: cr.exp(X, axis=1),
        "exp has no attribute axis\n  where: {here}\n  mend:  it takes operands alone, by position",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_texts(name: str) -> None:
    make, expected = GOLDEN[name]
    with pytest.raises(errors.ChainruleError) as caught:
        make()
    text = str(caught.value)
    here = text.rsplit("where: ", 1)[1].splitlines()[0]
    assert "test_errors.py:" in here
    assert expected.format(here=here, origin=HERE) in text
