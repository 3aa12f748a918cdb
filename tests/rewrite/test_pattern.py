from __future__ import annotations

from chainrule.rewrite import anything, matches, node

from .expressions import TERMS, Term, number, term

X, Y = term("x"), term("y")


def found(pattern, root: Term):
    return list(matches(pattern, root, TERMS))


def test_names_capture_what_stands_there():
    assert found(node("add", "a", "b", name="whole"), term("add", X, Y)) == [
        {"whole": term("add", X, Y), "a": X, "b": Y}
    ]


def test_another_op_or_number_of_inputs_does_not_match():
    assert not found(node("mul", "a", "b"), term("add", X, Y))
    assert not found(node("neg", "a", "b"), term("neg", X))


def test_one_of_several_ops_and_an_op_with_any_inputs():
    either = node(["add", "mul"], name="n")
    assert found(either, term("add", X, Y)) == [{"n": term("add", X, Y)}]
    assert found(either, term("mul", X, Y))
    assert not found(either, term("neg", X))


def test_a_name_that_stands_twice_means_one_node():
    square = node("mul", "a", "a")
    assert found(square, term("mul", X, X)) == [{"a": X}]
    assert not found(square, term("mul", X, Y))


def test_commuting_inputs_are_tried_both_ways_round():
    one = node("number", when=lambda n: n.value == 1)
    pattern = node("mul", "a", one, commutes=True)
    assert found(pattern, term("mul", number(1), X)) == [{"a": X}]
    assert found(pattern, term("mul", X, number(1))) == [{"a": X}]
    assert not found(node("mul", "a", one), term("mul", number(1), X))


def test_a_later_clash_goes_back_to_the_other_order_further_in():
    pattern = node("add", node("mul", "a", "b", commutes=True), "b")
    assert found(pattern, term("add", term("mul", X, Y), X)) == [{"a": Y, "b": X}]
    assert found(pattern, term("add", term("mul", X, Y), Y)) == [{"a": X, "b": Y}]


def test_questions_are_asked_of_the_node():
    small = anything("n", lambda n: n.op == "number" and n.value < 10)
    assert found(small, number(3)) == [{"n": number(3)}]
    assert not found(small, number(30))
    assert not found(small, X)


def test_what_all_or_some_inputs_must_be():
    constant, some = anything("n", every=["number"]), anything("n", some=["neg"])
    assert found(constant, term("add", number(1), number(2)))
    assert not found(constant, term("add", number(1), X))
    assert not found(constant, X), "a leaf has no inputs to be constant"
    assert found(some, term("add", X, term("neg", X)))
    assert not found(some, term("add", X, Y))
    inside = node("neg", anything("n", every=["number"]))
    assert not found(inside, term("neg", term("add", number(1), X)))


def test_admits_never_refuses_what_matches():
    patterns = [
        node("add", "a", node("neg", "b"), commutes=True),
        node("add", node("neg", "b"), "a"),
        anything(every=["number"]),
        anything(some=["neg"]),
        anything("n"),
    ]
    leaves = [X, number(1), term("neg", X)]
    for pattern in patterns:
        for root in [*leaves, *[term("add", a, b) for a in leaves for b in leaves]]:
            if found(pattern, root):
                assert pattern.admits(root.op, [child.op for child in root.inputs])
