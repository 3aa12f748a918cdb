"""The faster of two ways is used nearly always, whichever it is at the time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainrule.engines.native.choice import Choice


def used(seconds: Callable[[int, float], float], steps_asked: int, until: float) -> tuple[list[float], float]:
    """The time spent in each way until a time on the clock, and the longest run."""
    choice, clock, spent, longest = Choice(), 0.0, [0.0, 0.0], 0.0
    while clock < until:
        steps, way = min(steps_asked, choice.most_steps()), choice.current
        took = steps * seconds(way, clock)
        clock += took
        spent[way] += took
        longest = max(longest, took)
        choice.took(steps, took)
    return spent, longest


@pytest.mark.parametrize("steps", [1, 7, 100])
@pytest.mark.parametrize("step", [5e-6, 50e-6])
@pytest.mark.parametrize(("slow", "share"), [(1.1, 0.9), (2.0, 0.95), (20.0, 0.93)])
@pytest.mark.parametrize("faster", [0, 1])
def test_the_faster_way_is_used(faster: int, slow: float, share: float, step: float, steps: int) -> None:
    spent, _ = used(lambda way, clock: step * (1 if way == faster else slow), steps, 20.0)
    assert spent[faster] > share * 20


def test_it_changes_with_the_times() -> None:
    def seconds(way: int, clock: float) -> float:
        return 20e-6 if way == (clock > 10) else 60e-6

    spent, _ = used(seconds, 50, 20.0)
    assert spent[0] == pytest.approx(10, abs=2)


def test_long_steps_are_never_tried_another_way() -> None:
    spent, _ = used(lambda way, clock: 5e-3, 1, 5.0)
    assert spent[1] == 0


def test_a_trial_is_short() -> None:
    """Also where the other way is much worse, and where many steps are asked for."""
    spent, longest = used(lambda way, clock: 1e-5 if way == 0 else 1e-3, 10_000, 60.0)
    assert spent[1] < 0.06 * 60
    assert longest < 0.11


@pytest.mark.parametrize("first", [1e-3, 1.0])
def test_the_first_run_of_a_trial_does_not_count(first: float) -> None:
    """It wakes workers, or meets cold memory."""
    last: list[int] = []

    def seconds(way: int, clock: float) -> float:
        changed = not last or last[-1] != way
        last.append(way)
        return first if changed else (1e-4 if way == 0 else 1.3e-4)

    spent, _ = used(seconds, 1, 100.0)
    assert spent[0] > spent[1]
