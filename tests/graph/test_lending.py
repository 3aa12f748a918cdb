"""What anyone has seen of a variable stays as it was, however engines write; and nothing is copied else."""

from __future__ import annotations

import multiprocessing
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import chainrule as cr
from chainrule.graph import Variable, aligned_empty, is_aligned, lease


def filled(value: float, size: int = 5) -> Variable:
    return cr.variable(np.full(size, value, np.float32))


@given(st.lists(st.sampled_from(["look", "copy", "assign", "adopt", "first", "second", "both", "step"])))
@settings(deadline=None, max_examples=200)
def test_any_mixture_of_looking_and_writing(actions: list[str]) -> None:
    v, w = filled(0), filled(100)
    leases = {"first": lease([v]), "second": lease([v, w]), "both": lease([w, v])}
    expected, kept = {v: 0.0, w: 100.0}, list[tuple[NDArray[Any], float]]()
    double = cr.compile(lambda x: 2 * x)
    for action in actions:
        for variable, value in expected.items():
            match action:
                case "look":
                    kept.append((variable.array, value))
                case "copy":
                    kept.append((variable.copy(), value))
                case "assign":
                    variable.assign(np.full(5, 7.0))
                    expected[variable] = 7.0
                case "adopt":
                    array = aligned_empty(5, np.float32)
                    array[:] = value + 2
                    kept.append((array, value + 2))  # an engine may give away what it adopts
                    variable.adopt(array)
                    expected[variable] = value + 2
                case "step":
                    kept.append((double(variable.array), 2 * value))
        if action in leases:
            with leases[action]:
                for array in leases[action].arrays:
                    assert is_aligned(array)
                    array += 1
            for variable in (v, w) if action != "first" else (v,):
                expected[variable] += 1
        for array, value in kept:
            assert array.tolist() == [value] * 5
    assert {x: x.array.tolist() for x in expected} == {x: [y] * 5 for x, y in expected.items()}


def test_what_nobody_has_seen_is_lent_as_it_is() -> None:
    """A variable copies what it is given once, and no engine copies that again."""
    given = np.arange(5, dtype=np.float32)
    v = cr.variable(given)
    places = []
    for _ in range(2):
        borrowed = lease([v])
        held = v._holding.array.ctypes.data
        with borrowed:
            places.append(borrowed.arrays[0].ctypes.data)
            assert places[-1] == held
            borrowed.arrays[0] += 1
        given[:] = 10
        v.assign(given)
    assert places[0] != places[1]
    assert given.tolist() == v.array.tolist() == [10.0] * 5
    given[:] = 0
    assert v.array.tolist() == [10.0] * 5


def test_only_what_was_seen_is_copied() -> None:
    v, w = filled(1), filled(2)
    borrowed = lease([v, w])
    with borrowed as renewed:
        assert renewed == [0, 1]
    first = list(borrowed.arrays)
    for _ in range(3):
        with borrowed as renewed:
            assert renewed == []
    w.copy()
    with borrowed as renewed:
        assert renewed == []
    seen = w.array
    assert np.shares_memory(seen, first[1])
    assert not seen.flags.writeable
    with borrowed as renewed:
        assert renewed == [1]
        borrowed.arrays[1] += 1
    assert borrowed.arrays[0] is first[0]
    assert (seen.tolist(), w.array.tolist()) == ([2.0] * 5, [3.0] * 5)


def test_an_engine_takes_over_from_another_without_a_copy() -> None:
    v = filled(1)
    first, second = lease([v]), lease([v])
    with first:
        first.arrays[0] += 1
    with second:
        assert second.arrays[0] is first.arrays[0]
        second.arrays[0] += 1
    with first as renewed:
        assert renewed == [0]  # the same array, with another's numbers
        assert first.arrays[0] is second.arrays[0]
    assert v.array.tolist() == [3.0] * 5


def test_leases_of_one_holder_know_what_the_others_wrote() -> None:
    v, holder = filled(1), object()
    first, second = lease([v], holder=holder), lease([v], holder=holder)
    stranger = lease([v])
    for borrowed, told in [
        (first, [0]), (second, [0]), (first, []), (second, []), (stranger, [0]), (first, [0]), (second, []),
    ]:  # fmt: skip
        with borrowed as renewed:
            assert renewed == told
    assert v.array.tolist() == [1.0] * 5
    for borrowed in (second, first):  # somebody has seen it, so each has another array than before
        with borrowed as renewed:
            assert renewed == [0]


def test_what_was_put_off_is_settled_before_anyone_sees_it() -> None:
    v, w = filled(1), filled(1)
    pending = {0: 0, 1: 0}

    def settle(number: int) -> None:
        borrowed.arrays[number] *= 2.0 ** pending[number]
        pending[number] = 0

    borrowed = lease([v, w], settle)
    for _ in range(3):
        with borrowed:
            pending = {number: count + 1 for number, count in pending.items()}
    assert v.copy().tolist() == [8.0] * 5
    assert v.array.tolist() == [8.0] * 5
    assert pending == {0: 0, 1: 3}
    other = lease([w])
    with other:
        other.arrays[0] += 1
    assert w.array.tolist() == [9.0] * 5
    with borrowed:
        pending[0] = 5
    v.assign(np.zeros(5))
    assert v.array.tolist() == [0.0] * 5


def test_a_look_from_within_the_run_is_a_copy() -> None:
    v = filled(1)
    borrowed = lease([v])
    with borrowed:
        borrowed.arrays[0] += 1
        seen, copied = v.array, v.copy()
        borrowed.arrays[0] += 1
    assert (seen.tolist(), copied.tolist(), v.array.tolist()) == ([2.0] * 5, [2.0] * 5, [3.0] * 5)


@pytest.mark.parametrize("writers", [1, 2])
def test_looking_from_another_thread_sees_whole_steps(writers: int) -> None:
    v = filled(0, 200)
    stop, kept = threading.Event(), list[tuple[NDArray[Any], float]]()

    def write() -> None:
        borrowed = lease([v])
        while not stop.is_set():
            with borrowed:
                for place in range(200):  # slowly, so that a look falls into it
                    borrowed.arrays[0][place] += 1

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for number in range(50):
        array = v.array if number % 2 else v.copy()
        kept.append((array, float(array[0])))
    stop.set()
    for thread in threads:
        thread.join()
    for array, value in kept:
        assert array.tolist() == [value] * 200
    assert [value for _, value in kept] == sorted(value for _, value in kept)


def test_two_engines_that_share_variables_in_other_orders_do_not_wait_for_ever() -> None:
    v, w = filled(0), filled(0)

    def write(variables: list[Variable]) -> None:
        borrowed = lease(variables)
        for _ in range(300):
            with borrowed:
                for array in borrowed.arrays:
                    array += 1

    threads = [threading.Thread(target=write, args=(order,)) for order in ([v, w], [w, v], [v])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (v.array.tolist(), w.array.tolist()) == ([900.0] * 5, [600.0] * 5)


FORKS = sorted({"fork"} & {*multiprocessing.get_all_start_methods()})


@pytest.mark.parametrize("method", FORKS)
def test_a_forked_child_can_look_while_its_parent_was_writing(method: str) -> None:
    v = filled(1)
    writing, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with lease([v]):
            writing.set()
            go_on.wait()

    thread = threading.Thread(target=write)
    thread.start()
    writing.wait()
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads and forks, which this is about
        child = context.Process(target=lambda: queue.put(v.array.tolist()))
        child.start()
    assert queue.get(timeout=60) == [1.0] * 5
    child.join()
    go_on.set()
    thread.join()
