"""What the record says in words: names, reasons, proofs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.view.page.names import symbols
from chainrule.view.page.proofs import proof


def explained(output: cr.Node, **options: Any) -> dict[str, dict[str, Any]]:
    nodes = cr.view.explain(output, check=False, **options).record["nodes"]
    return {node["symbol"]: node for node in nodes}


# -- names ---------------------------------------------------------------------------------------------------


def test_names_are_the_users_and_never_shared() -> None:
    x, again = cr.variable([1.0], name="x"), cr.variable([2.0], name="x")
    w1, w2 = (
        cr.variable(np.ones((1, 1)), name="layers.0.weight"),
        cr.variable(np.ones((1, 1)), name="layers.1.weight"),
    )
    bias, plain = cr.variable([1.0], name="out.bias"), cr.variable(0.5)
    taken = cr.variable(1.0, name="v₁₁")
    y = (x @ w1 @ w2 + bias * again) * plain * taken
    found = symbols(cr.graph.topological([y.sum()]))
    assert len(set(found)) == len(found)
    assert {"x", "x⁽²⁾", "W₁", "W₂", "b", "w", "v₁₁", "L"} <= set(found)


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (0.1, "0.1"), (3, "3"), (True, "True"), (1e-12, "1e-12"), (np.inf, "inf")]
)
def test_a_constant_is_its_number(value: Any, text: str) -> None:
    assert symbols([cr.constant(value), cr.variable(1.0, name="x")]) == [text, "x"]


# -- reasons -------------------------------------------------------------------------------------------------


def test_every_absent_gradient_has_its_reason() -> None:
    x, unused = cr.variable([1.5, -2.0], name="x"), cr.variable([1.0, 1.0], name="u")
    index = cr.placeholder((2,), "int32", name="i")
    picked = cr.take(x, index)
    noise = cr.floor(cr.exp(unused)) + cr.constant([3.0, 3.0]) * 2
    output = (picked * cr.stop_gradient(unused) + noise).sum()
    found = {
        node["symbol"]: node["no_gradient"]
        for node in cr.view.explain(output, {index: [0, 1]}, check=False).record["nodes"]
    }
    assert found["x"] is None
    assert found["i"] == "its elements are int32, and derivatives are of floats"
    assert re.search(r"stop_gradient .* and floor .*passes nothing back", found["u"])
    reasons = [reason for reason in found.values() if reason]
    assert "a constant: nothing that could change" in reasons
    assert any("floor" in reason and "reads it and passes nothing back" in reason for reason in reasons)
    assert len(reasons) == len([reason for reason in found.values() if reason is not None])


def test_nothing_that_could_change_enters() -> None:
    x = cr.variable(2.0, name="x")
    noise = cr.exp(cr.constant([0.25, 0.75])).named("noise")
    found = explained((x * noise).sum())
    assert (
        found["noise"]["no_gradient"] == "no parameter or input enters it, so nothing asks for its gradient"
    )


def test_inside_a_composite_the_maximum_is_held() -> None:
    z = cr.variable([1.0, 2.0], name="z")
    reasons = [
        node["no_gradient"] for node in explained(nn.cross_entropy(z, 1)).values() if node["op"] == "max"
    ]
    assert len(reasons) == 1
    assert re.fullmatch(r"stop_gradient \(.*\) reads it and passes nothing back", reasons[0])


# -- proofs --------------------------------------------------------------------------------------------------

SHAPES = [((2, 4), (4, 3)), ((4,), (4, 3)), ((2, 4), (4,)), ((5, 2, 4), (4, 3)), ((3, 3), (3, 3))]


@pytest.mark.parametrize("convention", ["row", "column"])
@pytest.mark.parametrize(("x", "w"), SHAPES)
@pytest.mark.parametrize("index", [0, 1])
def test_the_product_that_fits_is_the_rule_of_the_engine(
    x: tuple[int, ...], w: tuple[int, ...], index: int, convention: Any
) -> None:
    """The formula of the proof is what the op's own derivative rule prints, and its sizes multiply."""
    X, W = cr.variable(np.ones(x), name="X"), cr.variable(np.ones(w), name="W")
    nodes = explained((X @ W).named("Y").sum(), convention=convention)
    term = nodes["XW"[index]]["terms"][0]
    said = term["proof"]["text"]
    if len(x) < 3:
        assert f": {term['rule']['text']} is " in said
    m, k, k2, n, whole = re.findall(r"\((\d+)×(\d+)\) \((\d+)×(\d+)\) → (\d+×\d+)", said)[0]
    assert k == k2
    assert whole == f"{m}×{n}"
    assert int(m) * int(n) == np.prod((x, w)[index])
    assert ("no other order" in said) == (x != (3, 3))
    assert term["proof"]["mathml"].startswith("<math>")


def test_what_is_spread_receives_the_sum() -> None:
    b = cr.variable(np.zeros(3), name="b")
    nodes = explained((cr.variable(np.ones((5, 3)), name="X") + b).named("Y").sum())
    assert "each of its entries was used 5 times" in nodes["b"]["terms"][0]["proof"]["text"]
    assert nodes["X"]["terms"][0]["proof"] is None


def test_a_scalar_product_needs_no_proof() -> None:
    x, y = cr.variable([1.0, 2.0], name="x"), cr.variable([1.0, 2.0], name="y")
    assert proof(x @ y, 0, {x: "x", y: "y"}, "L", "row") is None
