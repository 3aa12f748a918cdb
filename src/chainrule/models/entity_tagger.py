"""What stands on top of a window network to tell spans: yes/no classifiers, corrupted windows, a sentence.

All of them are windows in, scores of K tags out, the tag of words outside of spans first; what differs is
the loss (lecture M, and Collobert et al., 2011, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..functions import (
    binary_cross_entropy_with_logits,
    crf_nll,
    hinge_loss,
    max_margin,
)
from ..graph import Node, variable
from ..nn import EVALUATE, Mode, Module
from ..ops import astype, concat, equal, expand_dims, pick, reshape, stop_gradient
from ..ops import sum as sum_
from .window_tagger import LinearTagger, WindowTagger


class YesNoTagger(Module):
    """A classifier for each class by itself: is this word one, yes or no?

        s_k = u_kᵀ h,   P(yes) = σ(s_k)

    with h the network's hidden layer, shared by the classes.  The words outside are no class: all say
    no.  Their score is 0, at which σ is ½, so that classes compare with it and with each other.

    >>> import chainrule as cr
    >>> from chainrule.models import Lookup
    >>> model = YesNoTagger(WindowTagger([Lookup(100, 8)], radius=1, classes=4, seed=0))
    >>> model(cr.placeholder((7, 3), "int32")).shape
    (7, 5)
    """

    def __init__(self, tagger: WindowTagger | LinearTagger) -> None:
        self.tagger = tagger

    def forward(self, *windows: Node, mode: Mode = EVALUATE) -> Node:
        scores = self.tagger(*windows, mode=mode)
        outside = np.zeros((*scores.shape[:-1], 1), np.float32)
        return concat([outside, scores], axis=-1)

    def logistic_loss(self, windows: tuple[Node, ...], tags: Node, mode: Mode) -> Node:
        """The binary logistic losses of all classes, summed over them; the mean over the windows.

        ``tags`` (B,) are 0 outside and k for class k.
        """
        scores = self.tagger(*windows, mode=mode)
        classes = np.arange(1, scores.shape[-1] + 1, dtype=np.int32)
        right = astype(equal(expand_dims(tags, 1), classes), scores.dtype)
        return binary_cross_entropy_with_logits(scores, right, reduction="sum") / tags.size

    def margin_loss(self, pairs: tuple[Node, ...], classes: Node, mode: Mode, margin: float = 1.0) -> Node:
        """``max(0, Δ + s_c - s)`` of true and corrupted windows in pairs, for the class of the true one.

        ``pairs`` (B, 2, W) each, the true window first, and ``classes`` (B,) from 1 on.  The loss looks at
        differences alone, and of these the output's biases fall out; they learn where yes begins: they are
        moved, and nothing else, so that s ≥ Δ/2 and s_c ≤ -Δ/2 are violated least.
        """
        count = classes.size
        scores = self.tagger(*pairs, mode=mode)
        wanted = expand_dims(classes, 1) - np.ones((1, 2), np.int32)
        own = pick(scores, wanted)
        true, false = own[:, 0], own[:, 1]
        bias = self.tagger.bias if isinstance(self.tagger, LinearTagger) else self.tagger.output.bias
        assert bias is not None
        held = pick(stop_gradient(scores - bias) + bias, wanted)
        sides = np.broadcast_to(np.array([1, -1], np.float32), (count, 2))
        where_yes_begins = hinge_loss(held, sides, margin=margin / 2)
        return max_margin(true, false, margin=margin) + where_yes_begins


class Committee(Module):
    """Several taggers of the same kind: the mean of their scores.

        f = (f₁ + … + f_M) / M

    They differ by their first weights alone, and so in what they get wrong.

    >>> import chainrule as cr
    >>> from chainrule.models import Lookup
    >>> members = [WindowTagger([Lookup(100, 8)], radius=1, classes=5, seed=seed) for seed in (0, 1)]
    >>> Committee(members)(cr.placeholder((7, 3), "int32")).shape
    (7, 5)
    """

    def __init__(self, members: Sequence[Module]) -> None:
        self.members = list(members)

    def forward(self, *windows: Node, mode: Mode = EVALUATE) -> Node:
        scores: list[Node] = [member(*windows, mode=mode) for member in self.members]
        total = scores[0]
        for more in scores[1:]:
            total = total + more
        return total / len(scores)


class ChainTagger(Module):
    """A score for whole sequences of tags: those of the words, and learned transitions between them.

        s(y) = a[y₁] + Σₜ f(windowₜ)[yₜ] + Σₜ A[yₜ, yₜ₊₁] + b[y_T]

    Called with windows it gives f, as the other taggers do; :meth:`loss` is the sentence-level one.

    Source: R. Collobert et al., Natural language processing (almost) from scratch, 2011.

    >>> import chainrule as cr
    >>> from chainrule.models import Lookup
    >>> model = ChainTagger(WindowTagger([Lookup(100, 8)], radius=1, classes=5, seed=0))
    >>> sentences, tags = cr.placeholder((2, 9, 3), "int32"), cr.placeholder((2, 9), "int32")
    >>> loss = model.loss((sentences,), tags, cr.placeholder((2, 9), "bool"), cr.nn.EVALUATE)
    >>> model(sentences).shape, loss.shape
    ((2, 9, 5), ())
    """

    def __init__(self, tagger: WindowTagger | LinearTagger) -> None:
        self.tagger = tagger
        classes = tagger.classes
        self.between = variable(np.zeros((classes, classes), np.float32))
        self.start = variable(np.zeros(classes, np.float32))
        self.end = variable(np.zeros(classes, np.float32))

    def forward(self, *windows: Node, mode: Mode = EVALUATE) -> Node:
        return self.tagger(*windows, mode=mode)  # type: ignore[no-any-return]  # a module may return anything

    def loss(self, windows: tuple[Node, ...], tags: Node, mask: Node, mode: Mode) -> Node:
        """The negative log-likelihood of the sentences' tags, by the word.

        ``windows`` (B, T, W) each, ``tags`` and ``mask`` (B, T).
        """
        total = crf_nll(
            self.tagger(*windows, mode=mode),
            astype(tags, "int64"),
            self.between,
            start=self.start,
            end=self.end,
            mask=mask,
            reduction="sum",
        )
        return total / sum_(astype(reshape(mask, (-1,)), total.dtype))
