"""Undoing: whatever was run, on inputs that may be written to afterwards, the state before is had again."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import chainrule as cr
from chainrule.engines.native.log import Log, log_of

Array = NDArray[Any]


def advance(state: list[Array], inputs: list[Array], steps: int) -> None:
    """A step that rounds, and whose order matters."""
    for _ in range(steps):
        state[0] *= np.float32(1.1)
        state[0] += inputs[0].sum()
        state[1] += 1


RUNS = st.lists(
    st.tuples(
        st.sampled_from(["one", "steady", "changed", "read-only"]),
        st.integers(1, 4),
        st.integers(1, 40),  # the size of the inputs: fewer and more bytes than the state has
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("seconds", [0.0, 1e9])
@given(runs=RUNS, completed=st.integers(0, 3))
@settings(deadline=None, max_examples=150)
def test_undoing_and_running_again_leads_to_the_step_asked_for(
    seconds: float, runs: list[tuple[str, int, int]], completed: int
) -> None:
    state = [np.ones(8, np.float32), np.zeros((), np.int64)]
    log = Log(seconds)
    whole = np.full(30, 0.5, np.float32)
    wanted = state
    for kind, steps, size in runs:
        batch = np.full(size, size, np.float32)
        inputs = [whole] if kind == "steady" else [batch]
        if kind == "changed":  # by somebody else: copies of before are of no use
            state[0] += 3
            log.clear()
        batch.flags.writeable = kind != "read-only"
        log.begin(state, inputs, steps, steady=kind == "steady")
        done = min(completed, steps - 1)
        wanted = [array.copy() for array in state]
        advance(wanted, inputs, done)
        advance(state, inputs, steps)
        last = [array.copy() for array in inputs]
        if kind in ("one", "changed"):
            batch[:] = -77  # after the run, its owner may use the memory again
            inputs[0][:] = -77
        inputs[0] = inputs[0] if kind == "steady" else last[0]
    if runs[-1][0] in ("one", "changed"):
        batch[:] = size  # but the last run is still going on when it fails
    for entry in log.undo(state, done):
        advance(state, entry.inputs, entry.steps)
    assert [array.tolist() for array in state] == [array.tolist() for array in wanted]
    log.begin(state, [whole], 2, steady=True)
    advance(state, [whole], 2)
    for entry in log.undo(state, 0):
        advance(state, entry.inputs, entry.steps)
    assert [array.tolist() for array in state] == [array.tolist() for array in wanted]


def test_little_is_copied() -> None:
    state, data, log = [np.zeros(100)], [np.ones(10_000)], Log(1e9)
    for _ in range(50):
        log.begin(state, data, 3, steady=True)
    assert [entry.steps for entry in log.undo(state, 1)] == [148]
    for batch in range(50):
        log.begin(state, [np.full(10, batch)], 1)
    entries = log.undo(state, 0)
    assert len(entries) < 10
    assert sum(a.nbytes for entry in entries for a in entry.inputs) <= state[0].nbytes


def test_programs_over_the_same_variables_share_a_log() -> None:
    a, b = cr.variable(1.0), cr.variable(1.0)
    log = log_of([a, b])
    assert log_of([a, b]) is log
    assert log_of([b, a]) is not log
    assert log_of([a]) is not log


def test_a_step_that_nobody_has_any_more_leaves_nothing_behind() -> None:
    """Its variables are in a table's reach: of many models trained in turn, all would stay in memory."""

    def trained() -> weakref.ref[cr.Variable]:
        w = cr.variable(np.zeros(10, np.float32))
        step = cr.train.TrainingStep(lambda x: ((w - x) ** 2).mean(), cr.optim.SGD([w], 0.1))
        for _ in range(2):
            step(np.ones(10, np.float32))
        return weakref.ref(w)

    left = trained()
    gc.collect()
    assert left() is None
