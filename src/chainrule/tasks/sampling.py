"""Drawing words from a language model: temperature, top-k, top-p (nucleus), from an explicit seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError

Distribution = Callable[[NDArray[Any]], NDArray[np.float64]]
"""From the ids so far to the probabilities of the next."""


@dataclass(frozen=True)
class Sampling:
    """How the next word is chosen.

    ``temperature`` sharpens (below 1) or flattens (above 1) the distribution, p ∝ p^(1/T); at 0 the
    most likely word is taken.  ``top_k`` keeps the k most likely words (0: all), ``top_p`` the fewest
    words whose probabilities sum to p (Holtzman et al., 2020).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        allowed = 0 <= self.temperature < math.inf and 0 < self.top_p <= 1  # NaN is in neither
        if not allowed or self.top_k < 0 or self.seed < 0:
            raise ArgumentError(
                f"{self} is out of range", mend="temperature ≥ 0, top_k ≥ 0, 0 < top_p ≤ 1, seed ≥ 0"
            )


def reshaped(probabilities: NDArray[np.float64], sampling: Sampling) -> NDArray[np.float64]:
    """The distribution that words are drawn from; ``probabilities`` (words,) sum to 1.

    Of equal probabilities the first counts as larger.  The order is temperature, then top-k, then top-p
    of what is left.

    >>> reshaped(np.array([0.5, 0.3, 0.2]), Sampling(top_k=2)).round(3)
    array([0.625, 0.375, 0.   ])
    >>> reshaped(np.array([0.5, 0.3, 0.2]), Sampling(top_p=0.5)).round(3)
    array([1., 0., 0.])
    """
    if sampling.temperature == 0:
        chosen = np.zeros_like(probabilities)
        chosen[np.argmax(probabilities)] = 1
        return chosen
    with np.errstate(divide="ignore", over="ignore"):
        scores = np.log(probabilities / probabilities.max())  # the largest 0, at any temperature
        p = np.exp(scores / sampling.temperature)
    order = np.argsort(-p, kind="stable")
    if sampling.top_k:
        p[order[sampling.top_k :]] = 0
    p /= p.sum()
    if sampling.top_p < 1:
        before = np.concatenate([[0.0], np.cumsum(p[order])[:-1]])
        p[order[before >= sampling.top_p]] = 0
    found: NDArray[np.float64] = p / p.sum()
    return found


def sample_words(
    distribution: Distribution,
    ids: NDArray[Any],
    count: int,
    sampling: Sampling,
    *,
    never: Sequence[int] = (),
) -> list[int]:
    """``count`` ids drawn one after the other, each given all before it; those of ``never`` are not drawn.

    Raises ``ArgumentError`` where the distribution leaves nothing else to draw.
    """
    chance = np.random.Generator(np.random.PCG64(sampling.seed))
    found = list(np.asarray(ids).tolist())
    for _ in range(count):
        p = distribution(np.asarray(found, dtype=np.int32)).copy()
        p[list(never)] = 0
        total = p.sum()
        if not total > 0:
            raise ArgumentError(
                "no word has a probability, those aside that may not be drawn",
                mend="train on more text, or with a smaller data.min_count",
            )
        p = reshaped(p / total, sampling)
        possible = np.flatnonzero(p)
        cumulative = np.cumsum(p[possible])
        place = np.searchsorted(cumulative, chance.random() * cumulative[-1], side="right")
        found.append(int(possible[min(place, len(possible) - 1)]))
    return found[len(ids) :]
