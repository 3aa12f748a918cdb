"""The feed-forward neural language model (Bengio et al., 2003; lecture P), with a longer memory.

With E the embedding matrix and w₁ … wₙ the previous words, the lecture has

    e = (E w₁, …, E wₙ)      h = f(W e + b)      z = U h      ŷ = softmax(z)

Two things are added, each of which can be switched off.  The *history* is one more input beside the
n embeddings: the sum of those of the last ``history`` words in which older words weigh less, Σₖ dᵏ E w₋ₖ,
scaled by √(Σₖ d²ᵏ) to about the length of one.  A feed-forward network can afford a longer memory than an
n-gram model, as it need not see a history again to know it.  And the output is *tied*: U = E V, so each
word has one vector for reading and for predicting (Press and Wolf, 2017), which saves most of the
parameters.
"""

from __future__ import annotations

import numpy as np

from .. import nn
from ..errors import ArgumentError
from ..functions import ACTIVATIONS
from ..graph import Node, constant, variable
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
        tied: bool = True,
        dropout: float = 0.0,
        activation: str = "tanh",
        padding: int | None = None,
        seed: int | nn.Seeds,
    ) -> None:
        if context < 1 or history < 0:
            raise ArgumentError(
                f"a context of {context} words and a history of {history}", mend="give at least 1 and 0"
            )
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
        self.hidden = nn.Linear((context + bool(history)) * width, hidden, seed=seeds)
        # Tied, the hidden layer is led back to the width of an embedding, and the embeddings score it.
        self.output = nn.Linear(hidden, width if tied else vocabulary, bias=not tied, seed=seeds)
        self.word_bias = variable(np.zeros(vocabulary, np.float32)) if tied else None

    @property
    def memory(self) -> int:
        """How many words back the model looks."""
        return max(self.context, self.history)

    def forward(self, words: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        batch, memory = words.shape
        if memory < self.memory:
            raise ArgumentError(f"the model looks {self.memory} words back and was given {memory}")
        recent = slice_axis(words, 1, memory - self.context, memory)
        parts = [reshape(self.embedding(recent) * self._present(recent), (batch, -1))]
        if self.history:
            older = slice_axis(words, 1, memory - self.history, memory)
            parts.append(sum_(self.embedding(older) * self._shares(older), axis=1))
        e = self.dropout(concat(parts, axis=1), mode=mode)
        h = self.hidden_dropout(self.activation(self.hidden(e)), mode=mode)
        z: Node = self.output(h)
        if self.word_bias is None:
            return z
        return z @ matrix_transpose(self.embedding.weight) + self.word_bias

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
