"""Rows of tables and windows of places: the stepper's numbers at every edge, and what shares the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import loops, nn, optim
from chainrule.bench.workloads import SentenceCNN
from chainrule.engines.native import Native
from chainrule.engines.native.assembly import prepare
from chainrule.engines.native.lowering import lower
from chainrule.engines.stepper import Stepper
from chainrule.graph import Node, Variable, placeholder
from chainrule.loops import Check, Kernel, Program, statements
from chainrule.ops import first_places, put_rows, take
from chainrule.simplify import simplify
from chainrule.train.step import TrainingStep

Values = list[np.ndarray[Any, Any]]


def lowered(*outputs: Node) -> Program:
    """The lowered program, which is legal."""
    program = lower(outputs, {}).program
    loops.verify(program)
    return program


def checks(program: Program) -> int:
    return sum(
        isinstance(s, Check) for k in program.steps if isinstance(k, Kernel) for s in statements(k.body)
    )


def agree(outputs: Sequence[Node], close: float = 1e-5) -> Values:
    """Outputs of one to three threads, which have the same bits, and the stepper's up to rounding."""
    found = [Native(outputs, threads=threads).run({}) for threads in (1, 2, 3)]
    for other in found[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found[0], other, strict=True))
    for got, wanted in zip(found[0], Stepper(outputs).run({}), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=close, atol=close)
    return found[0]


# ── windows of places ─────────────────────────────────────────────────────────────────────────────

EXAMPLES, TIME, FILTERS, WIDTH = 5, 9, 4, 34


def largest(seed: int = 1, length: int = TIME) -> Node:
    x = np.random.default_rng(seed).standard_normal((EXAMPLES, length, FILTERS)).astype("f")
    return cr.argmax(cr.variable(x), axis=1)


def steps(count: int, stride: int, shape: tuple[int, ...]) -> Node:
    return cr.constant((np.arange(count) * stride).reshape(shape))


def scattered(rows: Node, length: int, factor: Any = None) -> Node:
    rng = np.random.default_rng(2)
    weights = cr.variable(rng.standard_normal((*rows.shape[1:], WIDTH)).astype("f"))
    if factor is None:
        factor = rng.standard_normal(rows.shape[:2]) * (rng.random(rows.shape[:2]) < 0.5)
    factors = cr.variable(np.asarray(factor, "f"))
    values = cr.reshape(factors, (*factors.shape, *(1,) * (rows.ndim - 1))) * weights
    return cr.ops.indexing.scatter(values, rows, 0, length)


def windows(stride: int, length: int = TIME) -> Node:
    """Three rows each, from the largest on, of examples ``stride`` rows apart."""
    begin = largest(length=length) + steps(EXAMPLES, stride, (EXAMPLES, 1))
    return cr.reshape(begin, (EXAMPLES, FILTERS, 1)) + steps(3, 1, (3,))


def shared_by(program: Program) -> int:
    """Over how many places the kernel that adds is shared out."""
    (kernel,) = [
        k for k in program.steps if isinstance(k, Kernel)
        if any(isinstance(s, loops.Accumulate) for s in statements(k.body))
    ]  # fmt: skip
    assert kernel.axis is not None
    return kernel.axis.extent


@pytest.mark.parametrize("stride", [TIME + 2, TIME + 5, 23])
def test_examples_that_never_meet_are_shared_out_and_need_no_check(stride: int) -> None:
    node = scattered(windows(stride), EXAMPLES * stride)
    program = lowered(node)
    assert checks(program) == 0
    assert shared_by(program) == EXAMPLES
    agree([node])


@pytest.mark.parametrize(("stride", "length"), [(TIME + 1, 60), (1, TIME + 7), (0, TIME + 2)])
def test_examples_that_may_meet_are_cut_into_columns(stride: int, length: int) -> None:
    node = scattered(windows(stride), length)
    program = lowered(node)
    assert checks(program) == 0
    assert shared_by(program) == 2
    agree([node])


