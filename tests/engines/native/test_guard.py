"""Finite or refused: where a value that is stored for good is not finite, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import Program
from chainrule.data import Batches
from chainrule.engines.native import products
from chainrule.engines.native.assembly import prepare
from chainrule.engines.native.engine import Native
from chainrule.engines.native.guard import guarded
from chainrule.engines.native.target import host
from chainrule.errors import NonFiniteError
from chainrule.loops import Axis, Buffer, Kernel, builder, interpret
from chainrule.loops import Program as LoopProgram
from chainrule.loops.ir import Accumulate, Check, Let, Local, Loop, Statement, Store, statements, walk
from chainrule.simplify import simplify
from chainrule.train import EpochLoop, TrainingStep

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
BAD = [np.inf, -np.inf, np.nan]


def kernel(role: str, dtype: Any, *, where: bool = False, add: bool = False) -> tuple[Kernel, list[Buffer]]:
    """out[i] = x[i] · 2, or +=, and seen[i] = x[i]; where x[i] < 1e30 perhaps."""
    axis = Axis("i", 5)
    i = builder.axis(axis)
    x, out, seen = Buffer("x", 5, dtype, "input"), Buffer("out", 5, dtype, role), Buffer("seen", 5, dtype)
    value = builder.load(x, i)
    condition = builder.lt(value, builder.constant(1e30, dtype)) if where else None
    doubled = builder.mul(value, builder.constant(2, dtype))
    kind = Accumulate if add else Store
    body = (kind(out, i, doubled, condition), Store(seen, i, value))
    return Kernel("k", axis, body), [x, out, seen]


def passes(kernel: Kernel, buffers: list[Buffer], values: list[float], out: float = 0.0) -> bool:
    memory = {buffer: np.zeros(5, buffer.dtype) for buffer in buffers}
    memory[buffers[0]][:] = values
    memory[buffers[1]][:] = out
    return interpret(LoopProgram((kernel,)), memory)


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize("role", ["variable", "output"])
@pytest.mark.parametrize("bad", BAD)
def test_what_is_stored_for_good_is_checked(dtype: Any, role: str, bad: float) -> None:
    plain, buffers = kernel(role, dtype)
    checked = guarded(plain)
    assert passes(checked, buffers, [1, -2, 0, 1e38, 5])
    assert not passes(checked, buffers, [1, 2, 3, bad, 5])
    assert passes(plain, buffers, [1, 2, 3, bad, 5])


def test_a_value_that_overflows_is_found() -> None:
    plain, buffers = kernel("variable", F32)
    assert not passes(guarded(plain), buffers, [0, 0, 3e38, 0, 0])


@pytest.mark.parametrize("role", ["scratch", "kept", "input"])
def test_what_is_not_is_left_alone(role: str) -> None:
    plain, _ = kernel(role, F32)
    assert guarded(plain).body == plain.body
    whole, _ = kernel("variable", np.dtype(np.int64))
    assert guarded(whole).body == whole.body


def test_what_is_not_stored_may_be_anything() -> None:
    plain, buffers = kernel("variable", F32, where=True)
    checked = guarded(plain)
    assert passes(checked, buffers, [1, 2, np.inf, np.nan, 2e38])  # none of which is < 1e30
    assert not passes(checked, buffers, [1, 2, -np.inf, 0, 0])


def test_sums_are_checked_as_they_will_be() -> None:
    plain, buffers = kernel("variable", F32, add=True)
    checked = guarded(plain)
    assert passes(checked, buffers, [1e38] * 5, 1e38)
    assert not passes(checked, buffers, [1e38] * 5, 3e38)


def test_one_check_for_stores_side_by_side_and_its_own_for_one_that_reads_another() -> None:
    axis = Axis("i", 5)
    i = builder.axis(axis)
    a, b, c = [Buffer(name, 5, F32, "variable") for name in "abc"]
    x = Buffer("x", 5, F32, "input")
    value = builder.load(x, i)
    body = (Store(a, i, value), Store(b, i, value), Store(c, i, builder.load(a, i)))
    nested = Kernel("k", None, (Loop(axis, body),))
    found = [type(s) for s in statements(guarded(nested).body)]
    assert found == [Loop, Check, Store, Store, Check, Store]


def update(kind: str, where: bool = False) -> tuple[Kernel, list[Buffer], int]:
    """A kernel that stores what optimizers store, from x and y, and how many checks it needs."""
    axis = Axis("i", 5)
    i = builder.axis(axis)
    x, y = [Buffer(name, 5, F32, "input") for name in "xy"]
    a, b, c = [Buffer(name, 5, F32, "variable") for name in "abc"]
    m, v, d = [Local(name) for name in "mvd"]
    mean, spread, change = [builder.local(name, F32) for name in (m, v, d)]
    one, condition = builder.constant(1.0, F32), builder.lt(builder.load(y, i), 9.0) if where else None
    lets: list[Statement] = [
        Let(m, builder.mul(builder.load(x, i), 2.0)),
        Let(v, builder.mul(builder.load(y, i), builder.load(y, i))),
        Let(d, builder.div(mean, builder.add(builder.sqrt(spread), one))),
    ]
    new = {
        "moments": (builder.sub(one, change), 2),
        "chosen": (builder.where(builder.lt(change, one), change, one), 3),
        "bounded": (builder.min_(change, one), 3),
        "sum": (builder.fma(spread, mean, change), 1),
        "same": (mean, 2),
        "divisor": (builder.div(one, change), 3),
        "read again": (builder.add(builder.load(a, i), builder.load(b, i)), 3),
    }
    value, needed = new[kind]
    body = (*lets, Store(a, i, mean), Store(b, i, spread), Store(c, i, value, condition))
    return Kernel("k", axis, body), [x, y, a, b, c], 3 if where and kind != "same" else needed


@pytest.mark.parametrize("where", [False, True])
@pytest.mark.parametrize("kind", ["moments", "chosen", "bounded", "sum", "same", "divisor", "read again"])
def test_a_value_that_shows_in_another_is_checked_there(kind: str, where: bool) -> None:
    """What is refused is what has stored something that is not finite, however few checks there are."""
    plain, buffers, needed = update(kind, where)
    checked = guarded(plain)
    assert isinstance(checked, Kernel)
    conditions = [s.condition for s in statements(checked.body) if isinstance(s, Check)]
    assert sum(s.op == "isfinite" for s in walk(conditions)) == needed
    x, y, *stored = buffers
    values = [1.0, 0.0, -3.0, 1e30, 3e38, np.inf, -np.inf, np.nan]
    for first in values:
        for second in values:
            memory = {buffer: np.ones(5, F32) for buffer in buffers}
            memory[x][2], memory[y][2] = first, second
            with np.errstate(all="ignore"):
                held = interpret(LoopProgram((checked,)), memory)
            assert held == all(np.isfinite(memory[buffer]).all() for buffer in stored)


def test_a_product_stays_a_product() -> None:
    x, w = cr.placeholder((64, 784)), cr.variable(np.zeros((784, 128), np.float32))
    loss = cr.sum((x @ w) ** 2)
    optimizer = cr.optim.Adam([w])
    simple = simplify([loss], optimizer.updates(loss))
    _, parts, _ = prepare(simple.outputs, simple.updates)
    known = [p.step for p in parts if isinstance(p.step, Kernel) and products.recognise(p.step, host())]
    assert known
    for step in known:
        assert products.recognise(guarded(step), host()) is not None  # type: ignore[arg-type]
    assert any(guarded(step) != step and guarded(step).body != step.body for step in known)  # type: ignore[union-attr]


# ── the engine ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [3, 1000])
def test_an_update_that_is_not_finite_leaves_everything_as_before_its_step(threads: int, size: int) -> None:
    """The loss stays finite, one element of many grows beyond all floats after some steps."""
    start = np.ones(size, np.float32)
    start[size - 2] = 1e30
    w, count = cr.variable(start, name="w"), cr.variable(np.int64(0), name="count")
    loss = cr.sum(w * 0 + 1)
    native = Native([loss], {w: w * 3, count: count + 1}, finite=True, threads=threads)
    with pytest.raises(NonFiniteError, match="the new value of w is not finite; nothing was updated"):
        native.run_steps({}, 1000)
    assert count.value == 17  # 1e30 · 3¹⁷ < 3.4e38 < 1e30 · 3¹⁸
    np.testing.assert_array_equal(w.value[: size - 2], np.float32(3.0**17))
    for run in (native.run, lambda environment: native.run_steps(environment, 5)):
        with pytest.raises(NonFiniteError):
            run({})
        assert count.value == 17
    w.assign(start)
    native.run_steps({}, 17)
    with pytest.raises(NonFiniteError):
        native.run({})
    assert count.value == 34


def test_batches_may_be_written_to_between_steps() -> None:
    """Which are run again to undo a step that failed."""
    w = cr.variable(np.ones(100, np.float32), name="w")
    x = cr.placeholder((2,))
    program = Program([x], [cr.sum(w * 0)], {w: w * x[0] + x[1]}, engine="native", finite=True)
    batch, expected = np.zeros(2, np.float32), np.ones(100, np.float32)
    for step in range(30):
        batch[:] = 1.5, step
        program(batch)
        expected = expected * np.float32(1.5) + np.float32(step)
    batch[:] = np.inf, 0
    with pytest.raises(NonFiniteError):
        program(batch)
    np.testing.assert_array_equal(w.value, expected)


@pytest.mark.parametrize("optimizer", [cr.optim.SGD, cr.optim.Adam, cr.optim.Adadelta])
def test_training_stops_where_the_stepper_stops(optimizer: Any) -> None:
    """With a weight that overflows, not the loss; the steps before it are all made."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 6)).astype(np.float32)
    x[25] = 1e20  # its square overflows, in the second moments
    found = []
    for engine in ("stepper", "native"):
        line = cr.nn.Linear(6, 1, seed=0)
        rule = optimizer(line.parameters(), 0.01)
        step = TrainingStep(lambda x, line=line: cr.mean(line(x)) * 1e19, rule, engine=engine)  # type: ignore[misc]
        loop = EpochLoop(step, Batches(x, 4, shuffle=False))
        loop.begin(0)
        with pytest.raises(NonFiniteError) as caught:
            loop.run(10)
        state = {name: array.copy() for name, array in (line.state_dict() | rule.state_dict()).items()}
        found.append((loop.batch, str(caught.value).splitlines()[0], state))
    (batch, text, state), (native_batch, native_text, native_state) = found
    assert (native_batch, native_text) == (batch, text)
    for name, array in state.items():
        np.testing.assert_allclose(native_state[name], array, rtol=1e-4, atol=1e-30)
