"""Shapes that do not fit: drawn axis under axis, with marks and the way the operands came about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.graph import Misfit, Node

X = cr.placeholder((32, 784), name="x")
W = cr.variable(np.zeros((784, 16), np.float32), name="W")
HIDDEN = cr.relu(X @ W).named("hidden")
TOTAL = HIDDEN.sum(axis=1).named("total")


def p(name: str, *shape: int) -> Node:
    return cr.placeholder(shape, name=name)


# what is called; lines that stand in the text one after the other, without their indentation; the mend
DRAWN: dict[str, tuple[Callable[[], object], list[str], str]] = {
    "a bias of the wrong length": (
        lambda: HIDDEN + p("b", 4),
        ["hidden  32  16", "b            4", "             ^  16 against 4"],
        "axes are matched from the last",
    ),
    "inner lengths": (
        lambda: X @ p("V", 700, 16),
        ["x   32  784", "          ^", "V  700   16", "     ^  784 against 700"],
        "to transpose either operand does not make them so",
    ),
    "a transposed weight": (
        lambda: X @ p("V", 16, 784),
        ["x  32  784", "         ^", "V  16  784", "    ^  784 against 16"],
        "transpose the second: x @ y.mT",
    ),
    "a reduction without keepdims": (
        lambda: HIDDEN / TOTAL,
        ["hidden  32  16", "total       32", "             ^  16 against 32"],
        "give the second an axis of length 1 at the end: cr.expand_dims(…, -1) (a reduction with keepdims",
    ),
    "an axis in the middle": (
        lambda: p("x", 5, 3, 4) * p("y", 5, 4),
        ["x  5  3  4", "y     5  4", "      ^  3 against 5"],
        "give the second an axis of length 1 as axis 1: cr.expand_dims(…, 1)",
    ),
    "transposed": (
        lambda: p("x", 2, 3) - p("y", 3, 2),
        ["x  2  3", "y  3  2", "   ^  ^  2 against 3, 3 against 2"],
        "transpose the first: .mT",
    ),
    "the axes in another order": (
        lambda: p("x", 2, 3, 4) - p("y", 4, 2, 3),
        ["x  2  3  4", "y  4  2  3", "   ^  ^  ^  2 against 4, 3 against 2, 4 against 3"],
        "the axes are in another order: cr.permute_dims",
    ),
    "batches": (
        lambda: p("x", 5, 3, 4) @ p("y", 2, 4, 3),
        ["x  5  3  4", "y  2  4  3", "   ^  5 against 2"],
        "axes are matched from the last",
    ),
    "laid end to end": (
        lambda: cr.concat([p("x", 2, 3), p("y", 5, 4)], axis=0),
        ["x  2  3", "y  5  4", "      ^  3 against 4"],
        "all axes but the one concatenated must agree",
    ),
    "one of many": (
        lambda: cr.concat([*(p(f"x{k}", 2, 3) for k in range(9)), p("odd", 2, 4)], axis=0),
        ["x0   2  3", "odd  2  4", "        ^  3 against 4"],
        "",
    ),
    "N,1 against N": (
        lambda: cr.mse_loss(TOTAL, p("y", 32, 1)),
        ["total      32", "y      32   1", "        ^   ^  32 against 1"],
        "take the axis of length 1 away: cr.squeeze(targets, axis=1)",
    ),
    "a linear layer": (
        lambda: cr.linear(X, p("V", 16, 784)),
        ["x  32  784", "         ^", "V  16  784", "    ^  784 against 16"],
        "transpose the weight",
    ),
    "channels": (
        lambda: cr.conv1d(p("x", 2, 9, 3), p("k", 3, 4, 5)),
        ["x  2  9  3", "         ^", "k  3  4  5", "      ^  3 against 4"],
        "the weight's last but one axis must be 3",
    ),
    "queries and keys": (
        lambda: cr.scaled_dot_product_attention(p("q", 2, 3), p("k", 2, 4), p("v", 2, 4)),
        ["q  2  3", "k  2  4", "      ^  3 against 4"],
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_the_axes_stand_under_each_other(name: str) -> None:
    call, lines, mend = DRAWN[name]
    with pytest.raises(ShapeError) as caught:
        call()
    text = str(caught.value)
    told = [line for line in text.splitlines() if line.strip()]
    start = next(n for n, line in enumerate(told) if line.lstrip() == lines[0])
    indent = len(told[start]) - len(lines[0])
    assert [line[indent:] for line in told[start : start + len(lines)]] == lines
    assert mend in text
    assert isinstance(caught.value.about, Misfit)


def test_how_an_operand_came_about() -> None:
    with pytest.raises(ShapeError) as caught:
        HIDDEN + p("b", 4)
    lines = str(caught.value).splitlines()
    assert lines[1].startswith("  input 0: hidden, shape (32, 16), float32, from tests/graph/test_misfit.py:")
    assert lines[2:5] == ["    └ matmul (32, 16)", "      ├ x (32, 784)", "      └ W (784, 16)"]


def test_a_long_history_is_cut() -> None:
    deep = X
    for _ in range(40):
        deep = cr.tanh(deep * deep)
    with pytest.raises(ShapeError) as caught:
        deep + p("b", 4)
    assert len(str(caught.value).splitlines()) < 16


def test_operands_that_fit_are_not_traced() -> None:
    with pytest.raises(ShapeError) as caught:
        cr.where(cr.placeholder((32, 784), "bool"), cr.exp(X), HIDDEN)
    text = str(caught.value)
    assert "└ matmul" in text
    misfit = caught.value.about
    assert [number for number, _ in misfit.clash] == [0, 1, 2]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(1, 3), max_size=4).map(tuple), min_size=2, max_size=2))
def test_marks_stand_under_the_axes_that_numpy_refuses(shapes: list[tuple[int, ...]]) -> None:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError) as caught:
            p("x", *shapes[0]) + p("y", *shapes[1])
        marked = {axis for _, axis in caught.value.about.clash}
        a, b = shapes
        short = min(len(a), len(b))
        wrong = {k for k in range(-short, 0) if a[k] != b[k] and 1 not in (a[k], b[k])}
        assert marked == wrong
        marks = caught.value.about.aligned()[-1].split("  ")
        assert sum(mark.strip() == "^" for mark in marks) == len(wrong)
    else:
        assert (p("x", *shapes[0]) + p("y", *shapes[1])).shape == np.broadcast_shapes(*shapes)
