"""The best sequence of tags, and shifts of their scores."""

from __future__ import annotations

import numpy as np

from chainrule.data import Vocabulary
from chainrule.tasks.entity_scorer import Decoder

TAGS = Vocabulary(["O", "B-X", "I-X", "B-Y"], padding=None, unknown=None)


def test_only_well_formed_sequences_are_found():
    decoder = Decoder(TAGS, "IOB2")
    scores = np.array([[0, 1, 5, 0], [0, 0, 5, 0], [0.0, 0, 3, 1]])
    assert decoder(scores, [3]) == [["B-X", "I-X", "I-X"]]
    assert decoder(scores, [1, 0, 2]) == [["B-X"], [], ["B-X", "I-X"]]


def test_learned_transitions_count():
    learned = (np.array([[0.0, 0, 0, 0], [0, 0, 0, 9], [0] * 4, [0] * 4]), np.zeros(4), np.zeros(4))
    assert Decoder(TAGS, "IOB2", learned)(np.array([[0, 1.0, 0, 0], [0, 0, 5, 0]]), [2]) == [["B-X", "B-Y"]]


def test_the_shift_is_the_best_on_the_sentences_it_is_chosen_on():
    scores = np.array([[1.2, 0, 0, 0], [3.0, 0, 0, 0], [0, 2.0, 0, 0]])
    decoder = Decoder(TAGS, "IOB2")
    gold = [["B-X"], ["O"], ["B-X"]]
    assert decoder.tune(scores, gold) == 1.0
    assert decoder.shifts == {
        "O": -1.25
    }  # -1.2 and below gives the first its span; -3 would give the second one
    assert decoder(scores, [1, 1, 1])[1:] == gold[1:]
    decoder.tune(scores, [["O"], ["O"], ["B-X"]])
    assert decoder.shifts == {"O": 0.0}  # nothing to gain


def test_types_are_shifted_where_another_text_has_them_more_often():
    """Y is everywhere held for X, by less and less; only with a shift of its own it is found."""
    scores = np.array([[-9.0, 1, -9, own] for own in (-0.2, 0.0, 0.2)] + [[-9, 2, -9, 0], [9, 0, -9, 0]])
    gold = [["B-Y"], ["B-Y"], ["B-Y"], ["B-X"], ["O"]]
    decoder, lengths = Decoder(TAGS, "IOB2"), [1] * 5
    assert decoder.tune(scores, gold) == 0.25
    assert decoder.shifts == {"O": 0.0}
    assert decoder.tune(scores, gold, types=True) == 1.0
    assert decoder.types == ["-X", "-Y"]
    assert decoder.shifts == {"O": 0.0, "-X": -1.5, "-Y": 0.0}
    assert decoder(scores, lengths) == gold


def test_a_type_may_be_called_o_and_there_may_be_none():
    own = Decoder(Vocabulary(["O", "B-O"], padding=None, unknown=None), "IOB2", shifts={"-O": 2.0})
    assert own(np.array([[1.0, 0.0]]), [1]) == [["B-O"]]
    bare = Decoder(Vocabulary(["O", "B", "I"], padding=None, unknown=None), "IOB2", shifts={"": 2.0})
    assert bare(np.array([[1.0, 0.0, 0.0]]), [1]) == [["B"]]
    assert (own.types, bare.types) == (["-O"], [""])
