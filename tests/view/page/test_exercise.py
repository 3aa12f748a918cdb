"""Exercises: deterministic, within their numbers, in the order of the walk, and about something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.view.page import explain
from chainrule.view.page.exercise import GRADIENTS, LOCALS, VALUES, exercise


def fork() -> dict[str, Any]:
    """The record of (x + y)·max(y, z): y has two consumers."""
    x, y, z = (cr.variable(value, name=name) for name, value in [("x", 1.0), ("y", 2.0), ("z", 0.0)])
    return explain((x + y) * cr.maximum(y, z)).record


def network() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    weights = [cr.variable(rng.normal(size=shape), name=f"W{shape}") for shape in [(6, 5), (5, 4), (4, 3)]]
    h: cr.Node = cr.constant(rng.normal(size=(3, 6)))
    for matrix in weights:
        h = cr.tanh(h @ matrix)
    return explain(cr.nn.cross_entropy(h, [0, 1, 2])).record


RECORDS = {"fork": fork, "network": network}


def key(place: str) -> tuple[str, int]:
    kind, number, *_ = place.partition("@")[0].split(":")
    return kind, int(number)


@pytest.mark.parametrize("name", RECORDS)
def test_the_same_questions_every_time_within_their_numbers(name: str) -> None:
    first, second = exercise(RECORDS[name]()), exercise(RECORDS[name]())
    assert first == second
    kinds = [key(place)[0] for place in first["hide"]]
    assert 0 < kinds.count("value") <= VALUES
    assert 0 < kinds.count("local") <= LOCALS
    assert 0 < kinds.count("gradient") <= GRADIENTS
    assert len(set(first["hide"])) == len(first["hide"])
    assert first["start"] is False
    assert exercise(RECORDS[name](), start=True)["start"] is True


@pytest.mark.parametrize("name", RECORDS)
def test_values_forward_then_the_rest_backward(name: str) -> None:
    keys = [key(place) for place in exercise(RECORDS[name]())["hide"]]
    values = [number for kind, number in keys if kind == "value"]
    assert values == sorted(values)
    rest = [(number, kind) for kind, number in keys[len(values) :]]
    assert all(kind != "value" for _, kind in rest)
    assert [number for number, _ in rest] == sorted((number for number, _ in rest), reverse=True)
    for number, kind in rest:  # a node's local derivative before its gradient
        if kind == "gradient" and (number, "local") in rest:
            assert rest.index((number, "local")) < rest.index((number, "gradient"))


def test_a_node_with_two_consumers_is_asked() -> None:
    record = fork()
    y = next(node["id"] for node in record["nodes"] if node["name"] == "y")
    assert f"gradient:{y}" in exercise(record)["hide"]


def test_of_a_large_matrix_one_entry_that_is_not_zero_is_asked() -> None:
    record = network()
    large = [place for place in exercise(record)["hide"] if "@" in place]
    assert large
    for place in large:
        kind, number = key(place)
        entry = int(place.partition("@")[2])
        tensor = record["tensors"][record["nodes"][number][kind]] if kind != "local" else None
        assert tensor is None or 0 <= entry < np.prod(tensor["shape"])


def test_sums_of_many_products_are_not_asked() -> None:
    rng = np.random.default_rng(0)
    x, w = cr.constant(rng.normal(size=(2, 40))), cr.variable(rng.normal(size=(40, 3)), name="W")
    record = explain(cr.sum(cr.tanh(x @ w))).record
    matmul = next(node["id"] for node in record["nodes"] if node["op"] == "matmul")
    asked = exercise(record)["hide"]
    assert asked
    assert f"value:{matmul}" not in {place.partition("@")[0] for place in asked}


def test_what_is_not_finite_or_plain_zero_is_not_asked() -> None:
    x = cr.variable([-1.0, 2.0], name="x")
    record = explain(cr.sum(cr.log(x) * cr.stop_gradient(x * 0))).record
    for place in exercise(record)["hide"]:
        kind, number = key(place)
        if kind == "gradient":
            assert record["tensors"][record["nodes"][number]["gradient"]]["norm"] > 0
        if kind != "local":
            tensor = record["tensors"][record["nodes"][number][kind]]
            assert tensor["nonfinite"] == {"nan": 0, "inf": 0}


def test_the_parts_of_a_composite_are_left_alone() -> None:
    record = network()
    inside = {n for fold in record["folds"] if fold["kind"] == "composite" for n in fold["nodes"]}
    assert inside
    assert not inside & {key(place)[1] for place in exercise(record)["hide"]}
