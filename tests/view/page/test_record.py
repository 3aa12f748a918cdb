"""The record against the stepper: every tensor bit for bit, and against what the chain rule asks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.engines.trace import Step, Trace, step_through
from chainrule.view.page import decode

Case = tuple[cr.Node, dict[Any, Any]]
RNG = np.random.default_rng(0)


def expression() -> Case:
    a, b, c = (cr.variable(v, name=n) for n, v in [("a", 3.0), ("b", 1.0), ("c", -2.0)])
    return c * (a + 2 * b), {}


def two_consumers() -> Case:
    x, y, z = (cr.variable(v, name=n) for n, v in [("x", 1.0), ("y", 2.0), ("z", 0.0)])
    return (x + y) * cr.maximum(y, z), {}


def perceptron() -> Case:
    """784-16-16-10: a composite at its end and one in each layer."""
    net = nn.Sequential(
        nn.Linear(784, 16, seed=0), nn.ReLU(), nn.Linear(16, 16, seed=1), nn.ReLU(), nn.Linear(16, 10, seed=2)
    )
    x = cr.placeholder((8, 784), name="x")
    return nn.cross_entropy(net(x), np.arange(8)), {x: RNG.normal(size=(8, 784)).astype(np.float32)}


def text_cnn() -> Case:
    net = cr.models.TextCNN(500, 20, classes=3, filters=6, seed=0)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):  # no response is exactly 0, where relu and its parts differ
            parameter.assign(np.full(parameter.shape, 0.01))
    words, label = cr.placeholder((2, 9), "int32", name="words"), cr.placeholder((2,), "int64", name="label")
    ids = np.array([[4, 7, 9, 4, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9]], np.int32)
    return nn.cross_entropy(net(words), label), {words: ids, label: np.array([2, 0])}


def recurrent() -> Case:
    """One cell called again and again: weights with many consumers."""
    w, u = cr.variable(RNG.normal(size=(3, 4)), name="W"), cr.variable(RNG.normal(size=(4, 4)), name="U")
    h = cr.constant(np.zeros((1, 4)))
    for _ in range(5):
        h = cr.tanh(cr.constant(RNG.normal(size=(1, 3))) @ w + h @ u)
    return (h * h).sum(), {}


def nested_composites() -> Case:
    """Composites in composites, with a derivative of their own and without, and one input given twice."""
    x = cr.variable(RNG.normal(size=(2, 5)), name="x")
    g, b = cr.variable(np.ones(5), name="g"), cr.variable(np.zeros(5), name="b")
    h = nn.gelu(nn.layer_norm(x, g, b))
    return (cr.softmax(h) * nn.softplus(x) * cr.functions.scaled_dot_product_attention(h, h, h)).sum(), {}


def written_out() -> Case:
    """What a composite consists of also stands outside: the parts have a gradient of their own."""
    x = cr.variable([0.5, -1.0], name="x")
    return (nn.silu(x) * (x * cr.sigmoid(x))).sum(), {}


def not_finite() -> Case:
    x = cr.variable([0.0, 1.0], name="x")
    return cr.log(x).sum() * 0.0, {}


CASES = [
    expression,
    two_consumers,
    perceptron,
    text_cnn,
    recurrent,
    nested_composites,
    written_out,
    not_finite,
]


@pytest.fixture(params=CASES, ids=lambda case: case.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    found: Callable[[], Case] = request.param
    return found()


def walked(trace: Trace, given: frozenset[cr.Node] = frozenset()) -> Iterator[tuple[Step, Trace]]:
    """The steps in the order in which a record numbers them."""
    for step in trace:
        if step.node in given:
            continue
        inputs = frozenset(step.node.inputs)
        if step.inside is not None and step.inside.output not in inputs:
            yield from walked(step.inside, inputs)
        yield step, trace


def whole(tensor: dict[str, Any], array: np.ndarray) -> bool:
    """Whether the kept entries are those of ``array``, bit for bit."""
    found, rows, columns = decode(tensor)
    if tensor["shape"] != list(array.shape) or tensor["dtype"] != array.dtype.name:
        return False
    plane = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    plane = plane if rows is None else plane[rows]
    plane = plane if columns is None else plane[:, columns]
    return found.tobytes() == np.ascontiguousarray(plane).tobytes()


def test_every_number_is_the_steppers(case: Case) -> None:
    output, feed = case
    record = cr.view.explain(output, feed, check=False).record
    tensors = record["tensors"]
    steps = list(walked(step_through(output, feed, inside=True)))
    assert len(steps) == len(record["nodes"])
    compared = 0
    for node, (step, _) in zip(record["nodes"], steps, strict=True):
        assert whole(tensors[node["value"]], step.value)
        assert (node["gradient"] is None) == (step.gradient is None)
        if step.gradient is not None:
            assert whole(tensors[node["gradient"]], step.gradient)
        own = [term for term in node["terms"] if term["within"] is None]
        assert len(own) == len(step.contributions)
        for term, c in zip(own, step.contributions, strict=True):
            assert whole(tensors[term["upstream"]], c.upstream)
            assert (term["local"] is None) == (c.local is None)
            assert c.local is None or whole(tensors[term["local"]], c.local)
            assert whole(tensors[term["downstream"]], c.downstream)
            compared += 1
    assert compared


def test_outside_composites_it_is_the_trace_that_anybody_gets(case: Case) -> None:
    output, feed = case
    record = cr.view.explain(output, feed, check=False).record
    inside = {
        number for fold in record["folds"] if fold["kind"] == "composite" for number in below(record, fold)
    }
    outer = [node for node in record["nodes"] if node["id"] not in inside]
    for node, step in zip(outer, step_through(output, feed), strict=True):
        assert whole(record["tensors"][node["value"]], step.value)
        assert step.gradient is None or whole(record["tensors"][node["gradient"]], step.gradient)


def below(record: dict[str, Any], fold: dict[str, Any]) -> set[int]:
    """The nodes inside a fold, to the bottom."""
    inner = [below(record, record["folds"][child]) for child in fold["folds"]]
    return set(fold["nodes"]).union(*inner)


def test_the_order_is_topological_and_backward_is_its_reverse(case: Case) -> None:
    record = cr.view.explain(*case, check=False).record
    nodes = record["nodes"]
    assert [node["id"] for node in nodes] == list(range(len(nodes))) == record["walk"]["forward"]
    assert all(child < node["id"] for node in nodes for child in node["inputs"])
    flowing = [node["id"] for node in nodes if node["gradient"] is not None]
    assert record["walk"]["backward"] == flowing[::-1]
    assert record["output"] == len(nodes) - 1
    assert all((node["gradient"] is None) == bool(node["no_gradient"]) for node in nodes)


@pytest.mark.parametrize("case", [c for c in CASES if c is not not_finite], indirect=True)
def test_a_gradient_is_the_sum_of_its_terms_with_composites_closed_or_open(case: Case) -> None:
    output, feed = case
    record = cr.view.explain(output, feed, check=False).record
    steps = [step for step, _ in walked(step_through(output, feed, inside=True))]
    arrays = {}
    for node, step in zip(record["nodes"], steps, strict=True):
        arrays[node["gradient"]] = step.gradient
    opened = {fold["node"] for fold in record["folds"] if fold["kind"] == "composite"}
    for node, step in zip(record["nodes"], steps, strict=True):
        if step.gradient is None or not node["terms"]:
            continue
        total = sum(c.downstream.astype(np.float64) for c in step.contributions)
        assert np.allclose(total, step.gradient, rtol=1e-5, atol=1e-6)
        consumers = [term["consumer"] for term in node["terms"] if term["within"] is None]
        within = {term["within"] for term in node["terms"]} - {None}
        # What a composite passes on is replaced by what its parts pass on, and by nothing else.
        assert within <= set(consumers) & opened | {
            c for c in opened if node["id"] in record["nodes"][c]["inputs"]
        }
        for composite in within:
            closed = sum(
                decoded(record, t["downstream"]) for t in node["terms"] if t["consumer"] == composite
            )
            parts = sum(decoded(record, t["downstream"]) for t in node["terms"] if t["within"] == composite)
            assert np.allclose(closed, parts, rtol=1e-4, atol=1e-5)


def decoded(record: dict[str, Any], number: int) -> np.ndarray:
    return decode(record["tensors"][number])[0].astype(np.float64)


def test_what_a_composite_and_the_user_both_wrote_is_recorded_twice() -> None:
    record = cr.view.explain(*written_out(), check=False).record
    products = [node for node in record["nodes"] if node["op"] == "multiply"]
    assert len(products) == 3  # inside silu, outside, and of the two
    inner, outer = products[:2]
    assert inner["value"] == outer["value"]
    assert inner["fold"] != outer["fold"]


def test_modules_composites_and_names() -> None:
    record = cr.view.explain(*perceptron(), check=False).record
    by_symbol = {node["symbol"]: node for node in record["nodes"]}
    assert {"x", "W₁", "b₁", "W₂", "b₂", "W₃", "b₃", "L"} <= set(by_symbol)
    assert len(by_symbol) == len(record["nodes"]) - 1  # the 0 of relu stands twice
    kinds = {node["symbol"]: node["kind"] for node in record["nodes"]}
    assert (kinds["x"], kinds["W₁"], kinds["L"]) == ("input", "parameter", "composite")
    folds = {fold["id"]: fold for fold in record["folds"]}
    assert [fold["name"] for fold in folds.values() if fold["kind"] == "composite"] == [
        "relu",
        "relu",
        "cross_entropy",
    ]
    assert by_symbol["W₁"]["line"].startswith(("tests/", "/"))
    assert "test_record.py:" in by_symbol["W₁"]["line"]


def test_without_opening_there_are_no_parts() -> None:
    output, feed = perceptron()
    record = cr.view.explain(output, feed, check=False, unfold=False).record
    assert len(record["nodes"]) == len(step_through(output, feed))
    assert not [fold for fold in record["folds"] if fold["kind"] == "composite"]


def test_rules_with_numbers() -> None:
    a, b, c = (cr.variable(v, name=n) for n, v in [("a", 3.0), ("b", 1.0), ("c", -2.0)])
    nodes = cr.view.explain((c * (a + 2 * b)).named("L")).record["nodes"]
    rules = {node["symbol"]: node for node in nodes}
    assert rules["L"]["rule"]["text"] == "c·v₅"
    assert [term["rule"]["text"] for term in rules["b"]["terms"]] == ["2·∂L/∂v₄"]
    assert "<mn>2</mn>" in rules["b"]["terms"][0]["rule"]["numbers"]
    assert rules["b"]["terms"][0]["rule"]["mathml"].startswith("<math>")
    assert rules["a"]["rule"] == {"text": "", "mathml": "", "numbers": None}


def test_another_convention_is_refused() -> None:
    with pytest.raises(cr.errors.ArgumentError, match="convention='diagonal'"):
        cr.view.explain(expression()[0], convention="diagonal")  # type: ignore[arg-type]
