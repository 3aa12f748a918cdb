"""Random graphs, their gradients, updates in place: what the stepper gives, on one thread and on three."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import Node, Variable
from chainrule.engines.native import Native
from chainrule.engines.stepper import Stepper
from chainrule.errors import IndexRangeError
from chainrule.graph import bind

from .random_graphs import Maker, total

CLOSE = {"float32": 2e-3, "float64": 1e-8}


def agree(found: Sequence[Any], wanted: Sequence[Any], nodes: Sequence[Node]) -> None:
    for a, b, node in zip(found, wanted, nodes, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        close = CLOSE[b.dtype.name]
        within = close * max(1e-2, np.abs(b).max(initial=0))  # sums of large numbers may come out small
        np.testing.assert_allclose(a, b, rtol=close, atol=within, err_msg=repr(node))


def made(data: st.DataObject, dtype: str, ops: int) -> Maker:
    maker = Maker(lambda n: data.draw(st.integers(0, n - 1)), dtype)
    for _ in range(1 + maker.below(ops)):
        maker.grow()
    return maker


@pytest.mark.parametrize("dtype", CLOSE)
@given(data=st.data())
@settings(deadline=None, max_examples=60, derandomize=True)
def test_graphs_and_their_gradients(dtype: str, data: st.DataObject) -> None:
    maker = made(data, dtype, 8)
    nodes = [*maker.pool[-3:]]
    if nodes and maker.variables:
        nodes += [g for g in cr.gradients(total(nodes), maker.variables[-4:]) if g is not None]
    environment = bind(maker.feed)
    wanted = Stepper(nodes).run(dict(environment))
    for threads in (1, 3):
        agree(Native(nodes, threads=threads).run(dict(environment)), wanted, nodes)


def new_value(maker: Maker, v: Variable) -> Node:
    """Something of the shape of ``v``, often made of the old values of variables that change as well."""
    w = maker.one_of([u for u in maker.variables if u.shape == v.shape])
    known = [node for node in maker.pool if node.shape == v.shape]
    n = v.shape[0]
    rows = maker.indices((maker.below(4),), n)
    return maker.one_of([
        lambda: w, lambda: cr.flip(w), lambda: cr.roll(w, 1, axis=0), lambda: cr.tanh(maker.one_of(known)),
        lambda: 0.9 * v + 0.1 * cr.tanh(w), lambda: v - 0.1 * cr.mean(w) * v, lambda: cr.softmax(w) - 0.3 * v,
        lambda: cr.put_rows(v, cr.tanh(cr.take(w, rows, axis=0) + 1), rows),
        lambda: cr.scatter_add(v, cr.flip(rows), 0.1 * cr.sin(cr.take(w, rows, axis=0))),
        lambda: cr.concat([w[1:], v[:1]]), lambda: cr.where(cr.flip(v) > w, cr.cos(v), w * 0.5),
        lambda: cr.matrix_transpose(w) * 0.5 if v.shape == v.shape[::-1] and v.ndim == 2 else v + 1,
    ])()  # fmt: skip


@given(seed=st.integers(0, 1 << 30), runs=st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=2))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_updates_in_place(seed: int, runs: list[tuple[int, bool]]) -> None:
    """Variables that are replaced by functions of one another; one is looked at between some steps."""
    programs, variables = [], []
    for engine in (Stepper, Native):
        rng = np.random.default_rng(seed)  # both make the same choices
        maker = Maker(lambda n, rng=rng: int(rng.integers(n)), "float64")
        for shape in ((maker.size(1),), (5, 5), (maker.size(1), maker.size(1))):
            for _ in range(1 + maker.below(3)):
                maker.variables.append(
                    cr.variable(maker.rng.normal(size=shape), name=f"v{len(maker.variables)}")
                )
        maker.pool += maker.variables
        changed = list(maker.variables)
        for _ in range(maker.below(4)):
            maker.grow()
        updates = {v: new_value(maker, v) for v in changed if maker.below(5)}
        outputs, options = maker.pool[-2:], {"threads": 1 + 2 * maker.below(2)} if engine is Native else {}
        programs.append(
            (engine(outputs, updates, finite=maker.maybe(), **options), bind(maker.feed), outputs)
        )
        variables.append(changed)
    for number, (steps, look) in enumerate(runs):
        found = []
        for program, environment, _ in programs:
            if steps > 1:
                program.run_steps(dict(environment), steps)
            found.append(program.run(dict(environment)))
        agree(found[1], found[0], programs[0][2])
        if look:
            one = number % len(variables[0])
            agree([variables[1][one].value], [variables[0][one].value], [variables[0][one]])
    agree([v.copy() for v in variables[1]], [v.copy() for v in variables[0]], variables[0])


@given(data=st.data())
@settings(deadline=None, max_examples=25, derandomize=True)
def test_an_index_that_does_not_exist_is_found_by_both(data: st.DataObject) -> None:
    maker = made(data, "float64", 3)
    x = maker.filled()
    count, axis = 1 + maker.below(5), maker.axis(x)
    wrong = maker.rng.integers(x.shape[axis], size=count)
    wrong[maker.below(count)] = maker.one_of([x.shape[axis], -x.shape[axis] - 1, 1 << 60])
    node = cr.take(x, maker.fed(wrong), axis=axis)
    nodes = [total([node]), *[g for g in cr.gradients(total([node]), maker.variables) if g is not None]]
    environment = bind(maker.feed)
    messages = []
    for runner in (Stepper(nodes), Native(nodes, threads=1), Native(nodes, threads=3)):
        with pytest.raises(IndexRangeError) as caught:
            runner.run(dict(environment))
        messages.append(str(caught.value))
    assert len(set(messages)) == 1
