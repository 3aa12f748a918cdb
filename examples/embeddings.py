"""Embeddings: look-up is one-hot times matrix, windows are rows side by side, dense features share."""

from __future__ import annotations

import numpy as np

import chainrule as cr

# A row of the matrix E looked up by its number, and the same as a one-hot vector times E.
E = cr.variable(np.random.default_rng(0).uniform(-1, 1, (5, 3)).astype("float32"), name="E")
window = [4, 0, 2]
print(cr.one_hot(window, 5).value.astype(int).tolist())
# [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0]]
rows = cr.embedding(window, E)
print(np.array_equal(rows.value, (cr.one_hot(window, 5) @ E).value))  # True
print(cr.gradients(cr.sum(rows), E).value[:, 0])  # [1. 0. 1. 0. 1.]

# The input of a network over a window of words is their vectors, concatenated.
x = cr.concat([cr.embedding(word, E) for word in window], axis=0)
print(x.shape, np.array_equal(x.value, rows.value.ravel()))  # (9,) True

# Sparse against dense.  Which things do what?  All pairs but one are seen: does a cat run?
nouns, verbs = (
    ["dog", "cat", "horse", "bread", "rice", "soup"],
    ["eats", "sleeps", "runs", "is eaten", "is cooked"],
)
pairs = np.array([(n, v) for n in range(6) for v in range(5)])
truth = (pairs[:, 0] < 3) == (pairs[:, 1] < 3)  # animals eat, sleep and run; food is eaten and cooked
unseen = (pairs == (1, 2)).all(axis=1)


class Sparse(cr.nn.Module):
    """One-hot noun, one-hot verb, and a feature for each combination, into a linear model."""

    def __init__(self) -> None:
        self.score = cr.nn.Linear(6 + 5 + 30, 1, seed=0, initial=cr.nn.initialisers.uniform(0, 0.01))

    def forward(self, noun: cr.Node, verb: cr.Node) -> cr.Node:
        features = [cr.one_hot(noun, 6), cr.one_hot(verb, 5), cr.one_hot(5 * noun + verb, 30)]
        return self.score(cr.concat(features, axis=1))


class Dense(cr.nn.Module):
    """Two numbers for each noun and each verb, side by side, into a small network."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.nouns, self.verbs = cr.nn.Embedding(6, 2, seed=seeds), cr.nn.Embedding(5, 2, seed=seeds)
        self.hidden, self.score = cr.nn.Linear(4, 4, seed=seeds), cr.nn.Linear(4, 1, seed=seeds)

    def forward(self, noun: cr.Node, verb: cr.Node) -> cr.Node:
        return self.score(cr.tanh(self.hidden(cr.concat([self.nouns(noun), self.verbs(verb)], axis=1))))


for model in (Sparse(), Dense()):

    def loss(seen: cr.Node, answer: cr.Node, mode: cr.nn.Mode, model: cr.nn.Module = model) -> cr.Node:
        return cr.binary_cross_entropy_with_logits(model(seen[:, 0], seen[:, 1])[:, 0], answer)

    data = cr.data.Batches((pairs[~unseen], truth[~unseen].astype("float32")), 29)
    settings = cr.train.Settings(epochs=300)
    cr.train.fit(model, loss, data, cr.optim.Adam(model.parameters(), 0.05), settings=settings)
    chance = cr.sigmoid(model(cr.constant([1]), cr.constant([2]))).item()
    print(f"{type(model).__name__}: a cat runs with probability {chance:.1f}")
# Sparse: a cat runs with probability 0.4
# Dense: a cat runs with probability 1.0

# What is alike has come to have vectors that are alike; one-hot vectors are all equally far apart.
dog, cat, bread = (cr.embedding(word, model.nouns.weight) for word in (0, 1, 3))
for name, other in (("cat", cat), ("bread", bread)):
    print(f"dog and {name}: {cr.cosine_similarity(dog, other).item():.1f}")
# dog and cat: 1.0
# dog and bread: -0.7
