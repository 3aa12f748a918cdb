"""Window taggers beside the formulas written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from chainrule.models.window_tagger import ChannelEmbeddings, Forget, LinearTagger, Lookup, WindowTagger

RADIUS, WINDOW, CLASSES = 2, 5, 7
CHANCE = np.random.default_rng(0)
GIVEN = CHANCE.normal(size=(20, 2)).astype(np.float32)
LOOKUPS = [Lookup(20, 4), Lookup(10, 3, "mean"), Lookup(9, 5, "convolution"), Lookup(20, 2, given=GIVEN)]
SEVERAL = {1: 6, 2: 4}  # ids a word


def windows_of(*lead: int, seed: int = 0) -> list[np.ndarray]:
    """Random windows of every channel, with paddings among them."""
    chance = np.random.default_rng(seed)
    shapes = [(*lead, WINDOW, *([SEVERAL[i]] if i in SEVERAL else [])) for i in range(len(LOOKUPS))]
    found = [
        chance.integers(0, lookup.rows, shape, np.int32)
        for lookup, shape in zip(LOOKUPS, shapes, strict=True)
    ]
    found[1][..., 0, :] = found[2][..., 0, :] = 0  # a place beyond the sentence
    return found


def tagger(**options) -> WindowTagger:
    chosen = {"hidden": [8], "activation": cr.tanh, **options}
    model = WindowTagger(LOOKUPS, radius=RADIUS, classes=CLASSES, seed=0, **chosen)
    chance = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.assign(chance.normal(size=parameter.shape).astype(np.float32))
    for channel in model.embeddings.channels:
        if channel.reading != "one":  # as it starts, and stays: no gradient reaches the padding's row
            table = channel.table.weight
            table.assign(table.array * (np.arange(len(table.array)) > 0)[:, None].astype(np.float32))
    return model


def scores(model, windows) -> np.ndarray:
    return model(*map(cr.constant, windows)).value


def embedded(model: WindowTagger, windows) -> np.ndarray:
    """The vectors of the channels side by side, by loops."""
    words, pieces, characters, vectors = (channel for channel in model.embeddings.channels)
    table = {name: c.table.weight.array for name, c in zip("wpcv", (words, pieces, characters, vectors),
             strict=True)}  # fmt: skip
    filters, bias = characters.convolution.weight.array, characters.convolution.bias.array
    rows = []
    for place in range(WINDOW):
        w, p, c, v = (channel[place] for channel in windows)
        mean = sum((table["p"][i] for i in p if i), np.zeros(3)) / max(np.count_nonzero(p), 1)
        vectors_of = np.array([table["c"][i] if i else np.zeros(5) for i in [0, *c, 0]])
        excited = [
            max(np.einsum("kd,kdf->f", vectors_of[at : at + 3], filters)[f] + bias[f], 0) * (c[at] != 0)
            for at in range(len(c))
            for f in range(5)
        ]
        largest = np.array(excited).reshape(len(c), 5).max(axis=0)
        rows.append(np.concatenate([table["w"][w], mean, largest, table["v"][v]]))
    return np.concatenate(rows)


def test_scores_are_those_of_the_formula():
    model, windows = tagger(), windows_of(6)
    found = scores(model, windows)
    (hidden,) = model.hidden
    for row in range(6):
        x = embedded(model, [channel[row] for channel in windows])
        h = np.tanh(x @ hidden.weight.array + hidden.bias.array)
        expected = h @ model.output.weight.array + model.output.bias.array
        np.testing.assert_allclose(found[row], expected, rtol=2e-4, atol=2e-4)


def test_no_hidden_layer_and_several():
    windows = windows_of(3)
    linear = tagger(hidden=())
    x = np.array([embedded(linear, [channel[row] for channel in windows]) for row in range(3)])
    expected = x @ linear.output.weight.array + linear.output.bias.array
    np.testing.assert_allclose(scores(linear, windows), expected, rtol=2e-4, atol=2e-4)
    assert scores(tagger(hidden=(8, 6)), windows).shape == (3, CLASSES)


@pytest.mark.parametrize("kind", ["window", "linear"])
def test_words_may_come_as_padded_sentences(kind):
    """The same scores whatever axes stand before the window's."""
    model = tagger() if kind == "window" else filled(LinearTagger(LOOKUPS, radius=RADIUS, classes=CLASSES))
    windows = windows_of(2, 3)
    flat = scores(model, [channel.reshape(6, *channel.shape[2:]) for channel in windows])
    np.testing.assert_allclose(scores(model, windows), flat.reshape(2, 3, CLASSES), rtol=1e-5, atol=1e-5)


