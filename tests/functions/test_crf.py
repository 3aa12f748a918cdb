"""The linear-chain CRF against sums over every sequence of tags, written out one by one."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

import chainrule as cr
from chainrule.errors import DTypeError, IndexRangeError, ShapeError

from .finite_differences import check_derivatives

INF = np.inf


def chain(seed: int, batch: int, length: int, classes: int, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Random scores and transitions, a mask of random lengths (one sequence empty if there are several)."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, length + 1, size=batch)
    if batch > 2:
        lengths[1] = 0
    return {
        "scores": rng.normal(size=(batch, length, classes)) * scale,
        "tags": rng.integers(0, classes, size=(batch, length)),
        "transitions": rng.normal(size=(classes, classes)) * scale,
        "start": rng.normal(size=classes) * scale,
        "end": rng.normal(size=classes) * scale,
        "mask": np.arange(length) < lengths[:, None],
    }


def score(one: dict[str, np.ndarray], sequence: int, tags: tuple[int, ...]) -> float:
    """What a sequence of tags scores, by the definition."""
    if not tags:
        return 0.0
    own = sum(one["scores"][sequence, place, tag] for place, tag in enumerate(tags))
    steps = sum(one["transitions"][a, b] for a, b in pairwise(tags))
    return one["start"][tags[0]] + own + steps + one["end"][tags[-1]]


def all_scores(one: dict[str, np.ndarray], sequence: int) -> dict[tuple[int, ...], float]:
    length, classes = int(one["mask"][sequence].sum()), one["scores"].shape[2]
    return {tags: score(one, sequence, tags) for tags in product(range(classes), repeat=length)}


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.sampled_from([1, 30])
)
def test_partition_and_path_are_those_of_enumeration(
    seed: int, batch: int, length: int, classes: int, scale: float
) -> None:
    one = chain(seed, batch, length, classes, scale)
    arguments = [one["scores"], one["transitions"]]
    options = {key: one[key] for key in ("start", "end", "mask")}
    found = cr.crf_log_partition(*arguments, **options).value
    paths = cr.crf_path_score(one["scores"], one["tags"], one["transitions"], **options).value
    for sequence in range(batch):
        every = all_scores(one, sequence)
        np.testing.assert_allclose(found[sequence], logsumexp(list(every.values())), rtol=1e-12)
        gold = tuple(one["tags"][sequence][one["mask"][sequence]])
        np.testing.assert_allclose(paths[sequence], every[gold], rtol=1e-12, atol=1e-12)
    losses = cr.crf_nll(one["scores"], one["tags"], one["transitions"], **options, reduction="none").value
    np.testing.assert_allclose(losses, found - paths, rtol=1e-12)


def test_the_gradient_of_the_partition_is_the_probability_of_each_tag_and_step() -> None:
    one = chain(3, 4, 4, 3)
    leaves = {key: cr.variable(one[key]) for key in ("scores", "transitions", "start", "end")}
    log_z = cr.crf_log_partition(**leaves, mask=one["mask"])
    gradients = cr.gradients(cr.sum(log_z), list(leaves.values()))
    by_scores, by_steps, by_start, by_end = (gradient.value for gradient in gradients)
    marginals, steps = np.zeros_like(by_scores), np.zeros_like(by_steps)
    edges = np.zeros((2, 3))
    for sequence in range(4):
        every = all_scores(one, sequence)
        total = logsumexp(list(every.values()))
        for tags, value in every.items():
            p = np.exp(value - total)
            for place, tag in enumerate(tags):
                marginals[sequence, place, tag] += p
            for a, b in pairwise(tags):
                steps[a, b] += p
            if tags:
                edges[0, tags[0]] += p
                edges[1, tags[-1]] += p
    np.testing.assert_allclose(by_scores, marginals, atol=1e-12)
    np.testing.assert_allclose(by_scores.sum(axis=2), one["mask"], atol=1e-12)
    np.testing.assert_allclose(by_steps, steps, atol=1e-12)
    np.testing.assert_allclose([by_start, by_end], edges, atol=1e-12)


def test_derivatives_agree_with_differences() -> None:
    one = chain(5, 3, 3, 3)
    check_derivatives(
        lambda scores, transitions, start, end: cr.crf_nll(
            scores, one["tags"], transitions, start=start, end=end, mask=one["mask"], reduction="none"
        ),
        *(one[key] for key in ("scores", "transitions", "start", "end")),
    )


def test_the_engines_agree() -> None:
    one = chain(9, 3, 6, 4)
    names = ("scores", "transitions", "start", "end")
    leaves = [cr.variable(one[name].astype(np.float32)) for name in names]
    loss = cr.crf_nll(leaves[0], one["tags"], leaves[1], start=leaves[2], end=leaves[3], mask=one["mask"])
    wanted = [loss, *cr.gradients(loss, leaves)]
    for ours, reference in zip(
        cr.evaluate(wanted, engine="native"), cr.evaluate(wanted, engine="stepper"), strict=True
    ):
        np.testing.assert_allclose(ours, reference, rtol=2e-6, atol=1e-6)


def test_without_transitions_it_is_the_cross_entropy_of_every_word() -> None:
    one = chain(1, 2, 5, 4)
    nothing = np.zeros((4, 4))
    losses = cr.crf_nll(one["scores"], one["tags"], nothing, mask=one["mask"], reduction="none").value
    words = cr.cross_entropy(one["scores"], one["tags"], reduction="none").value
    np.testing.assert_allclose(losses, (words * one["mask"]).sum(axis=1), rtol=1e-12)


def test_forbidden_steps_leave_the_other_sequences_and_finite_gradients() -> None:
    one = chain(7, 1, 4, 3)
    one["mask"][:] = True
    one["transitions"][0, 2] = one["start"][2] = one["end"][0] = -INF
    leaves = {
        key: cr.variable(one[key].astype(np.float32)) for key in ("scores", "transitions", "start", "end")
    }
    log_z = cr.crf_log_partition(**leaves)
    np.testing.assert_allclose(log_z.value, logsumexp(list(all_scores(one, 0).values())), rtol=1e-6)
    gradients = [gradient.value for gradient in cr.gradients(cr.sum(log_z), list(leaves.values()))]
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert (gradients[1][0, 2], gradients[2][2], gradients[3][0]) == (0, 0, 0)


@pytest.mark.parametrize("size", [1e4, -1e4, 1e30])
def test_large_scores_neither_overflow_nor_vanish(size: float) -> None:
    """A word of great scores, and a tag that only a very unlikely one can lead to."""
    scores = cr.variable(np.float32([[[0, size], [size, 0], [0, 0]]]))
    transitions = np.float32([[0, -INF], [0, 0]])
    log_z = cr.crf_log_partition(scores, transitions)
    allowed = [
        sum((scores.value[0, place, tag] for place, tag in enumerate(tags)), np.float64(0))
        for tags in product(range(2), repeat=3)
        if (0, 1) not in (tags[:2], tags[1:])
    ]
    np.testing.assert_allclose(log_z.value, logsumexp(allowed), rtol=1e-6)
    gradient = cr.gradients(cr.sum(log_z), scores).value
    np.testing.assert_allclose(gradient.sum(axis=2), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"scores": np.zeros((2, 3))}, ShapeError, r"scores of shape \(2, 3\)"),
        ({"scores": np.zeros((2, 0, 3))}, ShapeError, "one word at least"),
        ({"transitions": np.zeros((3, 2))}, ShapeError, r"transitions of shape \(3, 2\)"),
        ({"start": np.zeros(2)}, ShapeError, r"start of shape \(2,\)"),
        ({"end": np.zeros((3, 1))}, ShapeError, r"end of shape \(3, 1\)"),
        ({"mask": np.ones((2, 3), bool)}, ShapeError, r"mask of shape \(2, 3\)"),
        ({"mask": np.ones((2, 4))}, DTypeError, "mask of float64"),
        ({"tags": np.zeros((2, 3), int)}, ShapeError, r"tags of shape \(2, 3\)"),
        ({"tags": np.full((2, 4), 3)}, IndexRangeError, "index 3"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, np.ndarray], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        cr.crf_nll(**{**chain(0, 2, 4, 3), **change})
