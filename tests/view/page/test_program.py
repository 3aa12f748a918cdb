"""Programs: what goes into one, what refuses one, and that the page's list of ops is the library's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines.trace import step_through
from chainrule.graph import Leaf, Op, bind
from chainrule.ops import Composite
from chainrule.view.page import explain
from chainrule.view.page import program as module
from chainrule.view.page.program import SUPPORTED, Place, program, settings, work


def places_of(output: cr.Node, feed: Any = None) -> list[Place]:
    return [
        Place(
            step.node,
            step.cotangent,
            tuple((c.graph.upstream, c.graph.local, c.graph.downstream) for c in step.contributions),
        )
        for step in step_through(output, feed)
    ]


def primitives(kind: type[Op] = Op) -> Iterator[type[Op]]:
    """The library's op classes that say their value by a rule of their own."""
    for sub in kind.__subclasses__():
        own = sub.__module__.startswith("chainrule.") and not issubclass(sub, Composite | Leaf)
        if own and "forward" in vars(sub):
            yield sub
        yield from primitives(sub)


def test_every_primitive_of_the_library_is_supported() -> None:
    assert {kind().name for kind in primitives()} == SUPPORTED


def test_a_program_is_in_order_and_knows_every_place() -> None:
    x, y, z = (cr.variable(value, name=name) for name, value in [("x", 1.0), ("y", 2.0), ("z", 0.0)])
    places = places_of((x + y) * cr.maximum(y, z))
    found = program(places, {})
    json.dumps(found, allow_nan=False)
    for slot, step in enumerate(found["operations"]):
        assert all(source < slot for source in step.get("inputs", []))
    assert len(found["nodes"]) == len(places)
    for place, node in zip(places, found["nodes"], strict=True):
        assert found["operations"][node["value"]]["shape"] == list(place.value.shape)
        assert (node["gradient"] is None) == (place.gradient is None)
        assert [[slot is None for slot in term] for term in node["terms"]] == [
            [part is None for part in term] for term in place.terms
        ]


def test_fed_values_are_the_leaves() -> None:
    x = cr.placeholder((2,), name="x")
    found = program([Place(cr.sum(x))], bind({x: [3.0, 4.0]}))
    leaf = found["operations"][0]
    assert leaf["op"] == "leaf"
    assert leaf["data"] == explain(cr.sum(x), {x: [3.0, 4.0]}).record["program"]["operations"][0]["data"]


def test_composites_are_opened() -> None:
    x = cr.variable([1.0, 2.0])
    found = program(places_of(cr.nn.cross_entropy(x, 1)), {})
    assert {step["op"] for step in found["operations"]} <= SUPPORTED | {"leaf"}


class Cube(cr.Op):
    def forward(self, xp: Any, x: Any) -> Any:
        return x * x * x

    def vjp(self, ct: cr.Node, out: cr.Node, x: cr.Node) -> tuple[cr.Node]:
        return (ct * 3 * x * x,)


class Add(Cube):
    """A user's op that bears a known name."""


def long() -> cr.Node:
    node: cr.Node = cr.variable(1.0)
    for _ in range(module.MOST_OPERATIONS):
        node = node + 1
    return node


def products() -> cr.Node:
    return cr.sum(cr.matmul(cr.variable(np.ones((100, 100))), cr.variable(np.ones((100, 100)))))


REFUSED: dict[str, tuple[Callable[[], cr.Node], str]] = {
    "an op of one's own": (lambda: cr.define_op(Cube)(cr.variable(2.0)), "no rule for cube"),
    "one that borrows a name": (lambda: cr.define_op(Add)(cr.variable(2.0)), "no rule for add"),
    "many operations": (long, "operations; the page repeats up to 5,000"),
    "many numbers": (lambda: cr.sum(cr.variable(np.ones(100_001))), "hold 100,001 numbers"),
    "much work": (products, "numbers and products"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why(case: str) -> None:
    build, why = REFUSED[case]
    found = program([Place(build())], {})
    assert list(found) == ["refused"]
    assert why in found["refused"]


def test_an_op_of_the_library_that_is_not_known_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUPPORTED", SUPPORTED - {"tanh"})
    x = cr.variable(1.0)
    assert "tanh" in program([Place(cr.tanh(x))], {})["refused"]
    assert settings(cr.tanh(x)) is None


SETTINGS: list[tuple[cr.Node, dict[str, Any]]] = [
    (cr.pad(cr.placeholder((2,)), (1, 1), value=-np.inf), {"widths": [[1, 1]], "value": "-Infinity"}),
    (cr.astype(cr.placeholder((2,)), "int64"), {"dtype": "int64"}),
    (cr.permute_dims(cr.placeholder((2, 3)), (1, 0)), {"axes": [1, 0]}),
]


@pytest.mark.parametrize(("node", "expected"), SETTINGS, ids=lambda item: getattr(item, "label", ""))
def test_settings_are_plain_json(node: cr.Node, expected: dict[str, Any]) -> None:
    assert settings(node) == expected
    json.dumps(settings(node), allow_nan=False)


def test_the_coefficients_of_erf_go_along() -> None:
    assert set(settings(cr.erf(cr.placeholder(()))) or ()) == {"near", "far", "k"}


def test_leaves_and_composites_have_no_settings() -> None:
    x = cr.placeholder((2,))
    assert settings(x) is None
    assert settings(cr.nn.softmax(x)) is None


def test_work_counts_products_and_folded_elements() -> None:
    x = cr.placeholder((4, 5))
    assert work(cr.matmul(x, cr.placeholder((5, 6)))) == 4 * 5 * 6
    assert work(cr.sum(x)) == 20
    assert work(x + x) == 20
