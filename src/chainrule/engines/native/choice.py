"""One thread or several: measured while the program runs, since the bits are the same either way.

What a barrier costs depends on who else is using the machine, which no model knows.  So a program of
short steps now and then tries the other number of threads for some milliseconds, and stays with the
faster one.
"""

from __future__ import annotations

from statistics import median

BURST_SECONDS = 2e-3
"""A measurement: at least so long, the first run, which may have to wake workers, not counted."""
BURSTS = 3
"""Measurements of a trial, of which the median counts."""
REST = 25
"""How many times as long as a trial the faster way runs until the next one; four times that where it won
clearly."""
CLEAR = 1.5
LONG_STEP = 2e-3
"""Steps that take longer lose nothing to barriers, whoever else is there."""


class Choice:
    """Which of two ways to run is to be used next; told after each run what it took.

    The current way is measured, then the other one, and the faster of the two runs on for a while.
    """

    def __init__(self) -> None:
        self.current = 0
        """The way to use next, 0 or 1."""
        self._trying = False
        self._best = 0.0  # seconds a step, of the way that the one on trial is to beat
        self._spent = 0.0  # on this trial
        self._rest = 0.0
        self._begin()

    def _begin(self) -> None:
        """A measurement of the current way begins."""
        self._bursts: list[float] = []
        self._steps, self._seconds, self._warm = 0, 0.0, False

    def most_steps(self) -> int:
        """How many steps the next run may have, so that a trial is short."""
        return max(1, int(BURST_SECONDS / 4 / self._best)) if self._trying else 1 << 62

    def took(self, steps: int, seconds: float) -> None:
        """The last run, of ``steps`` steps, took so many seconds."""
        if self._rest > 0:
            self._rest -= seconds
            return
        self._spent += seconds
        if not self._warm:
            self._warm = True
            return
        self._steps += steps
        self._seconds += seconds
        if self._seconds >= BURST_SECONDS:
            rate = self._seconds / self._steps
            self._bursts.append(rate)
            self._steps, self._seconds = 0, 0.0
            hopeless = rate > (CLEAR * self._best if self._trying else LONG_STEP)
            if len(self._bursts) == BURSTS or hopeless:
                self._decide(median(self._bursts))

    def _decide(self, rate: float) -> None:
        """The current way takes ``rate`` seconds a step: try the other, or rest with the faster."""
        if self._trying:
            ratio = rate / self._best
            self._rest = REST * self._spent * (1 if 1 / CLEAR < ratio < CLEAR else 4)
            self.current = self.current if ratio < 1 else 1 - self.current
            self._trying, self._spent = False, 0.0
        elif rate > LONG_STEP and self.current == 0:
            self._rest, self._spent = REST * LONG_STEP, 0.0
        else:
            self._best, self._trying, self._spent = rate, True, 0.0
            self.current = 1 - self.current
        self._begin()
