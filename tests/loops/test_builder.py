"""The constructors: one for every operation, what they refuse, and what they fold without changing a bit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64, uint32
from chainrule.errors import LoopError
from chainrule.loops import BINARY, REDUCTIONS, UNARY, Axis, Buffer, Program, Scalar, index, interpret, scalar

i = loops.axis(Axis("i", 8))
x, y = loops.load(Buffer("x", 8, float32), i), loops.load(Buffer("y", 8, float32), i)
z = loops.load(Buffer("z", 8, float64), i)
n, m = loops.load(Buffer("n", 8, int32), i), loops.load(Buffer("m", 8, int64), i)
u = loops.load(Buffer("u", 8, uint32), i)
p, q = loops.load(Buffer("p", 8, bool_), i), loops.load(Buffer("q", 8, bool_), i)

NAMED = {"abs": "abs_", "round": "round_", "not": "not_", "and": "and_", "or": "or_"}
NAMED |= {"min": "min_", "max": "max_", "pow": "pow_"}


@pytest.mark.parametrize("op", sorted(UNARY | BINARY))
def test_every_operation_has_a_constructor(op: str) -> None:
    make = getattr(loops, NAMED.get(op, op))
    operands = (x, y) if op not in ("and", "or", "xor", "shl", "shr", "not") else (n, loops.add(n, 1))
    made = make(*operands[: 1 if op in UNARY else 2])
    assert made.op == op
    assert make(*operands[: 1 if op in UNARY else 2]) is made  # equal expressions are one object
    assert make.__name__ == op


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "two floats of different widths": (lambda: loops.add(x, z), "add: operands of float32 and float64"),
    "a float and an integer": (lambda: loops.mul(x, n), "mul: operands of float32 and int32"),
    "two plain numbers": (lambda: loops.add(1, 2), "add: two plain numbers"),
    "integers divided": (lambda: loops.div(n, n), "div: operands are floats"),
    "integers' exponentials": (lambda: loops.exp(n), "exp: an operand of int32"),
    "the negative of a truth value": (lambda: loops.neg(p), "neg: an operand of bool"),
    "a float negated bit by bit": (lambda: loops.not_(x), "not: an operand of float32"),
    "floats and-ed": (lambda: loops.and_(x, y), "and: operands of float32"),
    "a float shifted": (lambda: loops.shl(x, y), "shl: operands of float32"),
    "booleans divided": (lambda: loops.floordiv(p, q), "floordiv: operands of bool"),
    "a number as a condition": (lambda: loops.where(n, x, y), "where: the condition is a int32"),
    "branches of two dtypes": (lambda: loops.where(p, x, z), "where: operands of float32 and float64"),
    "an fma of integers": (lambda: loops.fma(n, n, n), "fma: operands are floats"),
    "an fma of two widths": (lambda: loops.fma(x, z, x), "fma: operands of float32, float64 and float32"),
    "bits of another width": (lambda: loops.bitcast(x, int64), "differ in width"),
    "bits of a truth value": (lambda: loops.bitcast(p, int32), "differ in width"),
    "a cast to what there is not": (lambda: loops.cast(x, np.dtype("float16")), "no scalar has the dtype"),
    "a fraction as an integer": (lambda: loops.constant(0.5, int32), "0.5 is no int32"),
    "an integer that does not fit": (lambda: loops.constant(1 << 31, int32), "is no int32"),
    "a negative unsigned number": (lambda: loops.add(u, -1), "-1 is no uint32"),
    "a constant of what there is not": (lambda: loops.constant(1, np.dtype("int8")), "cannot have the dtype"),
    "a float as an index": (lambda: loops.within(x, 0, 3), "an index has an integer dtype"),
    "an int32 offset": (lambda: loops.load(Buffer("b", 3, float32), n), "the offset into b is a int32"),
    "a guard that is a number": (lambda: loops.load(Buffer("b", 3, float32), i, n), "the where is a int32"),
    "a value of another dtype": (
        lambda: loops.store(Buffer("b", 3, float32), i, z),
        "the value for b is a float64",
    ),
    "truth values added up in memory": (
        lambda: loops.accumulate(Buffer("b", 3, bool_), i, p),
        "b holds booleans",
    ),
    "a check of a number": (lambda: loops.check(n), "the condition is a int32"),
    "a reduction that is none": (lambda: loops.reduce("mean", x, Axis("k", 2)), "no reduction is called"),
    "a sum of truth values": (lambda: loops.reduce("sum", p, Axis("k", 2)), "sum: values of bool"),
    "any of numbers": (lambda: loops.reduce("any", x, Axis("k", 2)), "any: values of float32"),
    "a reduction over no axis": (lambda: loops.reduce("sum", x), "needs an axis"),
    "a kernel with a limit": (lambda: loops.kernel("k", Axis("i", 3, limit=i), []), "has a limit"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(LoopError, match=message):
        make()


def true() -> Scalar:
    return loops.constant(True, bool_)


FOLDED: dict[str, Callable[[], tuple[Scalar, Scalar]]] = {
    "times one": lambda: (loops.mul(x, 1), x),
    "one times": lambda: (loops.mul(1.0, x), x),
    "over one": lambda: (loops.div(x, 1.0), x),
    "less nought": lambda: (loops.sub(x, 0.0), x),
    "an integer plus nought": lambda: (loops.add(n, 0), n),
    "an integer times nought": lambda: (loops.mul(n, 0), loops.constant(0, int32)),
    "no shift": lambda: (loops.shl(u, 0), u),
    "the greater of one": lambda: (loops.max_(x, x), x),
    "both true": lambda: (loops.and_(p, true()), p),
    "either true": lambda: (loops.or_(p, true()), true()),
    "not not": lambda: (loops.not_(loops.not_(p)), p),
    "minus minus": lambda: (loops.neg(loops.neg(x)), x),
    "a choice of one": lambda: (loops.where(p, x, x), x),
    "a choice made": lambda: (loops.where(true(), x, y), x),
    "a choice made against": lambda: (loops.where(loops.not_(true()), x, y), y),
    "a cast to itself": lambda: (loops.cast(x, float32), x),
    "a cast number": lambda: (
        loops.cast(loops.constant(0.1, float64), float32),
        loops.constant(0.1, float32),
    ),
    "a bitcast to itself": lambda: (loops.bitcast(n, int32), n),
    "a whole number rounded": lambda: (loops.round_(n), n),
    "a size of what has no sign": lambda: (loops.abs_(u), u),
    "an integer is finite": lambda: (loops.isfinite(n), true()),
    "a guard that holds": lambda: (loops.load(B, i, loops.lt(i, 8)), loops.load(B, i)),
    "a guard that does not": lambda: (loops.load(B, i, loops.lt(i, 0)), loops.constant(0.0, float32)),
    "an index known to lie within": lambda: (loops.within(i, 0, 8), i),
    "truth to number to truth": lambda: (loops.cast(n, bool_), loops.ne(n, 0)),
    "indices added": lambda: (loops.add(loops.mul(i, 3), loops.sub(i, i)), index.scale(i, 3)),
    "an index over a number": lambda: (loops.floordiv(loops.add(loops.mul(i, 8), 5), 8), i),
    "numbers compared": lambda: (loops.lt(loops.constant(1, int32), 2), true()),
    "indices compared": lambda: (loops.ge(loops.add(i, 1), 1), true()),
}

B = Buffer("b", 8, float32)


@pytest.mark.parametrize("name", FOLDED)
def test_what_is_exact_is_folded(name: str) -> None:
    made, wanted = FOLDED[name]()
    assert made is wanted


KEPT: dict[str, Callable[[], Scalar]] = {
    "plus nought, which turns -0 into 0": lambda: loops.add(x, 0.0),
    "times nought, which is NaN of an infinity": lambda: loops.mul(x, 0.0),
    "less itself": lambda: loops.sub(x, x),
    "over itself": lambda: loops.div(x, x),
    "equal to itself, unless NaN": lambda: loops.eq(x, x),
    "integers that may wrap around": lambda: loops.floordiv(loops.mul(m, 4), 2),
    "a comparison that the bounds leave open": lambda: loops.lt(i, 7),
    "equality within the bounds": lambda: loops.eq(i, 3),
    "a number out of the range of its cast": lambda: loops.cast(loops.constant(1e10, float32), int32),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_not_exact_stays(name: str) -> None:
    assert KEPT[name]().op in ("add", "mul", "sub", "div", "eq", "lt", "floordiv", "cast")


def test_the_two_noughts_and_the_nans_are_constants_of_their_own() -> None:
    assert loops.constant(0.0, float32) is not loops.constant(-0.0, float32)
    assert loops.constant(float("nan"), float32) is loops.constant(float("nan"), float32)
    assert loops.constant(0.1, float32).payload == float(np.float32(0.1))
    assert loops.constant(np.float64(2), int32) is loops.constant(2, int32)


@settings(deadline=None, max_examples=60)
@given(
    dtype=st.sampled_from([int32, int64, uint32]),
    base=st.integers(-(2**63), 2**63 - 1),
    power=st.one_of(st.integers(0, 70), st.sampled_from([-1, -5, 2**31 - 1])),
    folded=st.booleans(),
)
def test_integer_powers_are_pythons_wrapped(dtype: DType, base: int, power: int, folded: bool) -> None:
    if dtype == uint32:
        power = abs(power)
    given_base, given_power = np.array([base]).astype(dtype), np.array([power], dtype)
    a, b, out = (
        Buffer(name, 1, dtype, role) for name, role in (("a", "input"), ("b", "input"), ("c", "output"))
    )
    exponent = loops.constant(power, dtype) if folded else loops.load(b, 0)
    value = loops.pow_(loops.load(a, 0), exponent)
    assert "pow" not in {part.op for part in loops.walk([value])}
    memory = {a: given_base, b: given_power}
    assert interpret(Program((loops.kernel("k", None, [loops.store(out, 0, value)]),)), memory)
    width = 8 * dtype.itemsize
    exact = pow(int(given_base[0]), power, 2**width) if power >= 0 else 0
    assert int(memory[out][0]) % 2**width == exact


def test_one_reduction_may_have_several_results() -> None:
    k = Axis("k", 3)
    statement, results = loops.reductions([k], [("max", x), ("argmax", x), ("all", p)])
    assert [part.kind for part in statement.parts] == ["max", "argmax", "all"]
    assert [result.dtype for result in results] == [float32, int64, bool_]
    assert [result.payload for result in results] == [part.local for part in statement.parts]
    assert {loops.reduced_dtype(kind, bool_ if kind in ("any", "all") else int32) for kind in REDUCTIONS} == {
        *(int32, int64, bool_)
    }


def test_a_walk_meets_each_scalar_once_and_operands_first() -> None:
    shared = loops.add(x, y)
    deep = shared
    for _ in range(5000):
        deep = loops.mul(deep, shared)
    order = loops.walk([deep, shared])
    assert len(order) == len(set(order)) == 5000 + 4  # and the products, x, y, their axis and their sum
    place = {value: number for number, value in enumerate(order)}
    assert all(place[a] < place[value] for value in order for a in value.args)


def test_scalars_live_no_longer_than_they_are_used() -> None:
    name = Axis("transient", 8)
    before = scalar("axis", (), int64, name).serial
    assert loops.axis(name).serial > before  # nobody held the first one


def test_threads_that_build_at_once_get_the_same_objects() -> None:
    source, place = Buffer("x", 1, float32), Axis("i", 9)

    def build() -> list[Scalar]:
        value = loops.load(source, 0)
        products = [value := loops.add(loops.mul(value, number + 2), value) for number in range(400)]
        return [index.shift(loops.axis(place), 3), *products]

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(lambda _: build(), range(8))
    assert all(a is b for other in others for a, b in zip(first, other, strict=True))
