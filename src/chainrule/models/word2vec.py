"""Word vectors from neighbours: skip-gram and CBOW with negative sampling (Mikolov et al., 2013).

Each word has two vectors: u when it is given and v when it is asked for; u is what is kept.  Skip-gram
gives one word w and asks for a neighbour c; CBOW gives the neighbours, h their mean, and asks for w:

    skip-gram   s(c) = u_w · v_c            CBOW   s(w) = h · v_w,   h = (u_c₁ + … + u_cₙ) / n

A softmax over all words would cost a product with every v.  Instead the pair found in the text is to be
told from K words drawn at random, *negatives* n₁ … n_K ~ count^0.75, by logistic regression:

    J = -log σ(s(c)) - Σₖ log σ(-s(nₖ))

so a pair touches K + 2 rows of the two tables, whatever the size of the vocabulary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import nn
from ..errors import ArgumentError
from ..functions import softplus
from ..graph import Node, constant
from ..ops import (
    astype,
    concat,
    expand_dims,
    floor_divide,
    less,
    logical_or,
    matrix_transpose,
    maximum,
    not_equal,
    random,
    remainder,
    reshape,
    stop_gradient,
    take,
    vecdot,
    where,
)
from ..ops import mean as mean_
from ..ops import sum as sum_


class SkipGram(nn.Module):
    """Scores of candidates as neighbours of words: s = u_w · v_c.

    Input: ``words`` (batch,) and ``candidates`` (batch, n), integers.  Output: scores (batch, n).
    u starts uniform in ±1/width, v at zero.

    >>> import chainrule as cr
    >>> model = SkipGram(1000, 8, seed=0)
    >>> model(cr.placeholder((4,), "int64"), cr.placeholder((4, 6), "int64")).shape
    (4, 6)
    """

    def __init__(self, words: int, width: int, *, seed: int | nn.Seeds) -> None:
        start = nn.initialisers.uniform(-1 / width, 1 / width)
        self.given = nn.Embedding(words, width, seed=seed, initial=start)
        self.asked = nn.Embedding(words, width, seed=seed, initial=nn.initialisers.zeros)

    def forward(self, words: Node, candidates: Node) -> Node:
        return vecdot(expand_dims(self.hidden(words), 1), self.asked(candidates))

    def hidden(self, words: Node) -> Node:
        """What the candidates are compared with, (batch, width)."""
        found: Node = self.given(words)
        return found


class CBOW(SkipGram):
    """Scores of candidates as the word in the middle of a context: s = h · v_w, h the context's mean.

    Input: ``contexts`` (batch, m), in which ``padding`` stands for no word, and ``candidates`` (batch, n).

    With ``undivided`` every word of a context receives the gradient of h whole, as in the programs word2vec
    and gensim, where the derivative of a mean gives it a share of 1/n.  That is no derivative of J, and a
    rate for it is n times too small without (Irsoy, Benton and Stratos, 2021).

    >>> import chainrule as cr
    >>> model = CBOW(1000, 8, seed=0)
    >>> model(cr.placeholder((4, 10), "int64"), cr.placeholder((4, 6), "int64")).shape
    (4, 6)
    """

    def __init__(
        self,
        words: int,
        width: int,
        *,
        padding: int = 0,
        undivided: bool = False,
        seed: int | nn.Seeds,
    ) -> None:
        super().__init__(words, width, seed=seed)
        self.padding, self.undivided = padding, undivided

    def hidden(self, words: Node) -> Node:
        present = expand_dims(astype(not_equal(words, self.padding), "float32"), 2)
        total = sum_(self.given(words) * present, axis=1)
        mean = total / maximum(sum_(present, axis=1), 1.0)
        return total + stop_gradient(mean - total) if self.undivided else mean


class NegativeSampler:
    """Draws words with probability ∝ count^power, by Walker's alias method.

    Each of the n words is one slot of equal width, of which a share is its own and the rest is another's,
    its alias.  A random word of 32 bits times n has the slot in its upper half and the place within the
    slot in its lower: one draw is one random number and two look-ups, whatever n is.  (Walker, 1977;
    set up as by Vose, 1991.)  Words that never occur are never drawn.

    Errors: ArgumentError where no word has a count.

    >>> import chainrule as cr
    >>> sampler = NegativeSampler([0, 900, 100])
    >>> sampler.probabilities.round(3)  # 0, and 900^0.75 and 100^0.75 in parts of their sum
    array([0.   , 0.839, 0.161])
    >>> (np.bincount(sampler(cr.random.key(0), 100_000).value) / 100_000).round(2)
    array([0.  , 0.84, 0.16])
    """

    def __init__(self, counts: ArrayLike, power: float = 0.75) -> None:
        numbers = np.asarray(counts, np.float64)
        weights = np.where(numbers > 0, numbers, 0.0) ** power * (numbers > 0)
        if not weights.sum() > 0:
            raise ArgumentError("no word has a count to be drawn by")
        self.probabilities: NDArray[np.float64] = weights / weights.sum()
        """What each word is drawn with, (words,)."""
        self._share, self._alias = _alias_table(self.probabilities)

    def __call__(self, key: Node, shape: int | tuple[int, ...]) -> Node:
        """Words drawn with a random key, int64 of ``shape``."""
        wide = astype(random.bits(key, shape), "int64") * len(self._alias)
        slot, place = floor_divide(wide, 1 << 32), remainder(wide, 1 << 32)
        own = less(place, take(constant(self._share), slot, axis=0))
        return where(own, slot, take(constant(self._alias), slot, axis=0))


def _alias_table(probabilities: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each slot the share that is its own, in 2⁻³² of it, and whose the rest is."""
    count = len(probabilities)
    filled = (probabilities * count).tolist()
    share, alias = [1.0] * count, list(range(count))
    small = [word for word in range(count) if filled[word] < 1.0]
    large = [word for word in range(count) if filled[word] >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        share[low], alias[low] = filled[low], high
        filled[high] -= 1.0 - filled[low]
        if filled[high] < 1.0:
            small.append(large.pop())
    for word in small:  # full but for rounding; a word that never occurs has lent its slot by now
        if not probabilities[word]:
            share[word], alias[word] = 0.0, int(probabilities.argmax())
    return np.round(np.array(share) * 2.0**32).astype(np.int64), np.array(alias, np.int64)


def negative_sampling_loss(scores: Node, candidates: Node) -> Node:
    """Mean over the batch of J = -log σ(s₀) - Σₖ log σ(-sₖ), in nats.

    ``scores`` and ``candidates`` are (batch, 1 + K): the word found in the text first, then the negatives.
    A negative that is the word itself says nothing and is left out.

    >>> import chainrule as cr
    >>> zeros = cr.constant(np.zeros((1, 4), "f"))
    >>> candidates = cr.constant([[7, 1, 2, 7]])  # one of four falls out
    >>> float(negative_sampling_loss(zeros, candidates)), 3 * float(np.log(2))
    (2.0794..., 2.0794...)
    """
    signs = np.array([-1.0] + [1.0] * (scores.shape[1] - 1), np.float32)
    counted = logical_or(constant(signs < 0), not_equal(candidates, candidates[:, :1]))
    return mean_(sum_(softplus(scores * signs) * astype(counted, "float32"), axis=1))


def with_negatives(words: Node, sampler: NegativeSampler, negatives: int, key: Node) -> Node:
    """The candidates of a step: ``words`` (batch,) first, then so many negatives each, (batch, 1 + K)."""
    (batch,) = words.shape
    found = astype(reshape(words, (batch, 1)), "int64")
    # Drawn a column after another: the generator then works on whole vectors of the batch.
    drawn = matrix_transpose(sampler(key, (negatives, batch)))
    return concat([found, drawn], axis=1)
