"""The text CNN against loops over sentences, windows and filters, and what padding must not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from chainrule.models.text_cnn import TextCNN
from chainrule.simplify import simplify

WORDS = [[5, 3, 9, 2, 7, 4], [8], [6, 6, 2], []]
RISING = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}


def padded(sentences: list[list[int]], length: int) -> np.ndarray:
    return np.array([row + [0] * (length - len(row)) for row in sentences], np.int32)


def scores_of(net: TextCNN, sentence: list[int], *features: list[int]) -> np.ndarray:
    """The definition, one window and one filter at a time, of a sentence without any filling."""
    p = net.padding
    tables = [(table.weight.value.astype(float), sentence) for table in net.embeddings]
    tables += [(t.weight.value.astype(float), ids) for t, ids in zip(net.features, features, strict=True)]
    rows = np.concatenate([table[[*[0] * p, *ids, *[0] * p]] for table, ids in tables], axis=1)
    pooled = []
    for convolution in net.convolutions:
        w, b = convolution.weight.value.astype(float), convolution.bias.value
        size = len(w)
        starts = range(0, max(len(rows) - size, 0) + 1, net.stride)
        rows_here = np.vstack([rows, np.zeros((size, rows.shape[1]))])
        response = np.array([[np.sum(rows_here[t : t + size] * w[..., f]) + b[f] for f in range(w.shape[2])]
                             for t in starts])  # fmt: skip
        g = RISING[net.activation]
        if net.pooling == "average":
            pooled.append(g(response).mean(axis=0))
        elif net.pooling == "max":
            pooled.append(g(response).max(axis=0))
        else:
            best = np.zeros((net.k, w.shape[2]))
            for f in range(w.shape[2]):
                chosen = np.sort(np.argsort(-response[:, f], kind="stable")[: net.k])
                best[: len(chosen), f] = response[chosen, f]
            pooled.append(g(best).reshape(-1))
    return np.concatenate(pooled) @ net.output.weight.value + net.output.bias.value


def shaken(net: TextCNN, seed: int = 0) -> TextCNN:
    """Biases that are no zeros, so that a forgotten one is seen."""
    rng = np.random.default_rng(seed)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            parameter.assign(rng.normal(size=parameter.shape).astype(np.float32))
    return net


@pytest.mark.parametrize("engine", ["stepper", "native"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": 0},
        {"stride": 2, "padding": 1},
        {"pooling": "average", "activation": "tanh"},
        {"pooling": "k-max", "k": 3, "activation": "sigmoid"},
        {"pooling": "k-max", "k": 2, "activation": "identity", "padding": 0},
        {"channel": "static"},
        {"channel": "both", "windows": (1, 4)},
        {"features": [(7, 2), (4, 3)]},
    ],
    ids=str,
)
def test_it_computes_what_the_definition_says(options: dict[str, Any], engine: str) -> None:
    net = shaken(TextCNN(10, 4, 3, seed=1, **{"windows": (2, 3), "filters": 3, **options}))
    more = [[[(i * 3 + n) % (count - 1) + 1 for n, i in enumerate(row)] for row in WORDS]
            for count, _ in options.get("features", [])]  # fmt: skip
    expected = np.array([scores_of(net, row, *[f[i] for f in more]) for i, row in enumerate(WORDS)])
    for length in (6, 7, 20):  # however long the batch
        inputs = [cr.constant(padded(ids, length)) for ids in (WORDS, *more)]
        found = cr.evaluate(net(*inputs), engine=engine)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_gradients_are_right_and_none_reaches_padding_or_static_vectors() -> None:
    net = shaken(TextCNN(10, 3, 2, seed=2, windows=(2, 3), filters=2, channel="both", activation="tanh"))
    loss = cr.cross_entropy(net(cr.constant(padded(WORDS, 6))), [0, 1, 1, 0])
    parameters = net.parameters()
    assert not any(parameter is net.embeddings[1].weight for parameter in parameters)
    worst = cr.check_gradients(loss, wrt=parameters).worst
    assert worst is not None
    assert worst.difference < 1e-6
    table = cr.gradients(loss, net.embeddings[0].weight).value
    assert not table[0].any()
    assert table[[2, 3, 8]].any(axis=1).all()


def test_the_gradient_of_the_largest_is_one_place_for_each_filter() -> None:
    """No dense product over all windows is left in the step: the mask does not stand in the way."""
    net = TextCNN(50, 8, 2, seed=0, windows=(3,), filters=5)
    words = cr.placeholder((6, 30), "int32", name="words")
    loss = cr.cross_entropy(net(words), cr.placeholder((6,), "int64", name="labels"))
    found = simplify([loss], cr.optim.SGD(net.parameters(), 0.1).updates(loss))
    journal = str(found.journal)
    assert "overlap_add((one place in time) @ Wᵀ) adds weights to rows" in journal
    assert "Xᵀ @ (one place in time) gathers windows" in journal


def test_the_strongest_window_of_each_filter() -> None:
    """A filter that is a word's own vector begins at that word; one in the padding has a negative place."""
    table = np.vstack([np.zeros(6), np.eye(6)]).astype(np.float32)
    net = TextCNN(7, 6, 2, seed=0, windows=(1, 2), filters=6, vectors=table, padding=1)
    net.convolutions[0].weight.assign(np.eye(6, dtype=np.float32)[None])
    second = np.zeros((2, 6, 6), np.float32)
    second[1] = np.eye(6)
    net.convolutions[1].weight.assign(second)
    ids = np.array([[4, 2, 6, 0, 0], [3, 0, 0, 0, 0]], np.int32)
    values, places = cr.evaluate(list(net.strongest(cr.constant(ids))))
    np.testing.assert_array_equal(values[0, :6], [0, 1, 0, 1, 0, 1])
    assert places[0, [3, 1, 5]].tolist() == [0, 1, 2]
    assert places[0, [9, 7, 11]].tolist() == [-1, 0, 1]  # the window's second word
    assert places[1, 8] == -1
    assert places.max() < 4