def test_rows_that_may_lie_outside_are_checked() -> None:
    node = scattered(windows(TIME + 2), EXAMPLES * (TIME + 2) - 1)
    assert checks(lowered(node)) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows * 2,
        lambda rows: 2 * rows - steps(EXAMPLES, 2, (EXAMPLES, 1, 1)),
        lambda rows: cr.astype(cr.astype(rows, "int32"), "int64"),
        lambda rows: cr.negative(-rows),
        lambda rows: cr.permute_dims(rows, (0, 2, 1)),
        lambda rows: cr.constant(np.full((EXAMPLES, 1, 1), 100)) - rows,
        lambda rows: rows + cr.constant(np.array([0, 3, 1])),  # in no even steps
        lambda rows: rows * rows,
        lambda rows: cr.astype(rows, "uint32") - 1,  # of 0, that would be the greatest number
    ],
)
def test_index_arithmetic_keeps_its_meaning(change: Callable[[Node], Node]) -> None:
    rows = change(windows(TIME + 2) + 1)
    length = int(np.asarray(rows.value).max()) + 1
    agree([take(cr.variable(np.random.default_rng(3).standard_normal((length, 5))), rows, axis=0)])


def test_a_sum_that_may_wrap_around_is_no_known_place() -> None:
    wide = cr.constant(np.array([[2**31 - 1]], np.int32))
    rows = cr.astype(largest(), "int32") + wide + cr.constant(np.array([[-(2**31) + 1]], np.int32))
    table = cr.variable(np.arange(2.0 * TIME))
    assert checks(lowered(take(table, rows, axis=0))) == 1
    agree([take(table, rows, axis=0)])


def test_additions_of_nothing_are_skipped_and_nan_is_not_nothing() -> None:
    factor = np.array([[0.0, -0.0, np.nan, 1.0], [np.inf, 0, 0, 0], [0] * 4, [-np.inf, 2, 0, 1], [1e-45] * 4])
    node = scattered(windows(TIME + 2), EXAMPLES * (TIME + 2), factor)
    agree([node])
    limits = [
        s.axis.limit
        for k in lowered(node).steps if isinstance(k, Kernel)
        for s in statements(k.body) if isinstance(s, loops.Loop)
    ]  # fmt: skip
    assert sum(limit is not None for limit in limits) == 1


# ── rows that are put ─────────────────────────────────────────────────────────────────────────────

NAMES: dict[str, list[int]] = {
    "all differ": [3, 0, 6, 2],
    "all are one": [4] * 6,
    "the ends, from either end": [0, 6, -1, -7, 0, 6],
    "in turn": [1, 2, 1, 2, 1, 2, 5],
    "one": [2],
}


def state(shape: tuple[int, ...], seed: int, dtype: str = "f") -> Variable:
    return cr.variable(np.random.default_rng(seed).standard_normal(shape).astype(dtype), name=f"v{seed}")


def run_both(outputs: list[Node], updates: dict[Variable, Node], turns: int = 3) -> None:
    """Some steps on the stepper, and at one to three threads."""
    start = [v.copy() for v in updates]
    found = []
    for runner in (Stepper(outputs, updates), *[Native(outputs, updates, threads=n) for n in (1, 2, 3)]):
        for variable, value in zip(updates, start, strict=True):
            variable.assign(value)
        results = [runner.run({}) for _ in range(turns)]
        found.append([*results[-1], *[v.copy() for v in updates]])
    for other in found[1:]:
        for got, wanted in zip(other, found[0], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found[1], other, strict=True))


def kernels(outputs: list[Node], updates: dict[Variable, Node]) -> list[Kernel]:
    """The kernels that a step becomes, which are a legal program."""
    _, parts, _ = prepare(outputs, updates)
    loops.verify(Program(tuple([part.step for part in parts])))
    return [part.step for part in parts if isinstance(part.step, Kernel)]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("shape", [(7, 300), (7,), (7, 3, 5), (7, 0)])
def test_tables_that_share_their_names_are_put_together(names: str, shape: tuple[int, ...]) -> None:
    where = cr.constant(np.array(NAMES[names]))
    first = first_places(where, 7)
    a, b, counts = state(shape, 1), state(shape, 2), state((7,), 3)
    old, mean = take(a, where, axis=0), take(b, where, axis=0)
    age = take(counts, where, axis=0)
    stretched = cr.reshape(cr.tanh(age), (len(NAMES[names]), *(1,) * (len(shape) - 1)))
    mean = mean * stretched + cr.tanh(old)
    updates = {
        a: put_rows(a, old - 0.1 * mean, where, first),
        b: put_rows(b, mean, where, first),
        counts: put_rows(counts, age + 1, where, first),
    }
    run_both([cr.sum(a)], updates)
    if np.prod(shape) > 7 and len(NAMES[names]) > 1:
        assert sum("rows of" in k.name for k in kernels([], updates)) == 1


