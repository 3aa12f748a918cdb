from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import context_windows
from chainrule.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from chainrule.models.ngram import KneserNey

Gram = tuple[int, ...]


class Slow:
    """The equations of Chen and Goodman (1998) as they stand: dictionaries, one word at a time."""

    def __init__(self, order: int, size: int, documents: list[list[int]], bos: int) -> None:
        self.order, self.size = order, size
        begun = [[bos, *d] for d in documents]
        grams = {
            n: Counter(tuple(d[i : i + n]) for d in begun for i in range(len(d) - n + 1))
            for n in range(1, order + 1)
        }
        grams[1] = Counter((w,) for d in documents for w in d)
        self.counts: dict[int, dict[Gram, int]] = {order: dict(grams[order])}
        for n in range(1, order):
            seen_before: dict[Gram, set[int]] = {}
            for gram in grams[n + 1]:
                seen_before.setdefault(gram[1:], set()).add(gram[0])
            self.counts[n] = {
                g: c if n > 1 and g[0] == bos else len(seen_before[g]) for g, c in grams[n].items()
            }
        self.d = {n: self.discounts(n) for n in self.counts}

    def discounts(self, n: int) -> tuple[float, float, float]:
        n1, n2, n3, n4 = (sum(c == r for c in self.counts[n].values()) for r in (1, 2, 3, 4))
        if n1 == 0 or n2 == 0:
            return (0.5, 0.5, 0.5)
        y = n1 / (n1 + 2 * n2)
        d = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3) if n3 and n4 else (0.0, 0.0, 0.0)
        return d if 0 < d[0] < 1 and 0 < d[1] < 2 and 0 < d[2] < 3 else (y, y, y)

    def p(self, w: int, h: Gram) -> float:
        n = len(h) + 1
        after = {g: c for g, c in self.counts[n].items() if g[:-1] == h}
        lower = self.p(w, h[1:]) if h else 1 / self.size
        if not after:
            return lower
        total = sum(after.values())
        d = self.d[n]
        gamma = sum(d[min(c, 3) - 1] for c in after.values()) / total
        c = after.get((*h, w), 0)
        return (c - d[min(c, 3) - 1] if c else 0.0) / total + gamma * lower


@st.composite
def corpora(draw: st.DrawFn) -> tuple[int, int, list[list[int]]]:
    """A vocabulary size, a begin id (of the words, or one of its own) and documents over few words."""
    size = draw(st.integers(2, 5))
    bos = draw(st.sampled_from([0, size]))
    lowest = draw(st.sampled_from([0, 1]))  # with 0, the begin id may stand within a document too
    words = st.integers(lowest, size - 1)
    documents = draw(st.lists(st.lists(words, max_size=15), min_size=1, max_size=8).filter(any))
    return size, bos, documents


