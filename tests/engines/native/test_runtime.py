"""Records run by a team: every place once, in order, stopped together, whoever else is running."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import binding
from numpy.typing import NDArray

from chainrule.engines.native import driver, gates
from chainrule.engines.native.choice import Choice
from chainrule.engines.native.jit import compile_functions
from chainrule.engines.native.runtime import Machine, Record, share
from chainrule.engines.native.team import TEAM, available_threads, system
from chainrule.errors import ArgumentError, ChainruleError, OutOfMemoryError
from chainrule.graph.memory import aligned_empty, is_aligned

#: for each place i: x[i] = x[i] * 3 + y[n - 1 - i], with n = 64: what another thread wrote, if there is one
MIX = """
define void @mix(ptr %args, i64 %lo, i64 %hi) {
  %x.at = getelementptr ptr, ptr %args, i64 1
  %y.at = getelementptr ptr, ptr %args, i64 2
  %x = load ptr, ptr %x.at
  %y = load ptr, ptr %y.at
  br label %next
next:
  %i = phi i64 [%lo, %0], [%more, %next]
  %other = sub i64 63, %i
  %a.at = getelementptr i64, ptr %x, i64 %i
  %b.at = getelementptr i64, ptr %y, i64 %other
  %a = load i64, ptr %a.at
  %b = load i64, ptr %b.at
  %three = mul i64 %a, 3
  %sum = add i64 %three, %b
  store i64 %sum, ptr %a.at
  %more = add i64 %i, 1
  %again = icmp slt i64 %more, %hi
  br i1 %again, label %next, label %end
end:
  ret void
}
"""

#: x[i] += 1, counting; the place whose count reaches x[64] fails
COUNT = """
define void @count(ptr %args, i64 %lo, i64 %hi) {
  %flag = load ptr, ptr %args
  %x.at = getelementptr ptr, ptr %args, i64 1
  %x = load ptr, ptr %x.at
  %limit.at = getelementptr i64, ptr %x, i64 64
  %limit = load i64, ptr %limit.at
  br label %next
next:
  %i = phi i64 [%lo, %0], [%more, %done]
  %at = getelementptr i64, ptr %x, i64 %i
  %old = load i64, ptr %at
  %new = add i64 %old, 1
  store i64 %new, ptr %at
  %bad = icmp eq i64 %new, %limit
  br i1 %bad, label %fail, label %done
fail:
  store atomic i64 1, ptr %flag monotonic, align 8
  br label %done
done:
  %more = add i64 %i, 1
  %again = icmp slt i64 %more, %hi
  br i1 %again, label %next, label %end
end:
  ret void
}
"""


@cache
def kernel(name: str) -> int:
    return compile_functions({name: {"mix": MIX, "count": COUNT}[name]})[name]


def words(*values: int, size: int = 65) -> NDArray[np.int64]:
    array = aligned_empty(size, np.int64)
    array[:] = 0
    array[: len(values)] = values
    return array


def mixing(x: NDArray[np.int64], y: NDArray[np.int64], threads: int, grain: int = 1) -> Machine:
    """x from y, then y from x, backwards: each needs a barrier after the other."""
    records = [Record(kernel("mix"), slots, 64, grain) for slots in ((0, 1), (1, 0))]
    return Machine(records, [x.ctypes.data, y.ctypes.data], threads)


def mixed(steps: int) -> tuple[list[int], list[int]]:
    """What ``mixing`` means, in NumPy, modulo 2⁶⁴."""
    x, y = np.arange(64, dtype=np.int64), np.arange(64, dtype=np.int64) * 7
    for _ in range(steps):
        x = x * 3 + y[::-1]
        y = y * 3 + x[::-1]
    return x.tolist(), y.tolist()


@given(
    extent=st.integers(0, 1000),
    grain=st.integers(1, 70),
    threads=st.integers(1, 9),
)
@settings(deadline=None, max_examples=100)
def test_shares_cover_every_place_once(extent: int, grain: int, threads: int) -> None:
    shares = [share(extent, grain, thread, threads) for thread in range(threads)]
    assert [i for low, high in shares for i in range(low, high)] == list(range(extent))
    assert all(low % grain == 0 or low == extent for low, _ in shares)
    sizes = [-(-(high - low) // grain) for low, high in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("grain", [1, 5, 64, 100])
@pytest.mark.parametrize("steps", [0, 1, 2, 100])
def test_any_number_of_threads_computes_the_same(threads: int, grain: int, steps: int) -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    assert mixing(x, y, threads, grain).run(steps) == steps
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(steps)


class Alternating(Choice):
    """The other way after every run."""

    def most_steps(self) -> int:
        return 3

    def took(self, steps: int, seconds: float) -> None:
        self.current = 1 - self.current


def test_the_number_of_threads_may_change_between_any_two_steps() -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    machine = mixing(x, y, 3)
    machine._choice = Alternating()
    for steps in (1, 1, 100, 7, 1):
        assert machine.run(steps) == steps
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(110)


def test_many_short_runs_and_sleeps_between_them() -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    machine, pause = mixing(x, y, 2), threading.Event()
    for number in range(300):
        assert machine.run() == 1
        if number % 50 == 0:
            pause.wait(0.002)  # longer than a worker looks out for work: it sleeps, and is woken
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(300)


def test_a_serial_record_runs_on_one_thread_in_its_place() -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    records = [Record(kernel("mix"), (0, 1), 64), Record(kernel("mix"), (1, 0), 64, serial=True)]
    Machine(records, [x.ctypes.data, y.ctypes.data], 3).run(20)
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(20)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("failing", [0, 40, 63])
def test_a_failed_check_ends_the_run_for_all(threads: int, failing: int) -> None:
    x, after = words(), words()
    x[failing], x[64] = 10, 15  # one place is ahead: it fails in the fifth step
    records = [Record(kernel("count"), (0,), 64), Record(kernel("count"), (1,), 64)]
    machine = Machine(records, [x.ctypes.data, after.ctypes.data], threads)
    assert machine.run(100) == 4 == machine.completed
    assert after[:64].tolist() == [4] * 64, "nothing after the failed kernel has run"
    x[64] = 1000
    assert machine.run(3) == 3, "the next run begins afresh"
    assert after[:64].tolist() == [7] * 64


@pytest.mark.parametrize("threads", [1, 2])
def test_python_functions_take_part(threads: int) -> None:
    x, y, seen = words(*range(64)), words(*range(0, 448, 7)), []
    records = [
        Record(kernel("mix"), (0, 1), 64),
        Record(lambda: seen.append(int(x[0]))),
        Record(kernel("mix"), (1, 0), 64),
    ]
    Machine(records, [x.ctypes.data, y.ctypes.data], threads).run(5)
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(5)
    assert seen == [mixed(step)[0][0] for step in range(1, 6)]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_python_function_raises_surfaces(threads: int) -> None:
    x, calls = words(), []

    def refuse() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise ChainruleError("not this one")

    records = [Record(refuse), Record(kernel("count"), (0,), 64)]
    machine = Machine(records, [x.ctypes.data], threads)
    with pytest.raises(ChainruleError, match="not this one"):
        machine.run(10)
    assert machine.completed == 2
    assert x[:64].tolist() == [2] * 64
    assert machine.run(2) == 2


def test_a_slot_can_be_pointed_elsewhere() -> None:
    x, y, z = words(), words(), words()
    machine = Machine([Record(kernel("count"), (slot,), 64) for slot in (0, 1, 0)], [x.ctypes.data] * 2, 2)
    machine.point(1, y.ctypes.data)
    machine.run()
    machine.point(0, z.ctypes.data)
    machine.run()
    assert [array[:64].tolist() for array in (x, y, z)] == [[2] * 64, [2] * 64, [2] * 64]


def test_two_python_threads_run_two_machines_at_once() -> None:
    memory = [(words(*range(64)), words(*range(0, 448, 7))) for _ in range(3)]
    machines = [mixing(x, y, 2) for x, y in memory]

    def run(machine: Machine) -> None:
        for _ in range(20):
            machine.run(10)

    run_all([(run, (machine,)) for machine in machines])
    assert all((x[:64].tolist(), y[:64].tolist()) == mixed(200) for x, y in memory)


def test_one_machine_asked_by_two_python_threads_runs_once_after_the_other() -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    machine = mixing(x, y, 2)
    run_all([(machine.run, (100,))] * 4)
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(400)


def run_all(calls: Sequence[tuple[Any, tuple[Any, ...]]]) -> None:
    threads = [threading.Thread(target=function, args=args) for function, args in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_run_between_two_steps(threads: int) -> None:
    x, y = words(), words()
    machine = Machine(
        [Record(kernel("count"), (s,), 64) for s in (0, 1)], [x.ctypes.data, y.ctypes.data], threads
    )
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        machine.run(1 << 60)
    timer.join()
    assert machine.completed > 0
    assert set(x[:64].tolist()) == set(y[:64].tolist()) == {machine.completed}


def _in_a_child(queue: Any, machine: Machine | None) -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    mixing(x, y, 2).run(50)
    own = (x[:64].tolist(), y[:64].tolist()) == mixed(50)
    queue.put((own, machine is None or machine.run(50) == 50))


# A process that begins anew has to be told where this file is, however the tests were started.
_ANEW = """
import sys
sys.path.insert(0, root)
from tests.engines.native.test_runtime import _in_a_child
_in_a_child(queue, None)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_process_has_a_team_of_its_own(method: str) -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    machine = mixing(x, y, 2)
    machine.run(50)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that threads do not survive a fork: the point of this test
        if method == "fork":
            child = context.Process(target=_in_a_child, args=(queue, machine))  # type: ignore[attr-defined]
        else:
            root = str(Path(__file__).parents[3])
            child = context.Process(target=exec, args=(_ANEW, {"queue": queue, "root": root}))  # type: ignore[attr-defined]
        child.start()
    assert queue.get(timeout=60) == (True, True)
    child.join()
    assert child.exitcode == 0
    machine.run(50)
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(100)


