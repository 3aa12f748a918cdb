"""The feed-forward neural language model (Bengio et al., 2003; lecture P), with a longer memory.

With E the embedding matrix and w₁ … wₙ the previous words, the lecture has

    e = (E w₁, …, E wₙ)      h = f(W e + b)      z = U h      ŷ = softmax(z)

To this may be added, each by an option:

- the *history*, one more input beside the n embeddings: the sum of those of the last ``history`` words in
  which older words weigh less, Σₖ dᵏ E w₋ₖ, scaled by √(Σₖ d²ᵏ) to about the length of one.  A feed-forward
  network can afford a longer memory than an n-gram model, as it need not see a history again to know it;
- a *tied* output, U = E V: each word has one vector for reading and for predicting (Press and Wolf, 2017),
  which saves most of the parameters;
- *direct* connections from the embeddings to the scores, z = U h + D e (Bengio et al., 2003), tied
  z = E (V h + D e);
- further hidden *layers*, each added to what it reads: h ← h + f(W h + b).

The scores are products of one vector of features for each context with one row of a table for each word,
z = T x + b, so that a loss can look at the rows of some words alone.
"""

from __future__ import annotations

import numpy as np

from .. import nn
from ..errors import ArgumentError
from ..functions import ACTIVATIONS
from ..graph import Node, Variable, constant, variable
from ..ops import (
    astype,
    concat,
    expand_dims,
    matrix_transpose,
    maximum,
    not_equal,
    reshape,
    rsqrt,
    slice_axis,
    square,
)
from ..ops import sum as sum_


class FeedForwardLanguageModel(nn.Module):
    """Scores of the next word, from the words before it.

    Input: ids of the last ``memory`` words, shape (batch, memory), the newest last.  Output: scores of
    shape (batch, vocabulary); their softmax is the distribution.  ``padding`` is the id that stands where
    a text has not begun: it counts as no word, not as one more, so that a short text is read as well
    after training on a single long one.

    :meth:`features` (batch, f), :attr:`table` (vocabulary, f) and ``word_bias`` (vocabulary,) are what the
    scores are made of.

    >>> import chainrule as cr
    >>> model = FeedForwardLanguageModel(1000, context=3, width=8, hidden=16, history=20, seed=0)
    >>> model.memory, model(cr.placeholder((2, 20), "int32")).shape
    (20, (2, 1000))
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        context: int = 5,
        width: int = 100,
        hidden: int = 256,
        history: int = 0,
        decay: float = 0.95,
        layers: int = 1,
        tied: bool = True,
        direct: bool = False,
        dropout: float = 0.0,
        activation: str = "tanh",
        padding: int | None = None,
        seed: int | nn.Seeds,
    ) -> None:
        if context < 1 or history < 0:
            raise ArgumentError(
                f"a context of {context} words and a history of {history}", mend="give at least 1 and 0"
            )
        if layers < 1:
            raise ArgumentError(f"{layers} hidden layers", mend="give at least 1")
        if activation not in ACTIVATIONS:
            raise ArgumentError(
                f"there is no activation {activation!r}", mend=f"choose one of: {', '.join(ACTIVATIONS)}"
            )
        seeds = nn.Seeds(seed)
        self.context, self.history, self.decay, self.padding = context, history, decay, padding
        self.activation = ACTIVATIONS[activation]
        self.embedding = nn.Embedding(vocabulary, width, seed=seeds)
        self.dropout = nn.Dropout(dropout)
        self.hidden_dropout = nn.Dropout(dropout)
        inputs = (context + bool(history)) * width
        self.hidden = nn.Linear(inputs, hidden, seed=seeds)
        self.deeper = [nn.Linear(hidden, hidden, seed=seeds) for _ in range(layers - 1)]
        # Tied, what is found is led back to the width of an embedding, and the embeddings score it.
        self.output = nn.Linear(hidden, width, bias=False, seed=seeds) if tied else None
        self.direct = nn.Linear(inputs, width, bias=False, seed=seeds) if tied and direct else None
        self.tied, self.reads_directly = tied, direct
        if not tied:
            self.scoring = variable(
                nn.initialisers.xavier_uniform()(seeds.key(), (vocabulary, hidden + direct * inputs))
            )
        self.word_bias = variable(np.zeros(vocabulary, np.float32))

    @property
    def memory(self) -> int:
        """How many words back the model looks."""
        return max(self.context, self.history)

    @property
    def table(self) -> Variable:
        """The row by which each word is scored."""
        return self.embedding.weight if self.tied else self.scoring

    def forward(self, words: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        return self.features(words, mode) @ matrix_transpose(self.table) + self.word_bias

    def features(self, words: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        """What the rows of the table are multiplied with, (batch, f)."""
        e = self.dropout(self._read(words), mode=mode)
        h = self.hidden_dropout(self.activation(self.hidden(e)), mode=mode)
        for layer in self.deeper:
            h = h + self.hidden_dropout(self.activation(layer(h)), mode=mode)
        if self.output is None:
            return concat([h, e], axis=1) if self.reads_directly else h
        found: Node = self.output(h)
        return found if self.direct is None else found + self.direct(e)

    def _read(self, words: Node) -> Node:
        """The embeddings of the last words, and of the history, one after the other."""
        batch, memory = words.shape
        if memory < self.memory:
            raise ArgumentError(f"the model looks {self.memory} words back and was given {memory}")
        recent = slice_axis(words, 1, memory - self.context, memory)
        parts = [reshape(self.embedding(recent) * self._present(recent), (batch, -1))]
        if self.history:
            older = slice_axis(words, 1, memory - self.history, memory)
            parts.append(sum_(self.embedding(older) * self._shares(older), axis=1))
        return concat(parts, axis=1)

    def _present(self, words: Node) -> Node:
        """1 for a word and 0 where the text had not begun, shape (batch, words, 1)."""
        if self.padding is None:
            return constant(1.0)
        return expand_dims(astype(not_equal(words, self.padding), "float32"), 2)

    def _shares(self, words: Node) -> Node:
        """The weight of each word of the history, the newest last: (batch, history, 1).

        Scaled so that the sum of unrelated vectors is about as long as one of them.
        """
        ages = np.arange(self.history - 1, -1, -1)
        weights = constant((self.decay**ages).astype(np.float32)[:, None]) * self._present(words)
        # The newest word weighs 1, so the sum is at least 1 where there is any word.
        return weights * rsqrt(maximum(sum_(square(weights), axis=-2, keepdims=True), 1.0))
