"""Goldberg's Figure 5.1 from code: an MLP over three words as a graph, unbound, bound, and with its loss.

Run it as ``python examples/figure_5_1.py``; it writes figure_5_1_a.svg, _b.svg and _c.svg into the
working directory, or into the folder given as its argument.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.view import draw

WORDS = {"the": 0, "black": 1, "dog": 2}
TAGS = ["ADJ", "ADP", "ADV", "CONJ", "DET", "NOUN", "NUM", "PRON", "PUNCT", "VERB",
        "AUX", "INTJ", "PART", "PROPN", "SCONJ", "SYM", "X"]  # fmt: skip

rng = np.random.default_rng(51)


def parameter(name: str, *shape: int) -> cr.Variable:
    """Small random weights."""
    return cr.variable(rng.uniform(-0.3, 0.3, shape).astype(np.float32), name=name)


E = parameter("E", len(WORDS), 50)
W1, b1 = parameter("W1", 150, 20), parameter("b1", 1, 20)
W2, b2 = parameter("W2", 20, 17), parameter("b2", 1, 17)


def mlp(x: cr.Node) -> cr.Node:
    """MLP1: softmax(tanh(x·W1 + b1)·W2 + b2), a distribution over the 17 tags."""
    hidden = cr.tanh(x @ W1 + b1)
    return cr.softmax(hidden @ W2 + b2)


def word(text: str) -> cr.Node:
    """A concrete input: the word's index, which pictures call by the word."""
    return cr.constant([WORDS[text]]).named(text)


def main(folder: Path) -> None:
    # (a) A graph with an unbound input: it can be built and drawn, and says what it needs to be run.
    x = cr.placeholder((1, 150), name="x")
    unbound = mlp(x)
    draw(unbound, folder / "figure_5_1_a.svg")
    print(unbound.shape)  # (1, 17)
    try:
        print(unbound.value)
    except cr.errors.UnboundError as error:
        print(error.what)  # the placeholder x has no value

    # (b) The three words "the black dog": three rows of E side by side.  Good for prediction.
    rows = [cr.embedding(word(text), E) for text in ("the", "black", "dog")]
    tags = mlp(cr.concat(rows, axis=1))
    draw(tags, folder / "figure_5_1_b.svg")
    print(f"{float(cr.sum(tags)):.4f}")  # 1.0000
    print(f"p(NOUN) = {tags.value[0, TAGS.index('NOUN')]:.4f}")  # p(NOUN) = 0.0576

    # (c) The same with the expected output, NOUN (index 5), and a loss: -log p(NOUN).
    noun = cr.constant([TAGS.index("NOUN")])
    loss = -cr.log(cr.pick(tags, noun))
    draw(loss, folder / "figure_5_1_c.svg")
    print(f"loss = {float(loss):.4f}")  # loss = 2.8540

    # Plain gradient descent on (c): every parameter a small step against its gradient.
    for step in range(1, 6):
        loss.backward()
        for theta in (E, W1, b1, W2, b2):
            theta.assign(theta.array - 0.1 * theta.grad)
        print(f"step {step}: loss = {float(loss):.2f}")
    # step 1: loss = 2.09
    # step 2: loss = 1.43
    # step 3: loss = 0.89
    # step 4: loss = 0.54
    # step 5: loss = 0.35
    print(f"the tag of 'dog' is {TAGS[int(np.argmax(tags.value))]}")  # the tag of 'dog' is NOUN


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
