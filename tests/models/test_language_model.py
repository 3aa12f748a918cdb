"""The feed-forward language model: shapes, the equations in NumPy, gradients."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.models.language_model import FeedForwardLanguageModel

CASES = [
    {"context": 3, "history": 0, "tied": False},
    {"context": 3, "history": 0, "tied": True},
    {"context": 2, "history": 5, "tied": True, "decay": 0.8},
    {"context": 4, "history": 2, "tied": False, "decay": 1.0, "activation": "relu"},
    {"context": 1, "history": 1, "tied": True, "activation": "sigmoid"},
    {"context": 3, "history": 4, "tied": True, "direct": True},
    {"context": 2, "history": 3, "tied": False, "direct": True, "layers": 2},
    {"context": 2, "history": 0, "tied": True, "layers": 3},
]


def model_of(case, **more):
    return FeedForwardLanguageModel(11, **{"width": 3, "hidden": 4, "seed": 0, **case, **more})


def by_hand(model, words, case):
    """The scores by the equations at the head of the module."""
    E, n, activation = model.embedding.weight.value, case["context"], case.get("activation", "tanh")
    inputs = [E[words[:, words.shape[1] - n + i]] for i in range(n)]
    if case["history"]:
        weights = [case.get("decay", 0.95) ** age for age in range(case["history"])]
        length = np.sqrt(sum(weight**2 for weight in weights))
        inputs.append(sum(w * E[words[:, -1 - age]] for age, w in enumerate(weights)) / length)
    e = np.concatenate(inputs, 1)
    f = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}[
        activation
    ]
    h = f(e @ model.hidden.weight.value + model.hidden.bias.value)
    assert len(model.deeper) == case.get("layers", 1) - 1
    for layer in model.deeper:
        h = h + f(h @ layer.weight.value + layer.bias.value)
    if case["tied"]:
        z = h @ model.output.weight.value @ E.T + model.word_bias.value
        return z + e @ model.direct.weight.value @ E.T if case.get("direct") else z
    z = h @ model.table.value[:, : h.shape[1]].T + model.word_bias.value
    return z + e @ model.table.value[:, h.shape[1] :].T if case.get("direct") else z


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("longer", [0, 4])
def test_scores_are_those_of_the_equations(case, longer):
    model = model_of(case)
    for variable in model.parameters():  # biases too
        variable.assign(np.random.default_rng(variable.size).normal(size=variable.shape))
    assert model.memory == max(case["context"], case["history"])
    words = np.random.default_rng(0).integers(0, 11, (6, model.memory + longer))
    found = model(cr.constant(words)).value
    assert found.shape == (6, 11)
    assert np.allclose(found, by_hand(model, words, case), atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_where_the_text_has_not_begun_there_is_no_word(case):
    model = model_of(case, padding=0)
    text = np.random.default_rng(0).integers(1, 11, model.memory)
    for count in range(model.memory + 1):
        words = np.where(np.arange(model.memory) < model.memory - count, 0, text)[None]
        scores = model(cr.constant(words)).value
        padded = model.embedding.weight.value.copy()
        padded[0] = 7  # whatever the row of the padding has become
        shifted = model_of(case, padding=0)
        shifted.load_state_dict({**model.state_dict(), "embedding.weight": padded})
        found = shifted(cr.constant(words)).value
        assert np.allclose(found[:, 1:], scores[:, 1:], atol=1e-6)
        assert np.isfinite(found).all()
        if 0 < count <= case["history"]:  # the history is that of a model which looks back no further
            nearer = model_of({**case, "context": min(case["context"], count), "history": count}, padding=0)
            weights = model._shares(cr.constant(words[:, -case["history"] :])).value
            expected = nearer._shares(cr.constant(words[:, -count:])).value
            assert np.allclose(weights[:, -count:], expected, atol=1e-6)
            assert not weights[:, :-count].any()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("padding", [None, 0])
def test_gradients(case, padding):
    model = model_of(case, padding=padding)
    words = cr.constant(np.random.default_rng(1).integers(0, 11, (4, model.memory)))
    loss = cr.cross_entropy(model(words), cr.constant([1, 0, 10, 5]))
    cr.check_gradients(loss, wrt=model.parameters())


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"context": 3, "tied": False}, 11 * 3 + (9 * 4 + 4) + (4 * 11 + 11)),
        ({"context": 3, "tied": True}, 11 * 3 + (9 * 4 + 4) + 4 * 3 + 11),
        ({"context": 3, "tied": True, "history": 9}, 11 * 3 + (12 * 4 + 4) + 4 * 3 + 11),
        ({"context": 3, "tied": False, "direct": True}, 11 * 3 + (9 * 4 + 4) + ((4 + 9) * 11 + 11)),
        ({"context": 3, "tied": True, "direct": True}, 11 * 3 + (9 * 4 + 4) + (4 + 9) * 3 + 11),
        ({"context": 3, "tied": True, "layers": 2}, 11 * 3 + (9 * 4 + 4) + (4 * 4 + 4) + 4 * 3 + 11),
    ],
)
def test_tying_saves_the_second_table(case, expected):
    assert model_of(case).parameter_count() == expected


def test_a_tied_table_gets_the_gradients_of_reading_and_of_predicting():
    model = model_of({"context": 1, "history": 0, "tied": True})
    loss = cr.cross_entropy(model(cr.constant([[2]])), cr.constant([5]))
    gradient = cr.gradients(loss, model.embedding.weight).value
    assert (np.abs(gradient).sum(1) > 0).all()  # every word is scored, not the two in the batch alone


@pytest.mark.parametrize("case", CASES)
def test_scores_are_products_of_features_and_rows_of_the_table(case):
    model = model_of(case)
    model.word_bias.assign(np.random.default_rng(1).normal(size=11))
    words = cr.constant(np.random.default_rng(0).integers(0, 11, (4, model.memory)))
    products = model.features(words).value @ model.table.value.T + model.word_bias.value
    assert np.allclose(products, model(words).value, atol=1e-6)


def test_dropout_is_for_training():
    model = model_of(CASES[2], dropout=0.5)
    words = cr.constant(np.ones((2, model.memory), int))
    plain = model_of(CASES[2])(words).value
    assert np.array_equal(model(words).value, plain)
    one, other = (model(words, mode=nn.training(cr.random.key(seed))).value for seed in (0, 1))
    assert not np.allclose(one, plain)
    assert not np.allclose(one, other)


def test_the_seed_decides_the_weights():
    one, same, other = model_of(CASES[0]), model_of(CASES[0]), model_of(CASES[0], seed=1)
    for name, array in one.state_dict().items():
        assert np.array_equal(array, same.state_dict()[name])
        assert not array.any() or not np.array_equal(array, other.state_dict()[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 0}, "a context of 0 words and a history of 0"),
        ({"history": -1}, "a context of 5 words and a history of -1"),
        ({"layers": 0}, "0 hidden layers"),
        ({"activation": "tahn"}, "there is no activation 'tahn'"),
        ({"dropout": 1.0}, "the rate of a dropout"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ArgumentError, match=message):
        FeedForwardLanguageModel(11, **options, seed=0)


def test_too_few_words():
    with pytest.raises(ArgumentError, match="the model looks 5 words back and was given 4"):
        model_of(CASES[2])(cr.placeholder((1, 4), "int32"))
