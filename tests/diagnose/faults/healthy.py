"""Healthy runs, of which nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import chainrule as cr
from chainrule.graph import Node
from chainrule.train import Silent, fit

from .programs import Net, blobs, classify, regress


class Tagger(cr.nn.Module):
    """Embeddings of a window of words, then a layer: one tag a word."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.table = cr.nn.Embedding(50, 8, seed=seeds)
        self.hidden, self.out = cr.nn.Linear(24, 32, seed=seeds), cr.nn.Linear(32, 4, seed=seeds)

    def forward(self, windows: Node) -> Node:
        flat = cr.reshape(self.table(windows), (windows.shape[0], 24))
        return self.out(cr.tanh(self.hidden(flat)))  # type: ignore[no-any-return]


class TextCNN(cr.nn.Module):
    """Convolution over embedded words, the maximum over time, dropout, a layer."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.table = cr.nn.Embedding(40, 8, seed=seeds)
        self.filters, self.drop = cr.nn.Conv1d(8, 16, 3, seed=seeds), cr.nn.Dropout(0.3)
        self.out = cr.nn.Linear(16, 2, seed=seeds)

    def forward(self, words: Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> Node:
        heard = cr.nn.max_over_time(cr.relu(self.filters(self.table(words))), axis=1)
        return self.out(self.drop(heard, mode=mode))  # type: ignore[no-any-return]


def healthy() -> Iterator[tuple[str, Callable[[], cr.train.Result]]]:
    """Ten runs of the kinds that users have."""
    (x, y), held_out = blobs(), blobs(100, seed=1)
    rng = np.random.default_rng(5)

    def regression() -> cr.train.Result:
        net = Net(2, 32, 1, activation=cr.tanh)
        return regress(net, lambda x, y: cr.mse_loss(cr.squeeze(net(x), axis=-1), y), epochs=40)

    def tagger() -> cr.train.Result:
        words = rng.integers(0, 50, (600, 3))
        net = Tagger()
        return classify(net, words, words[:, 1] % 4, epochs=10,
                        loss=lambda w, t: cr.cross_entropy(net(w), t))  # fmt: skip

    def text_cnn() -> cr.train.Result:
        words = rng.integers(2, 40, (400, 12))
        label = rng.integers(0, 2, 400)
        words[np.arange(400), rng.integers(0, 12, 400)] = label  # one word says it
        return classify(TextCNN(), words, label, epochs=10)

    def language_model() -> cr.train.Result:
        text = np.cumsum(rng.integers(1, 3, 1500)) % 20
        net = Tagger()
        net.out = cr.nn.Linear(32, 20, seed=4)
        batches = cr.data.ContextBatches([text], 3, 25)
        return fit(net, lambda c, w: cr.cross_entropy(net(c), w), batches,
                   cr.optim.Adam(net.parameters(), 0.01), epochs=5, reporter=Silent())  # fmt: skip

    def dropout() -> cr.train.Result:
        return classify(Net(8, 64, 64, 3, drop=0.5), x, y, held_out=held_out)

    def sgd() -> cr.train.Result:
        net = Net(8, 16, 3, activation=cr.sigmoid)
        return classify(net, x, y, optimizer=cr.optim.SGD(net.parameters(), 0.5), held_out=held_out)

    def adamw() -> cr.train.Result:
        net = Net(8, 32, 32, 3)
        rule = cr.optim.AdamW(net.parameters(), 0.01, weight_decay=0.01)
        return classify(net, x, y, optimizer=rule, held_out=held_out)

    def frozen() -> cr.train.Result:
        net = Net(8, 32, 32, 3)
        net.layers[0].freeze()
        return classify(net, x, y, held_out=held_out)

    def double() -> cr.train.Result:
        net = Net(8, 16, 3, activation=cr.tanh)
        for layer in net.layers:
            layer.weight = cr.variable(layer.weight.array, dtype="float64")
            layer.bias = cr.variable(layer.bias.array, dtype="float64")
        return classify(net, x.astype("float64"), y, held_out=(held_out[0].astype("float64"), held_out[1]))

    def tiny() -> cr.train.Result:
        xor = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        net = Net(2, 8, 2, activation=cr.tanh)
        batches = cr.data.Batches((xor, np.array([0, 1, 1, 0])), 4)
        return fit(net, lambda x, y: cr.cross_entropy(net(x), y), batches,
                   cr.optim.Momentum(net.parameters(), 0.1), epochs=300, reporter=Silent())  # fmt: skip

    yield "regression", regression
    yield "embeddings and a tagger", tagger
    yield "a text CNN with dropout", text_cnn
    yield "a language model", language_model
    yield "an MLP with dropout, validated", dropout
    yield "sigmoids by SGD", sgd
    yield "AdamW", adamw
    yield "a layer frozen on purpose", frozen
    yield "data in float64", double
    yield "four examples, in one batch", tiny


HEALTHY = list(healthy())
