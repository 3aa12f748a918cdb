from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ChainruleError
from chainrule.rewrite import Journal, Rule, RuleSet, anything, node, rewrite

from .expressions import TERMS, Term, number, show, term, worth

X, Y = term("x"), term("y")


def is_number(value):
    return node("number", when=lambda n: n.value == value)


def folded(root: Term) -> Term:
    return number(worth(root, {}))


RULES = RuleSet([
    Rule("constants are computed", anything("root", every=["number"]), folded, "exact"),
    Rule("x + 0 = x", node("add", "x", is_number(0), commutes=True), lambda x: x, "exact"),
    Rule("x * 1 = x", node("mul", "x", is_number(1), commutes=True), lambda x: x, "exact"),
    Rule("x * 0 = 0", node("mul", "x", is_number(0), commutes=True), lambda x: number(0), "exact"),
    Rule("-(-x) = x", node("neg", node("neg", "x")), lambda x: x, "exact"),
    Rule("x + (-x) = 0", node("add", "x", node("neg", "x"), commutes=True), lambda x: number(0)),
    Rule(
        "x * (y + z) = x * y + x * z",
        node("mul", "x", node("add", "y", "z"), commutes=True),
        lambda x, y, z: term("add", term("mul", x, y), term("mul", x, z)),
    ),
])  # fmt: skip


def simple(root: Term, **options) -> Term:
    return rewrite([root], RULES, TERMS, **options)[0]


def test_rules_apply_wherever_they_can_and_what_they_build_is_rewritten_too():
    inner = term("add", X, number(0))
    assert simple(term("neg", term("neg", inner))) is X
    spread = simple(term("mul", inner, term("add", number(1), Y)))
    assert show(spread) == "add(x, mul(x, y))", "x * 1, made by the rule above it, has become x"


def test_equal_parts_are_rewritten_once_and_stay_shared():
    journal = Journal()
    part = term("neg", term("neg", Y))
    result = rewrite([term("mul", part, part), part], RULES, TERMS, journal)
    assert result == [term("mul", Y, Y), Y]
    assert journal.counts() == {"-(-x) = x": 1}


def test_what_no_rule_touches_is_the_same_object():
    root = term("add", term("mul", X, Y), number(3))
    assert simple(root) is root


def test_the_first_rule_that_gives_something_wins_and_none_refuses():
    rules = RuleSet(
        [
            Rule("never", node("neg", "x"), lambda x: None),
            Rule("first", node("neg", "x"), lambda x: term("add", x, number(1))),
            Rule("second", node("neg", "x"), lambda x: number(7)),
        ]
    )
    journal = Journal()
    assert show(rewrite([term("neg", X)], rules, TERMS, journal)[0]) == "add(x, 1)"
    assert journal.counts() == {"first": 1}


def test_every_match_is_offered_until_one_is_taken():
    rules = RuleSet([Rule("y", node("add", "a", "b", commutes=True), lambda a, b: a if a is Y else None)])
    assert rewrite([term("add", X, Y)], rules, TERMS) == [Y]


def test_the_journal_names_rule_group_before_and_after():
    journal = Journal(show)
    rewrite([term("neg", term("neg", term("add", X, number(0))))], RULES, TERMS, journal)
    rewrite([term("add", Y, number(0))], RULES, TERMS, journal)
    assert [(f.rule, f.group, show(f.before), show(f.after)) for f in journal] == [
        ("x + 0 = x", "exact", "add(x, 0)", "x"),
        ("-(-x) = x", "exact", "neg(neg(x))", "x"),
        ("x + 0 = x", "exact", "add(y, 0)", "y"),
    ]
    assert str(journal) == (
        "exact: x + 0 = x  (2 times)\n      add(x, 0)\n    → x\nexact: -(-x) = x\n      neg(neg(x))\n    → x"
    )
    assert str(Journal()) == "nothing was rewritten"


def test_rules_are_built_within_the_languages_scope():
    seen = []

    @contextmanager
    def scope(found, rule):
        seen.append((show(found), rule))
        yield

    rewrite([term("add", X, number(0))], RULES, replace(TERMS, scope=scope))
    assert seen == [("add(x, 0)", "x + 0 = x")]


def test_a_rule_that_pays_only_where_a_part_vanishes_asks_who_else_reads_it():
    pattern = node("add", node("neg", "a", name="n"), number_of_any())
    rules = RuleSet([Rule("alone", pattern, lambda n, a: a, alone="n")])
    part = term("neg", X)
    root = term("add", part, number(3))
    assert rewrite([root], rules, TERMS) == [X]
    assert rewrite([root, part], rules, TERMS) == [root, part]
    twice = term("mul", root, part)
    assert rewrite([twice], rules, TERMS) == [twice]


def number_of_any():
    return node("number")


def test_a_chain_of_a_hundred_thousand_nodes():
    root: Term = X
    for _ in range(50_000):
        root = term("neg", term("add", root, number(0)))
    assert simple(root) is X
    root = X
    for index in range(100_000):
        root = term("add", root, number(index + 1))
    assert simple(root) is root


def test_rules_that_undo_each_other_are_named_instead_of_running_for_ever():
    turn = RuleSet(
        [
            Rule("left to right", node("f", "x"), lambda x: term("g", x)),
            Rule("right to left", node("g", "x"), lambda x: term("f", x)),
        ]
    )
    with pytest.raises(ChainruleError, match=r"(?=.*left to right)(?=.*right to left)"):
        rewrite([term("f", X)], turn, TERMS)


def test_a_rule_that_only_ever_grows_is_stopped():
    grow = RuleSet(
        [Rule("grows", node("f", "x", name="whole"), lambda x, whole: term("f", term("g", whole)))]
    )
    with pytest.raises(ChainruleError, match="grows"):
        rewrite([term("f", X)], grow, TERMS)


terms = st.recursive(
    st.sampled_from([X, Y, number(0), number(1), number(-2)]),
    lambda inner: st.one_of(
        st.builds(lambda a: term("neg", a), inner),
        st.builds(lambda op, a, b: term(op, a, b), st.sampled_from(["add", "mul"]), inner, inner),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(terms, st.integers(-9, 9), st.integers(-9, 9))
def test_rewriting_keeps_the_value_and_is_done_when_it_is_done(root, x, y):
    result = simple(root)
    assert worth(result, {"x": x, "y": y}) == worth(root, {"x": x, "y": y})
    again = Journal()
    assert simple(result, journal=again) is result
    assert len(again) == 0
