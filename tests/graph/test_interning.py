"""One node for one structure: found again while it lives, forgotten when nobody holds it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph import interning, origins


def table_sizes() -> tuple[int, int, int, int]:
    gc.collect()
    return len(interning._table), len(interning._entries), len(origins.ORIGINS), len(origins.NAMES)


X = cr.placeholder((2, 3), name="x")
Y = cr.placeholder((2, 3), name="y")

SAME: dict[str, Callable[[], cr.Node]] = {
    "operator": lambda: X * Y,
    "function": lambda: cr.tanh(X),
    "Python scalar": lambda: X * 2 + 1.5,
    "attributes": lambda: cr.sum(X, axis=1, keepdims=True),
    "composite expression": lambda: cr.exp(X - cr.max(X, axis=1, keepdims=True)),
    "gradient": lambda: cr.gradients(cr.sum(X * cr.sin(Y)), Y),
    "small constant": lambda: cr.constant([1.0, 2.0]),
    "cast": lambda: X.astype("float64"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_structure_is_the_same_object(name: str) -> None:
    first = SAME[name]()
    assert SAME[name]() is first


DIFFERENT: dict[str, tuple[Callable[[], cr.Node], Callable[[], cr.Node]]] = {
    "order of operands": (lambda: X - Y, lambda: Y - X),
    "attribute": (lambda: cr.sum(X, axis=0), lambda: cr.sum(X, axis=1)),
    "zero and negative zero": (lambda: cr.constant(0.0), lambda: cr.constant(-0.0)),
    "dtype of a constant": (lambda: cr.constant(1.0), lambda: cr.constant(1.0, "float64")),
    "shape of a constant": (lambda: cr.constant([1.0]), lambda: cr.constant([[1.0]])),
    "variables, by identity": (lambda: cr.variable(1.0), lambda: cr.variable(1.0)),
    "placeholders, by identity": (lambda: cr.placeholder(()), lambda: cr.placeholder(())),
    "large constants": (lambda: cr.constant(np.ones(999)), lambda: cr.constant(np.ones(999))),
    "op": (lambda: cr.sin(X), lambda: cr.cos(X)),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_structure_is_another_object(name: str) -> None:
    first, second = (make() for make in DIFFERENT[name])
    assert first is not second


def test_a_node_dies_when_nobody_holds_it_and_leaves_nothing_behind() -> None:
    before = table_sizes()
    a = cr.variable(np.ones((2, 3)), name="a")
    loss = cr.sum(cr.tanh(a * X).named("hidden") + 7.25)
    gradient = cr.gradients(loss, a)
    assert table_sizes() > before
    del a, loss, gradient
    assert table_sizes() == before


def test_a_node_is_kept_alive_by_its_consumers() -> None:
    inner = cr.sin(X * 3.25)
    outer = cr.cos(inner)
    serial = inner.serial
    del inner
    gc.collect()
    assert outer.inputs[0].serial == serial
    assert cr.sin(X * 3.25) is outer.inputs[0]


def test_threads_that_build_the_same_graph_get_the_same_nodes() -> None:
    """Each round starts all threads at once on a structure that nobody holds yet."""
    count = 8
    rounds = 60
    found: list[list[cr.Node]] = [[] for _ in range(count)]
    barrier = threading.Barrier(count)
    failures: list[BaseException] = []

    def build(mine: list[cr.Node]) -> None:
        try:
            for number in range(rounds):
                barrier.wait(timeout=30)
                h = X * (0.001 * number + 0.5)
                for _ in range(20):
                    h = cr.tanh(h) + cr.constant([0.125, number, 3.0])
                mine.append(cr.sum(h))
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=build, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for number in range(rounds):
        assert len({id(mine[number]) for mine in found}) == 1
    before = table_sizes()[0]
    found.clear()
    del threads
    assert table_sizes()[0] < before


def test_threads_that_build_and_drop_leave_nothing_behind() -> None:
    before = table_sizes()

    def churn() -> None:
        for number in range(400):
            cr.sum(cr.sin(X * (0.01 * (number % 7))) * cr.constant(float(number % 5)))

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del threads
    assert table_sizes() == before
