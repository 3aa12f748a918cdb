"""Rows that are named first: a kernel may put them in any order, and only if all that shows it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import float32, int64
from chainrule.loops import Axis, Buffer, Call, Kernel, Program, Scalar, Statement, Step, interpret

COUNT, SIZE, WIDTH = 6, 5, 3
rows, others = (Buffer(name, COUNT, int64, "constant", [4, 0, 4, 2, 0, 4]) for name in ("rows", "others"))
slots = Buffer("slots", SIZE, int64, "kept", fill=-1)
first, wrong, again = (Buffer(name, COUNT, int64) for name in ("first", "wrong", "again"))
read = Buffer("read", COUNT, float32)
table = Buffer("table", SIZE * WIDTH, float32, "variable")
new = Buffer("new", COUNT * WIDTH, float32, "input")
i, j = Axis("i", COUNT), Axis("j", WIDTH)
here, column = loops.axis(i), loops.axis(j)


def row_of(place: Scalar, source: Buffer = rows) -> Scalar:
    return loops.within(loops.load(source, place), 0, SIZE)


def name(into: Buffer = first, source: Buffer = rows, ordered: bool = True, least: int = 0) -> Statement:
    let, slot = loops.let(loops.load(slots, row_of(here, source)), "slot")
    empty = loops.lt(slot, least)
    body = [
        let,
        loops.store(slots, row_of(here, source), here, empty),
        loops.store(into, here, loops.within(loops.where(empty, here, slot), 0, COUNT)),
    ]
    return loops.loop(i, body, ordered)


def clear() -> Statement:
    return loops.loop(i, [loops.store(slots, row_of(here), -1)], ordered=True)


def put(condition: Scalar | None, source: Buffer = rows, old: bool = True) -> Statement:
    """Each row doubled, and something added, where the condition holds."""
    place = loops.index.add(loops.index.scale(row_of(here, source), WIDTH), column)
    value = loops.load(new, loops.index.add(loops.index.scale(here, WIDTH), column))
    if old:
        value = loops.add(value, loops.mul(loops.load(table, place), 2.0))
    body = loops.loop(j, [loops.store(table, place, value)])
    if condition is None:
        return body
    return loops.loop(Axis("if", 1, loops.where(condition, 1, loops.constant(0, int64))), [body])


def is_first(of: Buffer = first, place: Scalar = here) -> Scalar:
    return loops.eq(loops.load(of, place), place)


def serial(*body: Statement) -> Kernel:
    return Kernel("serial", None, body)


def shared(*body: Statement) -> Kernel:
    return Kernel("shared", i, body)


own = is_first()
straight = loops.store(
    table, loops.index.scale(row_of(here), WIDTH), loops.load(new, loops.index.scale(here, WIDTH)), own
)
ACCEPTED: dict[str, Sequence[Step]] = {
    "named by an earlier kernel": [serial(name(), clear()), shared(put(own))],
    "nothing of the table read": [serial(name()), shared(put(own, old=False))],
    "a guard of the store": [serial(name()), shared(straight)],
    "within one kernel": [serial(name(), loops.loop(i, [put(own)]), clear())],
    "something else written between": [
        serial(name()),
        shared(loops.store(again, here, here)),
        shared(put(own)),
    ],
    "the other side first": [serial(name()), shared(put(loops.eq(here, loops.load(first, here))))],
    "more conditions": [serial(name()), shared(put(loops.and_(own, loops.gt(here, 1))))],
}


def overwritten(buffer: Buffer) -> Kernel:
    return Kernel("over", i, (loops.store(buffer, here, loops.constant(0, int64)),))


calls = Call("call", lambda x: x, (wrong,), ((COUNT,),), first, (COUNT,))
named_mutable = Buffer("mutable", COUNT, int64)
REFUSED: dict[str, Sequence[Step]] = {
    "no condition": [serial(name()), shared(put(None))],
    "nobody named": [overwritten(first), shared(put(own))],
    "other first places": [serial(name()), overwritten(wrong), shared(put(is_first(wrong)))],
    "the rows of others": [serial(name()), shared(put(own, source=others))],
    "not the place itself": [
        serial(name()),
        shared(put(loops.eq(loops.load(first, here), loops.index.add(here, loops.index.number(-1))))),
    ],
    "the others": [serial(name()), shared(put(loops.ne(loops.load(first, here), here)))],
    "either": [serial(name()), shared(put(loops.or_(own, loops.gt(here, 1))))],
    "first places written since": [serial(name()), overwritten(first), shared(put(own))],
    "first places given by a call": [serial(name()), overwritten(wrong), calls, shared(put(own))],
    "rows written since": [
        overwritten(named_mutable),
        serial(name(source=named_mutable)),
        overwritten(named_mutable),
        shared(put(own, source=named_mutable)),
    ],
    "first places written in the kernel": [
        serial(name()),
        shared(put(own), loops.store(first, here, loops.constant(0, int64))),
    ],
    "named later": [overwritten(first), shared(put(own)), serial(name())],
    "named later in the kernel": [
        overwritten(first),
        serial(loops.loop(i, [put(own)]), name()),
    ],
    "another mark of emptiness": [serial(name(least=3)), shared(put(own))],
    "a read without the condition": [
        serial(name()),
        shared(put(own), loops.store(read, here, loops.load(table, loops.index.scale(row_of(here), WIDTH)))),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED)
def test_rows_named_first_may_be_put_in_any_order(case: str) -> None:
    program = Program(tuple(ACCEPTED[case]))
    loops.verify(program)
    found = []
    for order in (range, lambda n: reversed(range(n))):
        memory = {
            table: np.arange(SIZE * WIDTH, dtype="f"),
            new: np.random.default_rng(1).standard_normal(COUNT * WIDTH).astype("f"),
        }
        assert interpret(program, memory, order)
        found.append(memory[table])
    np.testing.assert_array_equal(*found)
    assert (found[0] != np.arange(SIZE * WIDTH)).any()


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_show_it_is_refused(case: str) -> None:
    found = [v for v in loops.violations(Program(tuple(REFUSED[case]))) if "table" in v.why]
    assert {v.rule for v in found} == {"race free"}


def broken(change: Callable[[list[Statement]], object]) -> Statement:
    loop = name()
    assert isinstance(loop, loops.Loop)
    body = list(loop.body)
    change(body)
    return loops.loop(i, body, ordered=True)


BROKEN: dict[str, Callable[[list[Statement]], object]] = {
    "marks are always written": lambda b: b.__setitem__(1, loops.store(slots, row_of(here), here)),
    "another number marks": lambda b: b.__setitem__(
        1, loops.store(slots, row_of(here), loops.index.scale(here, 2), b[1].where)
    ),
    "another row is marked": lambda b: b.__setitem__(1, loops.store(slots, 0, here, b[1].where)),
    "only places": lambda b: b.__setitem__(2, loops.store(first, here, here)),
    "the choice turned": lambda b: b.__setitem__(
        2, loops.store(first, here, loops.where(b[1].where, b[2].value.args[0].args[2], here))
    ),
    "elsewhere": lambda b: b.__setitem__(
        2, loops.store(first, loops.index.shift(loops.index.scale(here, -1), COUNT - 1), b[2].value)
    ),
    "more is done": lambda b: b.append(loops.store(slots, 0, loops.constant(-1, int64))),
    "nothing is marked": lambda b: b.pop(1),
}


@pytest.mark.parametrize("case", BROKEN)
def test_loops_of_another_form_show_nothing(case: str) -> None:
    program = Program((serial(broken(BROKEN[case])), shared(put(own))))
    assert "race free" in {v.rule for v in loops.violations(program)}


def test_random_loops_that_show_it_name_rows_that_differ() -> None:
    rng = np.random.default_rng(2)
    for start in (-1, 0, 3, -7):  # whatever the slots hold at the beginning
        for _ in range(20):
            given = Buffer("given", COUNT, int64, "input")
            program = Program((serial(name(source=given)),))
            memory = {given: rng.integers(0, SIZE, COUNT), slots: np.full(SIZE, start)}
            assert interpret(program, memory)
            firsts = [n for n in range(COUNT) if memory[first][n] == n]
            named = [int(memory[given][n]) for n in firsts]
            assert len(set(named)) == len(named)


def test_a_condition_of_one_place_says_what_holds() -> None:
    inside = loops.where(loops.lt(here, 3), 1, loops.constant(0, int64))
    short = Buffer("short", 3, float32)
    store = loops.store(short, here, loops.constant(0.5, float32))
    loops.verify(Program((shared(loops.loop(Axis("if", 1, inside), [store])),)))
    turned = loops.where(loops.lt(here, 3), 0, loops.constant(1, int64))
    refused = loops.violations(Program((shared(loops.loop(Axis("if", 1, turned), [store])),)))
    assert [v.rule for v in refused] == ["in bounds"]


def test_a_table_of_one_row_is_put_by_one_place() -> None:
    single = Buffer("single", WIDTH, float32, "variable")
    let, slot = loops.let(loops.load(slots, loops.within(loops.load(rows, here), 0, 1)), "slot")
    row = loops.within(loops.load(rows, here), 0, 1)
    empty = loops.lt(slot, 0)
    named = [
        let,
        loops.store(slots, row, here, empty),
        loops.store(first, here, loops.where(empty, here, slot)),
    ]
    place = loops.index.add(loops.index.scale(row, WIDTH), column)
    stored = loops.loop(j, [loops.store(single, place, loops.load(new, column))])
    once = Axis("if", 1, loops.where(own, 1, loops.constant(0, int64)))
    loops.verify(Program((serial(loops.loop(i, named, ordered=True)), shared(loops.loop(once, [stored])))))
    refused = loops.violations(Program((serial(loops.loop(i, named, ordered=True)), shared(stored))))
    assert {v.rule for v in refused} == {"race free"}
