from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.models.bag_of_ngrams import BagOfNgrams, distinct_ngrams


def test_it_is_the_product_with_a_vector_of_zeros_and_ones() -> None:
    rng = np.random.default_rng(0)
    net = BagOfNgrams(9, 3)
    table = rng.normal(size=(9, 3)).astype(np.float32)
    table[0] = 0
    net.weight.weight.assign(table)
    net.bias.assign(rng.normal(size=3).astype(np.float32))
    ids = np.array([[4, 2, 8, 0, 0], [1, 3, 5, 6, 7], [0, 0, 0, 0, 0]], np.int32)
    features = np.zeros((3, 9))
    for row, present in zip(features, ids, strict=True):
        row[present[present > 0]] = 1
    np.testing.assert_allclose(net(cr.constant(ids)).value, features @ table + net.bias.value, rtol=1e-5)


def test_its_optimum_is_that_of_logistic_regression() -> None:
    """With an L2 penalty there is one best table, where the gradient of the whole objective vanishes."""
    rng = np.random.default_rng(1)
    ids = np.array([rng.choice(np.arange(1, 7), 3, replace=False) for _ in range(60)], np.int32)
    labels = (np.isin(ids, [1, 2]).sum(axis=1) + rng.integers(0, 2, 60) > 1).astype(np.int64)
    net = BagOfNgrams(7, 2)
    optimizer = cr.optim.Adagrad(net.parameters(), 0.5, l2=0.01)
    step = cr.train.TrainingStep(lambda x, y: cr.cross_entropy(net(x), y), optimizer)
    for _ in range(1500):
        step((ids, labels))
    features = np.zeros((60, 7))
    np.put_along_axis(features, ids.astype(int), 1, axis=1)
    weight, bias = net.weight.weight.value.astype(float), net.bias.value.astype(float)
    scores = features @ weight + bias
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(60), labels] -= 1
    np.testing.assert_allclose(features.T @ p / 60 + 0.02 * weight, 0, atol=1e-4)
    np.testing.assert_allclose(p.mean(axis=0) + 0.02 * bias, 0, atol=1e-4)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from("abc"), max_size=8), st.integers(1, 4))
def test_ngrams_are_those_of_the_text_each_once(tokens: list[str], order: int) -> None:
    found = distinct_ngrams(tokens, [order])
    assert len(found) == len(set(found))
    assert set(found) == {" ".join(tokens[i : i + order]) for i in range(max(len(tokens) - order + 1, 0))}
