"""What chooses parameters: Optuna's TPE, its random numbers from the study's seed and the trial's number.

So a study by one tuner comes out the same, bit for bit.  One that was interrupted does not: what a trial's
successor has taken up counts as a trial, and those after it have other numbers.
TPE (tree-structured Parzen estimator): Bergstra, Bardenet, Bengio, Kégl, *Algorithms for Hyper-Parameter
Optimization*, NeurIPS 2011.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .storage import optuna

RANDOM = 10
"""Trials at the beginning that are drawn at random: before that there is little to learn from."""


@cache
def _kind() -> Any:
    samplers = optuna().samplers
    base: Any = samplers.BaseSampler

    class Seeded(base):  # type: ignore[misc]  # the base is imported when used
        """A sampler of its own for each trial."""

        def __init__(self, seed: int) -> None:
            self.seed = seed
            self._number = -1
            self._own: Any = None

        def _of(self, trial: Any) -> Any:
            if trial.number != self._number:
                drawn = np.random.SeedSequence([self.seed, trial.number]).generate_state(1)[0]
                self._own = samplers.TPESampler(seed=int(drawn), n_startup_trials=RANDOM)
                self._number = trial.number
            return self._own

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self._of(trial).infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self._of(trial).sample_relative(study, trial, search_space)

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return self._of(trial).sample_independent(study, trial, name, distribution)

    return Seeded


def seeded(seed: int) -> Any:
    """A sampler whose choices for a trial depend on the seed, the trial's number and what came before."""
    return _kind()(seed)
