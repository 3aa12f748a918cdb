"""Legality: what each rule refuses and what it lets pass, and that nothing accepted can race or miss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import float32, float64, int32, int64
from chainrule.errors import LoopError
from chainrule.loops import (
    INDEX,
    RULES,
    Axis,
    Buffer,
    Call,
    Kernel,
    Local,
    Part,
    Program,
    Reduce,
    Scalar,
    Statement,
    Step,
    Store,
    index,
    scalar,
    verify,
    violations,
)

one_int = loops.constant(1, int32)
i, j, k, c, t, n = (Axis(name, extent) for name, extent in zip("ijkctn", (6, 5, 4, 2, 7, 29), strict=True))
at_i, at_j, at_k, at_c, at_t, at_n = map(loops.axis, (i, j, k, c, t, n))


def buffer(name: str, size: int, role: str = "input", dtype: np.dtype = float32) -> Buffer:
    return Buffer(name, size, dtype, role)


def program(*steps: Step) -> Program:
    return Program(steps)


def over(axis: Axis | None, *body: Statement) -> Program:
    return program(Kernel("k", axis, body))


def plus(*terms: tuple[Scalar, int], constant: int = 0) -> Scalar:
    return index.add(index.number(constant), *[index.scale(term, c) for term, c in terms])


x, y, out = buffer("x", 30), buffer("y", 30, "scratch"), buffer("out", 30, "output")
ids, places = buffer("ids", 6, dtype=int64), buffer("places", 6, "scratch", int64)
weight, weight2 = buffer("w", 30, "variable"), buffer("w2", 30, "scratch")
half = loops.constant(0.5, float32)
row = loops.within(loops.load(ids, at_i), 0, 5)
everything = plus((at_i, 5), (at_j, 1))
diagonal = plus((at_j, 5), (at_i, 5))
corner = plus((at_i, 5), (at_k, 1))
fill = loops.loop(j, [loops.store(y, everything, half)])
pushed = loops.store(weight, index.shift(at_t, 1), loops.load(weight, at_t))
late = loops.store(y, at_t, loops.load(y, at_t, loops.gt(at_t, 0)))
in_time = loops.store(y, at_t, loops.load(y, index.shift(at_t, -1), loops.gt(at_t, 0)))
check = loops.check(loops.lt(loops.load(ids, at_i), 5))
s = Local("s")
EVEN = Axis("e", 15)
short = Axis("short", 32, limit=plus((at_c, -32), constant=50))
table, rows = buffer("table", 50 * 7, "variable"), buffer("rows", 50 * 6)

#: Programs that break one rule each: the rule, a word of the reason, and the program.
REFUSED: dict[str, tuple[str, str, Callable[[], Program]]] = {
    "two dtypes": ("typed", "add", lambda: over(i, Store(y, at_i, raw("add", half, one_int)))),
    "a float shifted": ("typed", "shl", lambda: over(i, Store(y, at_i, raw("shl", half, half)))),
    "no such operation": ("typed", "no operation", lambda: over(i, Store(y, at_i, raw("frob", half)))),
    "an int32 offset": ("typed", "offset", lambda: over(i, Store(y, loops.cast(at_i, int32), half))),
    "a value of another dtype": (
        "typed",
        "not a float32",
        lambda: over(i, Store(y, at_i, loops.constant(0.5, float64))),
    ),
    "a guard that is a number": ("typed", "guard", lambda: over(i, Store(y, at_i, half, half))),
    "a sum of booleans": (
        "typed",
        "bool",
        lambda: over(i, Reduce((j,), (Part("sum", loops.eq(at_j, 1), s),)), Store(y, at_i, half)),
    ),
    "a nested affine": (
        "typed",
        "affine",
        lambda: over(i, Store(y, scalar("affine", [index.number(1)], INDEX, (0, (1,))), half)),
    ),
    "an axis of no loop": ("scoped", "runs over j", lambda: over(i, loops.store(y, at_j, half))),
    "a local before its making": (
        "scoped",
        "not known",
        lambda: over(i, loops.store(y, at_i, loops.local(s, float32))),
    ),
    "a local after its scope": (
        "scoped",
        "not known",
        lambda: over(
            i, loops.loop(j, [loops.Let(s, half)]), loops.store(y, at_i, loops.local(s, float32))
        ),
    ),
    "a local made twice": (
        "scoped",
        "second time",
        lambda: over(i, loops.Let(s, half), loops.Let(s, half), loops.store(y, at_i, half)),
    ),
    "a local of another dtype": (
        "scoped",
        "not a float64",
        lambda: over(
            i, loops.Let(s, half), loops.store(y, at_i, loops.cast(loops.local(s, float64), float32))
        ),
    ),
    "a loop in itself": (
        "scoped",
        "same axis",
        lambda: over(i, loops.loop(i, [loops.store(y, at_i, half)])),
    ),
    "a kernel's limit": (
        "well formed",
        "no limit",
        lambda: over(Axis("i", 5, limit=index.number(3)), loops.store(y, 0, half)),
    ),
    "a role that is none": (
        "well formed",
        "role",
        lambda: over(None, loops.store(buffer("z", 1, "spare"), 0, half)),
    ),
    "too little content": (
        "well formed",
        "content",
        lambda: over(None, loops.store(y, 0, loops.load(replace_content(), 0))),
    ),
    "a call of another size": (
        "well formed",
        "30 elements",
        lambda: program(Call("f", np.sin, (x,), ((5, 5),), y, (30,))),
    ),
    "an input written": ("read only", "x has the role 'input'", lambda: over(i, loops.store(x, at_i, half))),
    "an input returned": (
        "read only",
        "x has the role 'input'",
        lambda: program(Call("f", np.sin, (weight,), ((30,),), x, (30,))),
    ),
    "one too far": ("in bounds", "1 … 30", lambda: over(i, loops.loop(j, [shifted(1)]))),
    "one too early": ("in bounds", "-1 … 28", lambda: over(i, loops.loop(j, [shifted(-1)]))),
    "an unguarded window": (
        "in bounds",
        "x lies in",
        lambda: over(j, loops.loop(i, [loops.store(y, everything, loops.load(x, diagonal))])),
    ),
    "an index nobody vouches for": (
        "in bounds",
        "∞",
        lambda: over(i, loops.store(y, at_i, loops.load(x, loops.load(ids, at_i)))),
    ),
    "all at one place": ("race free", "i may meet in y", lambda: over(i, loops.store(y, 0, half))),
    "neighbours overlap": (
        "race free",
        "i may meet in y",
        lambda: over(i, loops.loop(j, [loops.store(y, plus((at_i, 4), (at_j, 1)), half)])),
    ),
    "the next place is read": (
        "race free",
        "load",
        lambda: over(n, loops.store(weight, at_n, loops.load(weight, index.shift(at_n, 1)))),
    ),
    "an unordered running sum": (
        "race free",
        "t may meet",
        lambda: over(
            None,
            loops.loop(
                t, [loops.store(weight, index.shift(at_t, 1), loops.load(weight, at_t))], ordered=False
            ),
        ),
    ),
    "rows scattered by threads": (
        "race free",
        "i may meet in w",
        lambda: program(checking(), Kernel("k", i, (loops.accumulate(weight, row, half),))),
    ),
    "scratch before it is written": (
        "initialised",
        "nothing before",
        lambda: over(i, loops.store(out, at_i, loops.load(y, at_i))),
    ),
    "every other element": (
        "initialised",
        "nothing before",
        lambda: over(
            None,
            loops.loop(EVEN, [even_store()]),
            loops.loop(n, [loops.store(weight, at_n, loops.load(y, at_n))]),
        ),
    ),
    "rows without their last column": (
        "initialised",
        "all of this output",
        lambda: over(i, loops.loop(j, [loops.store(out, everything, half, loops.lt(at_j, 4))])),
    ),
    "what the loop stores too late": (
        "initialised",
        "nothing before",
        lambda: over(None, loops.loop(t, [late], ordered=True)),
    ),
    "half an output": ("initialised", "all of this output", lambda: over(i, loops.store(out, at_i, half))),
    "a sum into nothing": (
        "initialised",
        "nothing before",
        lambda: over(None, loops.loop(i, [loops.accumulate(y, at_i, half)])),
    ),
    "a call on nothing": (
        "initialised",
        "all of y",
        lambda: program(Call("f", np.sin, (y,), ((30,),), buffer("z", 30, "scratch"), (30,))),
    ),
    "a check after a write": (
        "checks first",
        "too late",
        lambda: program(Kernel("u", i, (loops.store(weight, at_i, half),)), checking()),
    ),
    "a check beside a write": (
        "checks first",
        "too late",
        lambda: over(i, check, loops.store(weight, at_i, half)),
    ),
    "a promise nobody checked": (
        "promised",
        "looked at ids",
        lambda: over(i, loops.store(y, at_i, loops.load(x, row))),
    ),
    "a promise that its own kernel's check may break": (
        "promised",
        "does not end the kernel",
        lambda: over(i, check, loops.store(places, at_i, loops.load(ids, at_i)), relying()),
    ),
    "a promise checked at the same time": (
        "promised",
        "looked at ids",
        lambda: over(i, check, loops.store(y, at_i, loops.load(x, row))),
    ),
}  # fmt: skip


def raw(op: str, *args: Scalar) -> Scalar:
    return scalar(op, args, args[0].dtype)


def even_store() -> Statement:
    return loops.store(y, index.scale(loops.axis(EVEN), 2), half)


def shifted(by: int) -> Statement:
    return loops.store(y, index.shift(everything, by), half)


def checking() -> Kernel:
    return Kernel("check", i, (check,))


def replace_content() -> Buffer:
    return Buffer("three", 4, float32, "constant", np.ones(3, np.float32))


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_a_rule_is_refused(name: str) -> None:
    rule, word, make = REFUSED[name]
    found = violations(make())
    assert {violation.rule for violation in found} == {rule}, found
    assert any(word in violation.why for violation in found), found
    with pytest.raises(LoopError, match=rule):
        verify(make())


def test_every_rule_has_an_example() -> None:
    assert {rule for rule, _, _ in REFUSED.values()} == set(RULES)


ACCEPTED: dict[str, Callable[[], Program]] = {
    "rows": lambda: over(i, fill),
    "columns": lambda: over(j, loops.loop(i, [loops.store(y, everything, half)])),
    "a merged body": lambda: over(
        i,
        fill,
        loops.loop(k, [loops.store(weight, corner, loops.load(y, corner))]),
    ),
    "two halves of a row": lambda: halves(),
    "blocks of columns, the last one short": lambda: scattered(),
    "a padded window": lambda: over(
        t,
        loops.store(
            weight,
            at_t,
            loops.load(
                x,
                plus((at_t, 5), constant=-10),
                loops.and_(loops.ge(at_t, 2), loops.lt(at_t, 7)),
            ),
        ),
    ),
    "a place read back from quotient and remainder": lambda: transposed(),
    "a running sum, in order": lambda: over(
        None,
        loops.loop(t, [loops.store(weight, index.shift(at_t, 1), loops.load(weight, at_t))], ordered=True),
    ),
    "what the loop has stored before": lambda: over(None, loops.loop(t, [in_time], ordered=True)),
    "a place made safe beside its check": lambda: safe(),
    "one place writes for all": lambda: over(i, loops.store(weight, 0, half, loops.eq(at_i, 3))),
    "a guard that leaves one place": lambda: over(i, loops.loop(j, [guarded_to_one()])),
    "sums that meet in a loop": lambda: over(None, loops.loop(i, [loops.accumulate(weight, 0, half)])),
    "an index by argmax": lambda: by_argmax(),
    "an index clamped": lambda: over(
        i, loops.store(weight, at_i, loops.load(x, loops.min_(loops.max_(loops.load(ids, at_i), 0), 29)))
    ),
    "a row chosen outside the loop": lambda: program(
        checking(), Kernel("k", None, (loops.loop(i, [chosen()], ordered=True),))
    ),
    "an empty loop": lambda: over(i, loops.loop(Axis("none", 0), [loops.store(weight, 99, half)])),
}


def guarded_to_one() -> Statement:
    """What is read of w is what the same place of i stores, at j = 4."""
    place = plus((at_i, 1), (at_j, 1), constant=-4)
    return loops.store(weight, at_i, loops.load(weight, place, loops.ge(at_j, 4)), loops.eq(at_j, 4))


def relying() -> Statement:
    return loops.store(y, at_i, loops.load(x, loops.within(loops.load(places, at_i), 0, 5)))


def safe() -> Program:
    """What the check refuses is replaced, so the kernel may go on."""
    let, found = loops.let(loops.load(ids, at_i))
    fits = loops.and_(loops.ge(found, -5), loops.lt(found, 5))
    around = loops.where(loops.lt(found, 0), loops.add(found, 5), found)
    put, place = loops.let(loops.where(fits, around, 0))
    value = loops.load(x, loops.within(place, 0, 5))
    return over(i, let, loops.check(fits), put, loops.store(weight2, at_i, value))


def halves() -> Program:
    """Two loops share out the columns of a row; the third reads them all."""
    a, b = Axis("a", 2), Axis("b", 3)
    left = loops.loop(a, [loops.store(y, plus((at_i, 5), (loops.axis(a), 1)), half)])
    right = loops.loop(b, [loops.store(y, plus((at_i, 5), (loops.axis(b), 1), constant=2), half)])
    both = loops.loop(j, [loops.store(weight, everything, loops.load(y, everything))])
    return over(i, left, right, both)


def scattered() -> Program:
    """Rows added by threads that each have a block of columns, the last of them short."""
    d = loops.axis(short)
    value = loops.load(rows, plus((at_i, 50), (at_c, 32), (d, 1)))
    add = loops.accumulate(table, plus((row, 50), (at_c, 32), (d, 1)), value)
    body = loops.loop(i, [loops.loop(short, [add])], ordered=True)
    return program(checking(), Kernel("scatter", c, (body,)))


def transposed() -> Program:
    """A flat axis whose places are stored column by column."""
    p = Axis("p", 30)
    at = loops.axis(p)
    place = index.add(index.scale(index.mod(at, 5), 6), index.floordiv(at, 5))
    return over(p, loops.store(weight, place, loops.load(x, at)))


def by_argmax() -> Program:
    reduce, best = loops.reduce("argmax", loops.load(x, everything), j)
    return over(i, reduce, loops.store(weight, at_i, loops.load(x, index.add(index.scale(at_i, 5), best))))


def chosen() -> Statement:
    return loops.loop(j, [loops.store(weight, index.add(index.scale(row, 5), at_j), half)])


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_legal_is_accepted(name: str) -> None:
    verify(ACCEPTED[name]())


def test_the_error_says_which_rule_where_and_why() -> None:
    with pytest.raises(LoopError) as caught:
        verify(over(None, loops.loop(i, [loops.loop(j, [shifted(1)])])))
    assert str(caught.value) == (
        "rule 'in bounds' broken in the kernel k\n"
        "  where: y[5*i + j + 1] = 0.5\n"
        "  mend:  the offset into y lies in 1 … 30, and there are 30 elements"
    )