def test_vectors_begin_both_channels_and_one_of_them_stays() -> None:
    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    net = TextCNN(10, 4, 2, seed=0, windows=(2,), filters=4, vectors=vectors, channel="both", dropout=0.0)
    for table in net.embeddings:
        np.testing.assert_array_equal(table.weight.value[1:], vectors[1:])
        assert not table.weight.value[0].any()
    step = cr.train.TrainingStep(
        lambda words, labels: cr.cross_entropy(net(words, mode=cr.nn.EVALUATE), labels),
        cr.optim.SGD(net.parameters(), 1.0),
    )
    step((padded(WORDS, 6), np.array([0, 1, 1, 0])))
    tuned, static = (table.weight.value for table in net.embeddings)
    np.testing.assert_array_equal(static[1:], vectors[1:])
    assert (tuned[[2, 3, 4, 5, 6, 7, 8, 9]] != vectors[[2, 3, 4, 5, 6, 7, 8, 9]]).any(axis=1).any()
    np.testing.assert_array_equal(tuned[1], vectors[1])  # the word that no sentence has


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"windows": ()}, ArgumentError, "at least one window"),
        ({"stride": 0}, ArgumentError, "numbers of at least 1"),
        ({"activation": "gelu"}, ArgumentError, "relu, tanh, sigmoid, identity"),
        ({"vectors": np.zeros((9, 4), np.float32)}, ShapeError, r"\(9, 4\)"),
    ],
)
def test_what_makes_no_network_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TextCNN(10, 4, 2, seed=0, **options)


def test_inputs_that_do_not_fit_are_refused() -> None:
    net = TextCNN(10, 4, 2, seed=0, features=[(3, 2)])
    words = cr.placeholder((2, 5), "int32")
    with pytest.raises(ArgumentError, match="0 arrays of features; the network was made with 1"):
        net(words)
    with pytest.raises(ShapeError, match=r"\(2, 5\), \(2, 4\)"):
        net(words, cr.placeholder((2, 4), "int32"))
