"""The faster of two ways is used nearly always, whichever it is at the time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
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
    until = 4e5 * step
    spent, _ = used(lambda way, clock: step * (1 if way == faster else slow), steps, until)
    assert spent[faster] > share * until


def test_it_changes_with_the_times() -> None:
    def seconds(way: int, clock: float) -> float:
        return 20e-6 if way == (clock > 10) else 60e-6

    spent, _ = used(seconds, 50, 20.0)
    assert spent[0] == pytest.approx(10, abs=2)


class Crowd:
    """Other programs that take a core for a while, now and then: what is run there stands still.

    All threads wait for the one that stands still, so that both cores' times away are lost to them.
    """

    def __init__(self, seed: int, part: float, shortest: float, longest: float, until: float) -> None:
        random = np.random.default_rng(seed)
        self.away: list[list[tuple[float, float]]] = []
        for _ in range(2):
            times, clock = [], 0.0
            while clock < until:
                length = random.uniform(shortest, longest)
                clock += random.exponential((1 / part - 1) * (shortest + longest) / 2)
                times.append((clock, clock + length))
                clock += length
            self.away.append(times)

    def seconds(self, way: int, clock: float, work: float) -> float:
        """What a run that would take ``work`` alone takes from a time on the clock on."""
        cores = self.away if way == 0 else self.away[:1]
        for times in cores:
            while times and times[0][1] <= clock:
                del times[0]
        now = clock
        for begin, end in sorted([away for times in cores for away in times[:9]]):
            if begin > now + work:
                break
            if end > now:
                work -= max(begin - now, 0.0)
                now = end
        return now + work - clock


def test_a_crowd_takes_what_it_takes() -> None:
    crowd = Crowd(0, 0.5, 0.01, 0.01, 1.0)
    crowd.away = [[(1.0, 2.0), (5.0, 6.0)], [(1.5, 3.0), (9.0, 10.0)]]
    assert crowd.seconds(0, 0.0, 0.5) == 0.5
    assert crowd.seconds(0, 0.0, 1.5) == pytest.approx(3.5)
    assert crowd.seconds(1, 0.0, 1.5) == pytest.approx(2.5)
    assert crowd.seconds(0, 2.5, 2.5) == pytest.approx(4.0)
    assert all(a[1] <= b[0] for times in Crowd(1, 0.2, 0.003, 0.01, 9.0).away for a, b in pairwise(times))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("part", "shortest", "longest"), [(0.03, 3e-3, 0.01), (0.2, 3e-3, 0.01), (0.1, 0.01, 0.04)]
)
@pytest.mark.parametrize(
    ("several", "one"), [(60e-6, 100e-6), (80e-6, 120e-6), (100e-6, 85e-6), (200e-6, 100e-6)]
)
def test_bursts_of_noise_do_not_decide(
    several: float, one: float, part: float, shortest: float, longest: float, seed: int
) -> None:
    crowd = Crowd(seed, part, shortest, longest, 30.0)
    choice, clock, spent = Choice(), 0.0, [0.0, 0.0]
    while clock < 10.0:
        steps, way = min(50, choice.most_steps()), choice.current
        took = crowd.seconds(way, clock, steps * (several, one)[way])
        clock += took
        spent[way] += took
        choice.took(steps, took)
    assert spent[int(one < several)] > 0.9 * clock


def test_several_threads_are_preferred_where_nothing_is_lost() -> None:
    spent, _ = used(lambda way, clock: 1e-4 if way == 1 else 1.02e-4, 10, 20.0)
    assert spent[0] > 0.95 * 20


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