def test_given_vectors_are_not_trained():
    model = tagger()
    table = model.embeddings.channels[3].table.weight
    np.testing.assert_array_equal(table.array, GIVEN)
    assert all(parameter is not table for parameter in model.parameters())
    assert "embeddings.channels.3.table.weight" in model.state_dict()


def filled(model: LinearTagger) -> LinearTagger:
    chance = np.random.default_rng(2)
    for parameter in model.parameters():
        parameter.assign(chance.normal(size=parameter.shape).astype(np.float32))
    return model


def test_the_linear_tagger_is_a_product_with_one_hot_vectors():
    model, windows = filled(LinearTagger(LOOKUPS, radius=RADIUS, classes=CLASSES)), windows_of(4)
    found = scores(model, windows)
    for row in range(4):
        expected = model.bias.array.astype(np.float64)
        for lookup, table, channel in zip(LOOKUPS, model.tables, windows, strict=True):
            one_hot = np.zeros((WINDOW, lookup.rows))
            for place in range(WINDOW):
                for symbol in np.atleast_1d(channel[row][place]):
                    one_hot[place, symbol] += lookup.reading == "one" or symbol != 0
            expected = expected + one_hot.ravel() @ table.array
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-4)


def test_a_new_linear_tagger_prefers_nothing():
    assert not scores(LinearTagger(LOOKUPS, radius=RADIUS, classes=CLASSES), windows_of(4)).any()


@pytest.mark.parametrize("model", [tagger(), filled(LinearTagger(LOOKUPS, radius=RADIUS, classes=CLASSES))])
def test_gradients(model):
    windows = windows_of(3)
    for parameter in model.parameters():
        parameter.assign(0.3 * parameter.array)
    loss = cr.cross_entropy(model(*map(cr.constant, windows)), cr.constant(np.array([0, 3, 6])))
    for parameter in model.parameters():
        gradient = cr.gradients(loss, parameter).value
        direction = np.random.default_rng(3).normal(size=parameter.shape)
        direction[:1] *= bool(np.any(parameter.array[:1]))  # no gradient reaches the row of the padding
        before, step = parameter.array.copy(), 1e-3
        ends = []
        for sign in (1, -1):
            parameter.assign((before + sign * step * direction).astype(np.float32))
            again = cr.cross_entropy(model(*map(cr.constant, windows)), cr.constant(np.array([0, 3, 6])))
            ends.append(float(again))
        parameter.assign(before)
        numerical = (ends[0] - ends[1]) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(numerical, rel=0.01, abs=2e-3)


def test_symbols_are_forgotten_as_often_as_is_said_and_in_training_only():
    shares = np.array([0.0, 0.0, 0.25, 1.0], np.float32)
    ids = np.repeat(np.arange(4, dtype=np.int32), 4000)
    forget = Forget(shares)
    assert (forget(cr.constant(ids)).value == ids).all()
    found = forget(cr.constant(ids), mode=cr.nn.training(cr.random.key(0))).value
    changed = found != ids
    assert set(found[changed].tolist()) == {1}
    assert not changed[:8000].any()
    assert changed[8000:12000].mean() == pytest.approx(0.25, abs=0.03)
    assert changed[12000:].all()


def test_dropout_is_for_training():
    model, windows = tagger(dropout=0.5, input_dropout=0.5), windows_of(4)
    nodes = list(map(cr.constant, windows))
    np.testing.assert_array_equal(model(*nodes).value, model(*nodes).value)
    one, two = (model(*nodes, mode=cr.nn.training(cr.random.key(seed))).value for seed in (0, 1))
    assert not np.allclose(one, two)


@pytest.mark.parametrize("kind", ["window", "linear"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda windows: windows[:-1], "windows of 3 channels; the model has 4"),
        (lambda windows: [w[:, :3] for w in windows], "sees 5 words"),
        (lambda windows: [*windows[:2], windows[2][..., 0], windows[3]], "sees 5 words"),
    ],
)
def test_windows_that_do_not_fit(kind, change, message):
    model = tagger() if kind == "window" else LinearTagger(LOOKUPS, radius=RADIUS, classes=CLASSES)
    with pytest.raises(ShapeError, match=message):
        model(*map(cr.constant, change(windows_of(2))))


def test_channels_that_do_not_fit():
    with pytest.raises(ArgumentError, match="without channels"):
        ChannelEmbeddings([], seed=0)
    with pytest.raises(ShapeError, match="ids of 1 channels; the model has 2"):
        ChannelEmbeddings(LOOKUPS[:2], seed=0)(cr.placeholder((2, 5), "int32"))