def test_idle_workers_end_when_they_are_dismissed() -> None:
    x, y = words(*range(64)), words(*range(0, 448, 7))
    machine = mixing(x, y, 3)
    machine.run()
    TEAM.dismiss()
    assert not [t for t in threading.enumerate() if t.name == "chainrule worker"]
    machine.run()
    assert (x[:64].tolist(), y[:64].tolist()) == mixed(2)


def test_the_number_of_threads_is_the_users_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_THREADS", "3")
    assert available_threads() == 3
    monkeypatch.delenv("CHAINRULE_THREADS")
    assert 1 <= available_threads() <= (os.cpu_count() or 1)
    for wrong in ("0", "many", "-1", "2.5", ""):
        monkeypatch.setenv("CHAINRULE_THREADS", wrong)
        with pytest.raises(ArgumentError, match="CHAINRULE_THREADS"):
            available_threads()
    with pytest.raises(ArgumentError, match="0 threads"):
        Machine([], [], 0)


def test_memory_that_does_not_exist_is_refused_by_its_size() -> None:
    with pytest.raises(OutOfMemoryError, match=r"8\.0 PiB"):
        aligned_empty(1 << 50, np.float64)
    with pytest.raises(OutOfMemoryError, match="bytes"):
        aligned_empty((1 << 40, 1 << 40), np.float64)
    for shape in ((), (0,), (3, 4)):
        array = aligned_empty(shape, np.float64)
        assert array.shape == shape
        assert is_aligned(array)


@pytest.mark.parametrize(
    "triple",
    [
        "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "riscv64-unknown-linux-gnu",
        "x86_64-pc-windows-msvc", "arm64-apple-darwin23.0.0", "x86_64-unknown-freebsd14",
        "i686-unknown-linux-gnu",
    ],
)  # fmt: skip
def test_the_driver_is_well_formed_for_every_system(triple: str) -> None:
    driver.functions()
    binding.parse_assembly(driver.source(triple)).verify()


def test_sleepers_that_nobody_can_wake_come_back_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """On systems whose way of waking is unknown: slower, and as right."""
    with monkeypatch.context() as patched:
        patched.setattr(gates, "system_kind", lambda triple: "nap")
        _start_anew()
        x, y = words(*range(64)), words(*range(0, 448, 7))
        assert mixing(x, y, 3).run(20) == 20
        assert (x[:64].tolist(), y[:64].tolist()) == mixed(20)
    _start_anew()


def _start_anew() -> None:
    TEAM.dismiss()
    system.cache_clear()
    driver.functions.cache_clear()