@settings(deadline=None, max_examples=60)
@given(corpora(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_equals_the_equations_and_sums_to_one(
    corpus: tuple[int, int, list[list[int]]], order: int, random: Any
) -> None:
    size, bos, documents = corpus
    model = KneserNey(order, size).fit([np.array(d, dtype=np.int32) for d in documents], bos=bos)
    slow = Slow(order, size, documents, bos)
    assert model.discounts == [pytest.approx(slow.d[n]) for n in range(1, order + 1)]

    seen = context_windows(documents, order - 1, padding=bos)[0].tolist()
    made_up = [[random.randrange(size) for _ in range(order - 1)] for _ in range(4)]
    for context in [*random.sample(seen, min(4, len(seen))), *made_up]:
        p = model.distribution(context)
        assert p.shape == (size,)
        assert p.sum() == pytest.approx(1, abs=1e-9)
        assert (p > 0).all()
        expected = [slow.p(w, tuple(context)) for w in range(size)]
        np.testing.assert_allclose(p, expected, rtol=1e-10)
        found = model.log_probabilities(np.array(context, dtype=int), np.arange(size))
        np.testing.assert_allclose(np.exp(found), p, rtol=1e-12)


def test_a_bigram_model_worked_by_hand() -> None:
    """Words a=1, b=2, c=3 of a vocabulary of 4; 0 begins the texts "a b c a b a" and "a c".

    Bigrams: 0a 2, ab 2, bc 1, ca 1, ba 1, ac 1: n₁ = 4, n₂ = 2, n₃ = n₄ = 0, so D = Y = 4 / (4 + 4) = 1/2.
    Words, by different words before: a 3 (0, c, b), b 1 (a), c 2 (b, a): 6 in all; n₁ = n₂ = n₃ = 1 and
    n₄ = 0, so D = Y = 1/3 for all three.
    """
    model = KneserNey(2, 4).fit([[1, 2, 3, 1, 2, 1], [1, 3]], bos=0)
    assert model.discounts == [pytest.approx((1 / 3, 1 / 3, 1 / 3)), (0.5, 0.5, 0.5)]
    p_a, p_b, p_c = (3 - 1 / 3) / 6 + 1 / 6 / 4, (1 - 1 / 3) / 6 + 1 / 6 / 4, (2 - 1 / 3) / 6 + 1 / 6 / 4
    np.testing.assert_allclose(model.distribution([]), [1 / 24, p_a, p_b, p_c], rtol=1e-12)
    # After a: b twice and c once; the discounts of two kinds, (1/2 + 1/2) / 3, go to the words at large.
    after_a = [1 / 3 / 24, 1 / 3 * p_a, 1.5 / 3 + 1 / 3 * p_b, 0.5 / 3 + 1 / 3 * p_c]
    np.testing.assert_allclose(model.distribution([1]), after_a, rtol=1e-12)
    # At the beginning only a was seen, twice; its discount of 1/2 is a quarter of the mass.
    at_start = [1 / 4 / 24, 1.5 / 2 + 1 / 4 * p_a, 1 / 4 * p_b, 1 / 4 * p_c]
    np.testing.assert_allclose(model.distribution([0]), at_start, rtol=1e-12)
    logs = [np.log(p) for p in (at_start[1], after_a[2], model.distribution([2])[2])]
    assert model.perplexity([[1, 2, 2]]) == pytest.approx(np.exp(-np.mean(logs)))


def test_all_three_discounts_from_counts_of_counts() -> None:
    # Words seen 1, 1, 1, 2, 2, 3 and 4 times: n₁ = 3, n₂ = 2, n₃ = 1, n₄ = 1, Y = 3/7.
    counts = [1, 1, 1, 2, 2, 3, 4]
    text = [w for w, c in enumerate(counts) for _ in range(c)]
    y = 3 / 7
    expected = (1 - 2 * y * 2 / 3, 2 - 3 * y * 1 / 2, 3 - 4 * y * 1 / 1)
    model = KneserNey(1, 7).fit([text], bos=7)
    assert model.discounts == [pytest.approx(expected)]
    d = [0.0, *expected, expected[2]]
    mass = sum(d[c] for c in counts)
    np.testing.assert_allclose(
        model.distribution([]), [(c - d[c] + mass / 7) / 14 for c in counts], rtol=1e-12
    )


def test_contexts_do_not_cross_documents() -> None:
    apart = KneserNey(2, 4).fit([[1, 2], [3, 1]], bos=0)
    joined = KneserNey(2, 4).fit([[1, 2, 3, 1]], bos=0)
    assert apart.distribution([2])[3] == pytest.approx(apart.distribution([])[3])  # nothing follows 2
    assert joined.distribution([2])[3] > joined.distribution([])[3]


def test_shapes_broadcast_and_lower_orders_are_reached() -> None:
    rng = np.random.default_rng(0)
    model = KneserNey(3, 6).fit(rng.integers(1, 6, (20, 12)), bos=0)
    contexts, words = rng.integers(0, 6, (5, 1, 2)), rng.integers(0, 6, 7)
    table = model.log_probabilities(contexts, words)
    assert table.shape == (5, 7)
    for i, j in itertools.product(range(5), range(7)):
        assert table[i, j] == pytest.approx(np.log(model.distribution(contexts[i, 0])[words[j]]))
    assert model.log_probabilities([1, 2], 3).shape == ()
    assert model.log_probabilities(np.zeros((0, 2), int), np.zeros(0, int)).shape == (0,)
    # Only the last order - 1 words count; fewer give the lower order.
    long = rng.integers(0, 6, 9)
    np.testing.assert_array_equal(model.distribution(long), model.distribution(long[-2:]))
    assert model.log_probabilities(long, 3) == model.log_probabilities(long[-2:], 3)
    assert model.log_probabilities(long[-1:], 3) == pytest.approx(np.log(model.distribution(long[-1:])[3]))
    assert model.log_probabilities([], 3) == pytest.approx(np.log(model.distribution([])[3]))


def test_documents_shorter_than_the_order() -> None:
    model = KneserNey(5, 3).fit([[1], [2], [1]], bos=0)
    np.testing.assert_allclose(
        np.exp(model.log_probabilities([[0, 0, 0, 0], [0, 1, 0, 1], [2, 2, 2, 2]], 1)),
        [model.distribution(context)[1] for context in ([0], [], [])],
        rtol=1e-12,
    )


def test_a_stream_is_one_document() -> None:
    stream = np.random.default_rng(1).integers(0, 5, 200)
    one, other = (KneserNey(4, 5).fit(s, bos=5) for s in (stream, [stream]))
    assert one.perplexity(stream) == other.perplexity([stream])


def test_large_vocabularies_do_not_overflow_small_integers() -> None:
    documents = [
        np.array([65_535, 65_534, 65_533] * 3, dtype=np.uint16),
        np.array([7, 8, 9], dtype=np.uint16),
    ]
    model = KneserNey(5, 65_536).fit(documents, bos=65_536)
    assert model.perplexity(documents) < 10
    assert model.distribution([65_535]).argmax() == 65_534
    assert model.distribution([65_535, 65_534]).sum() == pytest.approx(1, abs=1e-9)


def test_more_context_predicts_a_text_with_structure_better() -> None:
    rng = np.random.default_rng(2)
    follows = rng.permuted(np.tile(np.arange(30), (900, 1)), axis=1)[:, :2]  # two choices after each pair
    text = [0, 1]
    for choice in rng.integers(0, 2, 20_000):
        text.append(int(follows[text[-2] * 30 + text[-1], choice]))
    held_out = text[15_000:]
    perplexities = [KneserNey(n, 30).fit(text[:15_000], bos=30).perplexity(held_out) for n in (1, 2, 3)]
    assert perplexities[0] > perplexities[1] > perplexities[2]
    assert 2 < perplexities[2] < 3  # the text's own is 2


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda _: KneserNey(0, 5), ArgumentError, "order 0"),
        (lambda _: KneserNey(11, 5), ArgumentError, "order 11"),
        (lambda _: KneserNey(2, 0), ArgumentError, "vocabulary of 0"),
        (lambda _: KneserNey(2, 5).distribution([1]), ArgumentError, "call fit first"),
        (lambda _: KneserNey(2, 5).perplexity([[1]]), ArgumentError, "call fit first"),
        (lambda _: KneserNey(2, 5).fit([[], []], bos=0), ArgumentError, "no words"),
        (
            lambda _: KneserNey(2, 5).fit([[1, 5]], bos=0),
            IndexRangeError,
            "a word has the id 5; ids are 0 … 4",
        ),
        (lambda _: KneserNey(2, 5).fit([[1, -1]], bos=0), IndexRangeError, "id -1"),
        (lambda _: KneserNey(2, 5).fit([[1]], bos=6), IndexRangeError, "bos has the id 6"),
        (lambda _: KneserNey(2, 5).fit([[1.5]], bos=0), DTypeError, "integers"),
        (lambda m: m.log_probabilities([[1], [2]], [1, 2, 3]), ShapeError, "do not go with"),
        (lambda m: m.log_probabilities(1, 1), ShapeError, "no axis"),
        (lambda m: m.log_probabilities([1], [4]), IndexRangeError, "a word has the id 4"),
        (lambda m: m.log_probabilities([5], [1]), IndexRangeError, "a context word has the id 5"),
        (lambda m: m.log_probabilities([0.5], [1]), DTypeError, "integers"),
        (lambda m: m.distribution([[1]]), ShapeError, "one context has one axis"),
        (lambda m: m.distribution([-1]), IndexRangeError, "id -1"),
        (lambda m: m.perplexity([]), ArgumentError, "no words to predict"),
    ],
)
def test_refusals(act: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        act(KneserNey(2, 4).fit([[1, 2, 3]], bos=4))
