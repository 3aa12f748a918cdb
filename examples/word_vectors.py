"""Where embeddings come from: random and trained, given and tuned, given and frozen."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.nn.initialisers import from_array

# Word vectors made elsewhere: good words to the right, bad ones to the left.
VECTORS = {"good": (0.9, 0.1), "fine": (0.8, -0.2), "great": (1.0, 0.3),
           "bad": (-0.9, 0.2), "poor": (-0.8, -0.1), "awful": (-1.0, 0.1)}  # fmt: skip
words = cr.data.Vocabulary(VECTORS, padding=None, unknown=None)
given = np.array(list(VECTORS.values()), "float32")

# Four of the words have labels; two, "great" and "awful", are met only afterwards.
train_words, train_labels = words.encode(["good", "fine", "bad", "poor"]), np.array([1, 1, 0, 0])
test_words, test_labels = words.encode(["great", "awful"]), np.array([1, 0])


class Classifier(cr.nn.Module):
    """A word's vector, into two scores."""

    def __init__(self, **options: object) -> None:
        seeds = cr.nn.Seeds(1)
        self.embedding = cr.nn.Embedding(len(words), 2, seed=seeds, **options)
        self.output = cr.nn.Linear(2, 2, seed=seeds)

    def forward(self, word: cr.Node) -> cr.Node:
        return self.output(self.embedding(word))


def study(model: Classifier) -> np.ndarray:
    """Train on the four words; which vectors moved."""
    before = model.embedding.weight.array.copy()

    def loss(word: cr.Node, label: cr.Node, mode: cr.nn.Mode) -> cr.Node:
        return cr.cross_entropy(model(word), label)

    data = cr.data.Batches((train_words, train_labels), 4)
    optimizer = cr.optim.SGD(model.parameters(), 0.5)
    cr.train.fit(model, loss, data, optimizer, settings=cr.train.Settings(epochs=100))
    return (model.embedding.weight.array != before).any(axis=1)


# Trained with the network: only words that occur move, and nothing is known of the others.
# Given and tuned: the start is good, and the words that occur move on.
# Given and frozen: the vectors stay as they were given, and only the output layer learns.
for name, options in {
    "random": {},
    "tuned": {"initial": from_array(given)},
    "frozen": {"initial": from_array(given), "frozen": True},
}.items():
    model = Classifier(**options)
    moved = study(model)
    right = model(cr.constant(test_words)).value.argmax(axis=1) == test_labels
    print(
        f"{name:6} {model.parameter_count():2} trained, {moved.sum()} vectors moved, {right.sum()} of 2 right"
    )
# random 18 trained, 4 vectors moved, 0 of 2 right
# tuned  18 trained, 4 vectors moved, 2 of 2 right
# frozen  6 trained, 0 vectors moved, 2 of 2 right