def test_rows_read_elsewhere_are_those_from_before() -> None:
    where = cr.constant(np.array([2, 0, 2, 3]))
    first = first_places(where, 5)
    a, b, c = state((5, 4), 1), state((5, 4), 2), state((5, 6), 3)
    turned = take(a, where, axis=0)[:, ::-1]
    updates = {
        a: put_rows(a, turned + take(b, cr.constant(np.array([1, 1, 0, 0])), axis=0), where, first),
        b: put_rows(b, take(a, where, axis=0) * 2, where, first),
        c: put_rows(c, cr.concat([turned, take(b, where, axis=0)[:, :2]], axis=1), where, first),
    }
    run_both([], updates)


def test_groups_of_names_read_each_others_old_rows() -> None:
    one, two = cr.constant(np.array([2, 0, 2])), cr.constant(np.array([0, 2, 1]))
    a, b = state((5, 40), 1), state((5, 40), 2)
    updates = {
        a: put_rows(a, take(b, one, axis=0) + 1, one),
        b: put_rows(b, take(a, two, axis=0) * 3, two),
    }
    run_both([], updates)
    updates = {
        a: cr.add_rows(cr.add_rows(a, take(a, two, axis=0), one), take(a, one, axis=0), two),
        b: put_rows(b, take(a, two, axis=0) * 3, two),
    }
    run_both([cr.sum(a * b)], updates)


def test_first_places_of_others_are_taken_as_they_come() -> None:
    where, first = cr.constant(np.array([2, 0, 2, 3])), state((4,), 9, "f")
    given = cr.variable(np.array([1, 1, 2, 3]))  # the second row of two wins here
    a = state((5, 40), 1)
    run_both([], {a: put_rows(a, take(a, where, axis=0) + 1, where, given)})
    assert first.size == 4


def test_sums_of_rows_named_again_lie_where_the_rows_do() -> None:
    where = cr.constant(np.array([2, 0, 2, 3, 2, 0]))
    first = first_places(where, 5)
    a, x = state((5, 40), 1), state((6, 40), 2)
    sums = cr.ops.indexing.scatter(cr.tanh(x), first, 0, 6)
    updates = {a: put_rows(a, take(a, where, axis=0) + sums * sums, where, first)}
    run_both([], updates)
    run_both([cr.sum(sums), cr.tanh(x)], updates)  # others read all of it
    run_both([], {**updates, x: x * 0.5})


# ── training ──────────────────────────────────────────────────────────────────────────────────────

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "adadelta": lambda p: optim.Adadelta(p, learning_rate=1.0),
    "adagrad": lambda p: optim.Adagrad(p, learning_rate=0.1),
    "rmsprop": lambda p: optim.RMSProp(p, learning_rate=0.01),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("batch", "length", "filters"), [(1, 9, (2,)), (3, 10, (2, 3)), (2, 3, (2, 3)), (4, 12, (1, 5))]
)
def test_a_convolution_over_words_trains_as_on_the_stepper(
    optimizer: str, batch: int, length: int, filters: tuple[int, ...]
) -> None:
    words = np.random.default_rng(5).integers(0, 40, (6, batch, length))
    words[:, :, -1] = words[:, :, 0]  # within an example
    words[:, -1, 1:3] = words[:, 0, :2]  # over examples
    words[0], words[1, :, 0], words[1, :, -1] = 7, 0, 199
    labels = np.random.default_rng(6).integers(0, 2, (6, batch))
    found = []
    for engine, threads in ((Stepper, 1), (Native, 1), (Native, 2), (Native, 3)):
        model: nn.Module = SentenceCNN(200, 20, 6, filters, 2, dropout=0.5, seed=3)
        step = TrainingStep(
            lambda w, y, mode, model=model: cr.nn.cross_entropy(model(w, mode=mode), y),
            OPTIMIZERS[optimizer](model.parameters()),
            engine="stepper",
        )
        leaves = [placeholder((batch, length), words.dtype), placeholder((batch,), labels.dtype)]
        target, updates = step.graph(["", ""], leaves)
        more = {} if engine is Stepper else {"threads": threads}
        runner = engine([target], updates, **more)
        losses = [
            float(runner.run(dict(zip(leaves, b, strict=True)))[0]) for b in zip(words, labels, strict=True)
        ]
        found.append((losses, [v.copy() for v in updates]))
        simple = simplify([target], updates, catch_up=True)
        kernels(simple.outputs, simple.updates)
    for losses, values in found[1:]:
        np.testing.assert_allclose(losses, found[0][0], rtol=1e-5)
        for got, wanted in zip(values, found[0][1], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-6)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(values, found[1][1], strict=True))
