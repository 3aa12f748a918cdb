"""One thread or several: measured while the program runs, since the bits are the same either way.

What a barrier costs depends on who else is using the machine, which no model knows.  So a program of
short steps now and then measures both numbers of threads, in turns, and stays with the faster one.
"""

from __future__ import annotations

BURST_SECONDS = 1e-3
"""A measurement: at least so long, the first step, which may have to wake workers, not counted."""
PAIRS = 5
"""Measurements of each way in a trial, in turns, so that a disturbance meets both; the medians count."""
MOST_PAIRS = 9
"""As many where not the same way was the faster one in all pairs."""
REST = 25
"""How many times as long as a trial the faster way runs until the next one."""
SURE = 4
"""So many times that, for the winner of the trial before which now won every pair."""
NEAR = 1.05
"""Several threads are used where they take up to so many times as long as one: a crowd may be about to go."""
LONG_STEP = 2e-3
"""Steps that take longer lose nothing to barriers, whoever else is there."""


class Choice:
    """Which of two ways to run, all threads (0) or one (1), is next; told after each run what it took.

    A trial measures both in turns; then the better of them runs on for a while.
    """

    def __init__(self) -> None:
        self.current = 0
        """The way to use next."""
        self._winner: int | None = None
        self._begin()

    def _begin(self) -> None:
        """A trial begins."""
        self._rates: tuple[list[float], list[float]] = [], []
        self._spent, self._rest = 0.0, 0.0
        self._turn()

    def _turn(self) -> None:
        """A measurement begins."""
        self._steps, self._seconds = 0, 0.0
        self._rate = 0.0  # seconds a step, as far as is known

    def most_steps(self) -> int:
        """How many steps the next run may have, so that a trial is short."""
        if self._rest > 0:
            return 1 << 62
        return max(1, int(BURST_SECONDS / 4 / self._rate)) if self._rate else 1

    def took(self, steps: int, seconds: float) -> None:
        """The last run, of ``steps`` steps, took so many seconds."""
        if self._rest > 0:
            self._rest -= seconds
            if self._rest <= 0:
                self._begin()
            return
        self._spent += seconds
        if not self._rate:  # the first run says how long the next one may be, and no more
            self._rate = max(seconds, 1e-9) / steps
            return
        self._steps += steps
        self._seconds += seconds
        self._rate = max(self._seconds, 1e-9) / self._steps
        if self._seconds >= BURST_SECONDS:
            self._rates[self.current].append(self._rate)
            self._measured()

    def _measured(self) -> None:
        """After a measurement: the other way's turn, or the end of the trial."""
        several, one = self._rates
        if not one and several[0] > LONG_STEP:
            self._rest = REST * LONG_STEP
            return
        if len(several) == len(one) >= PAIRS:
            wins = sum([a <= NEAR * b for a, b in zip(several, one, strict=True)])
            clear = wins in (0, len(one))
            if clear or len(one) == MOST_PAIRS:
                self._decide(int(_middle(several) > NEAR * _middle(one)), clear)
                return
        self.current = 1 - self.current
        self._turn()

    def _decide(self, winner: int, clear: bool) -> None:
        self._rest = REST * self._spent * (SURE if clear and winner == self._winner else 1)
        self.current = self._winner = winner


def _middle(rates: list[float]) -> float:
    return sorted(rates)[len(rates) // 2]
