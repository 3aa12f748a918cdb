"""Where a NaN came from: one row a trap of real networks, and the element against a brute-force search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.diagnose import NonFiniteReport, explain_nonfinite
from chainrule.engines.nonfinite import first_nonfinite
from chainrule.graph import Node

Rng = np.random.Generator


def attention_row_masked(rng: Rng) -> NonFiniteReport:
    scores = cr.placeholder((3, 4), name="scores")
    mask = np.ones((3, 4), bool)
    mask[2] = False
    weights = cr.softmax(cr.where(mask, scores, -np.inf))
    return explain_nonfinite(weights.sum(), {scores: rng.normal(size=(3, 4))})


def where_trap(function: Callable[[Node], Node]) -> Callable[[Rng], NonFiniteReport]:
    def run(rng: Rng) -> NonFiniteReport:
        x, w = cr.placeholder((4, 3), name="x"), cr.variable(np.ones(3, np.float32), name="w")
        h = (x @ w).named("h")
        loss = cr.where(h > 0, function(h), 0.0).mean()
        values = rng.uniform(0.5, 1.0, size=(4, 3))
        values[2] = 0
        return explain_nonfinite(loss, {x: values})

    return run


def clipped_root(rng: Rng) -> NonFiniteReport:
    x = cr.variable([4.0, 0.0], name="x")
    return explain_nonfinite(cr.maximum(cr.sqrt(x), 0.5).sum())


def multiplied_by_zero(rng: Rng) -> NonFiniteReport:
    x = cr.variable([4.0, 0.0], name="x")
    return explain_nonfinite((cr.sqrt(x) * np.array([1.0, 0.0], np.float32)).sum())


def pooled_away(rng: Rng) -> NonFiniteReport:
    x = cr.variable([[4.0, 0.0]], name="x")
    return explain_nonfinite(cr.max(cr.sqrt(x), axis=1).sum())


def softmax_then_log(rng: Rng) -> NonFiniteReport:
    x, w = cr.placeholder((4, 3), name="x"), cr.variable(rng.normal(size=(3, 5)).astype("f"), name="w")
    values = rng.normal(size=(4, 3))
    values[3, 1] = 5000
    return explain_nonfinite(-cr.log(cr.softmax(x @ w)).mean(), {x: values})


def written_softmax(rng: Rng) -> NonFiniteReport:
    z = cr.placeholder((2, 3), name="logits")
    e = cr.exp(z)
    p = e / e.sum(axis=1, keepdims=True)
    return explain_nonfinite(p.sum(), {z: [[1, 2, 3], [1, 200, 3]]})


def written_sigmoid(rng: Rng) -> NonFiniteReport:
    z = cr.variable([1.0, -200.0], name="z")
    return explain_nonfinite((1 / (1 + cr.exp(-z))).sum())


def written_softplus(rng: Rng) -> NonFiniteReport:
    return explain_nonfinite(cr.log(1 + cr.exp(cr.variable([1.0, 200.0], name="z"))).sum())


def written_logsumexp(rng: Rng) -> NonFiniteReport:
    return explain_nonfinite(cr.log(cr.sum(cr.exp(cr.variable([1.0, 200.0], name="z")))))


def log_of_sigmoid(rng: Rng) -> NonFiniteReport:
    z = cr.variable([1.0, -200.0], name="z")
    return explain_nonfinite(-cr.log(cr.sigmoid(z)).mean())


def log_of_one_less_sigmoid(rng: Rng) -> NonFiniteReport:
    z = cr.variable([1.0, 200.0], name="z")
    return explain_nonfinite(-cr.log(1 - cr.sigmoid(z)).mean())


def normalised_zero(rng: Rng) -> NonFiniteReport:
    v = cr.placeholder((2, 2), name="v")
    unit = v / cr.sqrt((v * v).sum(axis=1, keepdims=True))
    return explain_nonfinite(unit.sum(), {v: [[3.0, 4.0], [0.0, 0.0]]})


def norm_gradient(rng: Rng) -> NonFiniteReport:
    v = cr.variable(np.array([[3.0, 4.0], [0.0, 0.0]], "f"), name="v")
    return explain_nonfinite(cr.sqrt((v * v).sum(axis=1)).mean())


def mean_of_nothing(rng: Rng) -> NonFiniteReport:
    x, mask = cr.placeholder((2, 3), name="x"), cr.placeholder((2, 3), name="mask")
    mean = (x * mask).sum(axis=1) / mask.sum(axis=1)
    return explain_nonfinite(mean.sum(), {x: np.ones((2, 3)), mask: [[1, 1, 0], [0, 0, 0]]})


def grown_embedding(rng: Rng) -> NonFiniteReport:
    values = rng.normal(size=(10, 4)).astype("f")
    values[7, 2] = 1e25
    table, ids = cr.variable(values, name="table"), cr.placeholder((3, 5), "int64", name="ids")
    words = rng.integers(0, 6, (3, 5))
    words[1, 3] = 7
    h = cr.nn.embedding(ids, table)
    return explain_nonfinite((h * h).sum(), {ids: words})


def huge_pixel(rng: Rng) -> NonFiniteReport:
    x = cr.placeholder((5, 3), name="pixels")
    values = rng.uniform(size=(5, 3))
    values[4, 1] = 1e6
    w = cr.variable(np.ones((3, 2), "f"), name="w")
    return explain_nonfinite(cr.exp(x @ w).mean(), {x: values})


def bad_data(rng: Rng) -> NonFiniteReport:
    x = cr.placeholder((5, 3), name="pixels")
    values = rng.uniform(size=(5, 3))
    values[4, 1] = np.nan
    net = cr.nn.Sequential(cr.nn.Linear(3, 4, seed=0), cr.nn.ReLU(), cr.nn.Linear(4, 1, seed=1))
    return explain_nonfinite(net(x).mean(), {x: values})


def bad_weight(rng: Rng) -> NonFiniteReport:
    w = cr.variable([1.0, np.nan], name="w")
    return explain_nonfinite((w * w).sum())


def negative_variance(rng: Rng) -> NonFiniteReport:
    x = cr.placeholder((3,), name="x")
    return explain_nonfinite(cr.sqrt((x * x).mean() - 1.0), {x: [0.1, 0.2, 0.3]})


def entropy_of_a_masked_softmax(rng: Rng) -> NonFiniteReport:
    scores = cr.placeholder((2, 3), name="scores")
    masked = cr.where(np.array([[1, 1, 0], [1, 1, 1]], bool), scores, -np.inf)
    return explain_nonfinite(
        -(cr.softmax(masked) * cr.log_softmax(masked)).sum(), {scores: rng.normal(size=(2, 3))}
    )


def divergence_of_zeros(rng: Rng) -> NonFiniteReport:
    p = cr.placeholder((2,), name="p")
    return explain_nonfinite((p * (cr.log(p) - np.log(0.5))).sum(), {p: [1.0, 0.0]})


def clipped_logarithm(rng: Rng) -> NonFiniteReport:
    return explain_nonfinite(cr.clip(cr.log(cr.variable([1.0, 0.0], name="x")), -100, 0).sum())


def spread_of_equals(rng: Rng) -> NonFiniteReport:
    return explain_nonfinite(cr.std(cr.variable([2.0, 2.0, 2.0], name="x")))


def angle_of_equals(rng: Rng) -> NonFiniteReport:
    x = cr.variable([1.0, 0.0], name="x")
    return explain_nonfinite(cr.arccos((x * x).sum()))


def product_of_probabilities(rng: Rng) -> NonFiniteReport:
    p = cr.variable(np.full(200, 1e-3, "f"), name="p")
    return explain_nonfinite(cr.log(cr.prod(p)))


# what is run; the op; the element; words that must stand in the text
TRAPS: dict[str, tuple[Callable[[Rng], NonFiniteReport], str, tuple[int, ...], tuple[str, ...]]] = {
    "a row masked everywhere": (
        attention_row_masked, "subtract", (2, 0), ("part of softmax", "∞ - ∞", "cr.masked_softmax"),
    ),
    "where around sqrt": (
        where_trap(cr.sqrt), "divide", (2,),
        ("in the derivative of sqrt", "hidden: the forward pass hid it: where (", "chose its other operand",
         "it is of row 2 of x", "h[2] = 0", "x[2, 0] = 0", "where(ok, sqrt(where(ok, x, 1)), other)"),
    ),
    "where around log": (
        where_trap(cr.log), "divide", (2,),
        ("the slope of log x is infinite", "hidden: the forward pass hid it: where (",
         "where(ok, log(where(ok, x, 1)), other)"),
    ),
    "where around a division": (
        where_trap(lambda h: 1 / h), "divide", (2,),
        ("the slope of x / y is infinite", "hidden: ", "x / where(ok, y, 1)"),
    ),
    "a root below a bound": (
        clipped_root, "divide", (1,), ("the forward pass hid it: maximum (", "took its other operand"),
    ),
    "a root times zero": (
        multiplied_by_zero, "divide", (1,), ("the forward pass hid it: multiply (", "multiplied it by 0"),
    ),
    "a root that lost to another": (
        pooled_away, "divide", (0, 1), ("hidden: the forward pass hid it: max (", "took another place"),
    ),
    "log of a softmax": (
        softmax_then_log, "log", (3, 0),
        ("it is of row 3 of x", "softmax[3, 0] = 0", "x[3, 1] = 5000", "cr.log_softmax(logits)"),
    ),
    "softmax written out": (
        written_softmax, "exp", (1, 1), ("exp of 200 overflows float32", "logits = 200", "cr.softmax(x)"),
    ),
    "sigmoid written out": (
        written_sigmoid, "exp", (1,), ("divided by ∞, which gives 0", "z[1] = -200", "cr.sigmoid(x)"),
    ),
    "softplus written out": (written_softplus, "exp", (1,), ("cr.softplus(x)",)),
    "logsumexp written out": (written_logsumexp, "exp", (1,), ("cr.logsumexp(x)",)),
    "log of a sigmoid": (log_of_sigmoid, "log", (1,), ("z[1] = -200", "binary_cross_entropy_with_logits")),
    "log of one less a sigmoid": (log_of_one_less_sigmoid, "log", (1,), ("z[1] = 200", "-cr.softplus(x)")),
    "a vector of zeros normalised": (
        normalised_zero, "divide", (1, 0),
        ("0 / 0", "it is of row 1 of v", "sqrt(sum(x * x) + 1e-12)"),
    ),
    "the gradient of a norm at zero": (
        norm_gradient, "divide", (1,),
        ("is finite; its gradient with respect to v", "the slope of √x is infinite", "v[1, 0] = 0",
         "it turns into NaN in multiply", "sqrt(x + 1e-12)"),
    ),
    "the mean of nothing": (
        mean_of_nothing, "divide", (1,), ("it is of row 1 of x and mask", "cr.maximum(count, 1)"),
    ),
    "an embedding that has grown": (
        grown_embedding, "multiply", (1, 3, 2),
        ("row 7 of table, looked up by ids[1, 3]", "it is of row 1 of ids", "table has grown to 1e+25",
         "cr.optim.Clip(global_norm=1.0)"),
    ),
    "one huge pixel": (
        huge_pixel, "exp", (4, 0), ("pixels[4, 1] = 1e+06", "it is of row 4 of pixels", "scale the inputs"),
    ),
    "data that hold a NaN": (
        bad_data, "placeholder", (4, 1), ("'pixels' holds NaN at [4, 1]", "mend the data that pixels is fed"),
    ),
    "a weight that is a NaN": (bad_weight, "variable", (1,), ("'w' holds NaN at [1]", "an earlier step")),
    "a variance below zero": (
        negative_variance, "sqrt", (), ("the square root of a negative number", "sqrt(cr.maximum(x, 0)"),
    ),
    "the entropy of a masked softmax": (
        entropy_of_a_masked_softmax, "multiply", (0, 2),
        ("0 · ∞", "where[0, 2] = -∞", "choose in the place of multiplying by 0", "-1e9"),
    ),
    "p log p at 0": (
        divergence_of_zeros, "log", (1,),
        ("turns into NaN in multiply", "where(x > 0, x * log(where(x > 0, x, 1)), 0)"),
    ),
    "a logarithm that is clipped": (
        clipped_logarithm, "divide", (1,), ("the forward pass hid it: maximum (", "log(where(ok, x, 1))"),
    ),
    "the spread of equals": (
        spread_of_equals, "divide", (), ("the slope of √x is infinite", "x[0] = 2", "sqrt(x + 1e-12)"),
    ),
    "the angle between equals": (
        angle_of_equals, "divide", (), ("the slope of arccos is infinite at ±1", "cr.clip(x, -1 + 1e-6"),
    ),
    "a product of probabilities": (product_of_probabilities, "log", (), ("cr.sum(cr.log(x))",)),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_the_trap_is_named(name: str) -> None:
    run, op, index, words = TRAPS[name]
    report = run(np.random.default_rng(5))
    text = str(report)
    assert report.finding is not None, text
    assert (report.finding.node.op.name, report.finding.index) == (op, index), text
    for some in words:
        assert some in text
    assert "test_nonfinite.py:" in text
    assert report.finding.mend


def test_values_may_be_asked_for_alone() -> None:
    x = cr.variable([4.0, 0.0], name="x")
    assert not explain_nonfinite(cr.sqrt(x).sum(), gradients=False)
    assert explain_nonfinite(cr.sqrt(x).sum()).gradient_of is not None


def test_a_hidden_infinity_that_does_no_harm_is_not_accused() -> None:
    """exp overflows where nothing reads it, and its gradient meets no zero."""
    x = cr.variable([1.0, 2.0], name="x")
    report = explain_nonfinite(cr.log(x).sum() + cr.exp(cr.stop_gradient(x) * 100).sum() * 0.0)
    assert report.finding is not None  # 0 · ∞ in the forward pass is a NaN
    assert report.finding.node.op.name == "exp"


# -- the element, against a search that knows nothing of ops -------------------------------------------------

SCALAR: dict[str, Callable[..., Any]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "exp": np.exp,
    "log": np.log, "sqrt": np.sqrt, "negative": np.negative, "maximum": np.maximum,
}  # fmt: skip


def brute_force(node: Node, index: tuple[int, ...]) -> set[tuple[str, tuple[int, ...]]]:
    """The scalars below one that are NaN though no scalar they are computed from is: element by element.

    The graph is spelled out in scalars: each is its op on the scalars of the same (broadcast) place, or a
    sum of a line; a NaN's first ancestor is found by walking all of them.
    """
    values: dict[tuple[int, tuple[int, ...]], float] = {}
    births: set[tuple[str, tuple[int, ...]]] = set()

    def value(at: Node, place: tuple[int, ...]) -> float:
        key = (at.serial, place)
        if key in values:
            return values[key]
        if not at.inputs:
            found = float(at.value[place])
            read: list[float] = []
        elif at.op.name == "sum":
            (axis,) = at.attributes["axis"]
            line = [
                value(at.inputs[0], (*place[:axis], k, *place[axis + 1 :]))
                for k in range(at.inputs[0].shape[axis])
            ]
            found, read = float(np.sum(np.array(line, np.float32))), line
        else:
            read = [
                value(
                    child,
                    tuple(
                        0 if n == 1 else i
                        for i, n in zip(place[len(place) - child.ndim :], child.shape, strict=True)
                    ),
                )
                for child in at.inputs
            ]
            found = float(SCALAR[at.op.name](*[np.float32(r) for r in read]))
        values[key] = found
        if np.isnan(found) and not any(np.isnan(r) for r in read):
            births.add((at.op.name, place))
        return found

    with np.errstate(all="ignore"):
        value(node, index)
    return births


@st.composite
def graphs(draw: st.DrawFn) -> Node:
    """A few ops on leaves with dangerous numbers, so that NaN come from many places."""
    numbers = st.sampled_from([0.0, 1.0, -1.0, 2.0, 100.0, np.inf, -np.inf])
    shapes = [(2, 3), (3,), (2, 1)]
    pool: list[Node] = []
    for shape in shapes:
        size = int(np.prod(shape))
        flat = draw(st.lists(numbers, min_size=size, max_size=size))
        pool.append(cr.variable(np.array(flat, np.float32).reshape(shape)))
    for _ in range(draw(st.integers(2, 7))):
        op = draw(
            st.sampled_from(["add", "subtract", "multiply", "divide", "exp", "log", "sqrt", "sum", "maximum"])
        )
        x = draw(st.sampled_from(pool))
        if op == "sum":
            pool.append(cr.sum(x, axis=draw(st.integers(0, x.ndim - 1)), keepdims=True))
        elif op in ("exp", "log", "sqrt", "negative"):
            pool.append(getattr(cr, op)(x))
        else:
            y = draw(st.sampled_from(pool))
            pool.append(getattr(cr, op)(x, y))
    return pool[-1]


@settings(deadline=None, max_examples=300)
@given(graphs())
def test_the_element_that_first_became_a_nan(node: Node) -> None:
    with np.errstate(all="ignore"):
        bad = np.argwhere(np.isnan(node.value))
    if not len(bad):
        return
    births = set.union(*[brute_force(node, tuple(int(i) for i in place)) for place in bad])
    finding = first_nonfinite([node], {})
    assert finding is not None
    birth = finding.became or finding
    assert (birth.node.op.name, birth.index) in births
