"""The networks of the lectures, whole: every line of their derivations agrees with the run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule.models import Lookup, WindowTagger
from chainrule.models.entity_tagger import ChainTagger
from chainrule.models.image_cnn import ImageCNN
from chainrule.models.language_model import FeedForwardLanguageModel
from chainrule.models.word2vec import CBOW, SkipGram

Made = tuple[cr.Node, list[cr.Node]]
rng = np.random.default_rng(5)


def ids(*shape: int, count: int = 30) -> cr.Node:
    return cr.constant(rng.integers(1, count, shape))


def variables(*shapes: tuple[int, ...]) -> list[cr.Node]:
    return [cr.variable(rng.normal(size=shape)) for shape in shapes]


def tagger() -> Made:
    model = WindowTagger([Lookup(30, 4), Lookup(9, 2, "mean")], radius=1, classes=5, hidden=[6], seed=0)
    loss = cr.nn.cross_entropy(model(ids(4, 3), ids(4, 3, 2, count=9)), [0, 1, 2, 3])
    return loss, model.parameters()


def chain_of_tags() -> Made:
    model = ChainTagger(WindowTagger([Lookup(30, 8)], radius=1, classes=5, seed=0))
    mask = cr.constant(np.ones((2, 4), bool))
    return model.loss((ids(2, 4, 3),), ids(2, 4, count=5), mask, cr.nn.EVALUATE), model.parameters()


def language_model() -> Made:
    model = FeedForwardLanguageModel(30, context=3, width=4, hidden=6, history=8, seed=0)
    return cr.nn.cross_entropy(model(ids(2, 8)), [3, 7]), model.parameters()


def image_cnn() -> Made:
    model = ImageCNN((12, 12), 10, seed=0, filters=[2, 3], hidden=[6])
    images = cr.constant(rng.normal(size=(2, 12, 12)).astype("float32"))
    return cr.nn.cross_entropy(model(images), [1, 2]), model.parameters()


def word_vectors(kind: type[SkipGram]) -> Made:
    model = kind(30, 8, seed=0)
    scores = model(ids(4, 10) if kind is CBOW else ids(4), ids(4, 6))
    labels = cr.constant((rng.random(scores.shape) > 0.5).astype("float32"))
    return cr.nn.binary_cross_entropy_with_logits(scores, labels), model.parameters()


def attention() -> Made:
    q, k, v = variables((5, 4), (5, 4), (5, 3))
    return cr.sum(cr.square(cr.nn.scaled_dot_product_attention(q, k, v, causal=True))), [q, k, v]


def residual() -> Made:
    x, W, scale, shift = variables((3, 4), (4, 4), (4,), (4,))
    return cr.mean(cr.square(cr.nn.layer_norm(x + cr.nn.gelu(x @ W), scale, shift))), [x, W, scale, shift]


def margins() -> Made:
    true, corrupted = variables((5,), (5,))
    return cr.nn.max_margin(true, corrupted), [true, corrupted]


@pytest.mark.parametrize("convention", ["row", "column"])
@pytest.mark.parametrize(
    "make",
    [
        tagger, chain_of_tags, language_model, image_cnn, lambda: word_vectors(SkipGram),
        lambda: word_vectors(CBOW), attention, residual, margins,
    ],
    ids=["tagger", "chain", "lm", "image", "skip-gram", "cbow", "attention", "residual", "margins"],
)  # fmt: skip
def test_every_line_agrees(make: Callable[[], Made], convention) -> None:
    loss, parameters = make()
    found = cr.view.derive(loss, parameters, convention=convention)
    assert found.verified, found.verdict
    assert sum(line.wanted for line in found.lines if line.span is None) == len(parameters)
    assert all(line.deviation is not None for line in found.lines)
    shapes = {tuple(parameter.shape) for parameter in parameters}
    assert {line.shape for line in found.lines if line.wanted} == shapes
