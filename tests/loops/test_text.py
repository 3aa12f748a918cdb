"""The text form, to the letter; and that the canonical one says all that matters and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from chainrule import loops
from chainrule.dtypes import DType, bool_, float32, float64, int32, int64
from chainrule.loops import Axis, Buffer, Call, Kernel, Program, canonical, format_program, index

GOLDEN = """\
buffers:
  x: input, 12 float32
  count: input, 3 int64
  y: output, 12 float32
  x_2: scratch, 3 float32
  seen: kept, 4 int32
  ok: scratch, 1 bool
kernel rows, each i < 3:
  reduce j < 4:
    %0 = x[4*i + j]
    sum = sum of %0 * %0
    argmax = argmax of neg(%0)
  scale = 0.5 / sqrt(sum + 1e-06)
  loop j_2 < 4 and count[i]:
    %1 = x[4*i + j_2]
    y[4*i + j_2] = where(%1 > 0.0, %1 * scale, 0.1)
  x_2[i] = float32(argmax) if sum != 0.0
kernel places, once:
  check count[2] <= 4
  in order i < 3:
    n = seen[within(count[i], 0, 4)]
    seen[within(count[i], 0, 4)] += int32(-i + 2) if and(n < 0, not(ok[0]))
    x_2[i] = x[2*i - 1 if i - 1 >= 0] - (x[0] - x[1]) * 2.0
y[3, 4] = call tidy(x[12], x_2[3])"""


def rows_program() -> Program:
    x, count = Buffer("x", 12, float32, "input"), Buffer("count", 3, int64, "input")
    y, other = Buffer("y", 12, float32, "output"), Buffer("x", 3, float32)
    seen, ok = Buffer("seen", 4, int32, "kept", fill=-1), Buffer("ok", 1, bool_)
    i, j = Axis("i", 3), Axis("j", 4)
    at_i, at_j = loops.axis(i), loops.axis(j)
    value = loops.load(x, index.ravel([at_i, at_j], (3, 4)))
    parts = [("sum", loops.mul(value, value)), ("argmax", loops.scalar("neg", (value,), float32))]
    reduce, (total, best) = loops.reductions([j], parts)
    let, scale = loops.let(loops.div(0.5, loops.sqrt(loops.add(total, 1e-6))), "scale")
    k = Axis("j", 4, limit=loops.load(count, at_i))
    place = index.ravel([at_i, loops.axis(k)], (3, 4))
    shown = loops.load(x, place)
    scaled = loops.where(loops.gt(shown, 0.0), loops.mul(shown, scale), 0.1)
    rows = loops.kernel(
        "rows",
        i,
        [
            reduce,
            let,
            loops.loop(k, [loops.store(y, place, scaled)]),
            loops.store(other, at_i, loops.cast(best, float32), loops.ne(total, 0.0)),
        ],
    )
    row = loops.within(loops.load(count, at_i), 0, 4)
    let_n, n = loops.let(loops.load(seen, row), "n")
    new = loops.and_(loops.lt(n, 0), loops.not_(loops.load(ok, 0)))
    left = index.shift(index.scale(at_i, -1), 2)
    before = loops.load(x, index.shift(index.scale(at_i, 2), -1), loops.ge(index.shift(at_i, -1), 0))
    change = loops.mul(loops.sub(loops.load(x, 0), loops.load(x, 1)), 2.0)
    body = [
        let_n,
        loops.accumulate(seen, row, loops.cast(left, int32), new),
        loops.store(other, at_i, loops.sub(before, change)),
    ]
    checked = loops.check(loops.le(loops.load(count, 2), 4))
    places = loops.kernel("places", None, [checked, loops.loop(i, body, ordered=True)])
    return Program((rows, places, Call("tidy", np.add, (x, other), ((12,), (3,)), y, (3, 4))))


def test_a_program_to_the_letter() -> None:
    assert format_program(rows_program()) == GOLDEN


def product(
    m: int = 4,
    dtype: DType = float32,
    kind: str = "sum",
    names: str = "mk",
    scale: float = 2.0,
    same: bool = False,
    stride: int = 5,
    role: str = "scratch",
    size: int = 0,
    ordered: bool = False,
) -> Kernel:
    """A kernel that each argument changes in one respect."""
    i, k = Axis(names[0], m), Axis(names[1], 5)
    x = Buffer(f"{names}x", m * stride + size, dtype, role)
    w = x if same else Buffer(f"{names}w", 5 + size, dtype, role)
    left = loops.load(x, index.add(index.scale(loops.axis(i), stride), loops.axis(k)))
    reduce, result = loops.reduce(kind, loops.mul(loops.mul(left, loops.load(w, loops.axis(k))), scale), k)
    out = Buffer(f"{names}y", m + size, dtype, role)
    store = loops.store(out, loops.axis(i), result)
    return loops.kernel(names, None, [loops.loop(i, [reduce, store], ordered)])


def test_the_canonical_text_to_the_letter() -> None:
    assert canonical(product()) == (
        "kernel, once:\n"
        "  loop i0 < 4:\n"
        "    reduce i1 < 5:\n"
        "      v0 = sum of b0:float32[5*i0 + i1] * b1:float32[i1] * 0x1.0000000000000p+1:float32\n"
        "    b2:float32[i0] = v0"
    )


@pytest.mark.parametrize("change", [{"names": "ab"}, {"role": "input"}, {"size": 7}])
def test_what_does_not_matter_to_code_is_not_in_the_key(change: dict[str, object]) -> None:
    assert canonical(product(**change)) == canonical(product())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"m": 3},
        {"dtype": float64},
        {"kind": "max"},
        {"scale": 2.0000002},
        {"same": True},
        {"stride": 6},
        {"ordered": True},
    ],
)
def test_what_matters_to_code_is_in_the_key(change: dict[str, object]) -> None:
    assert canonical(product(**change)) != canonical(product())  # type: ignore[arg-type]


def stored(make: Callable[[loops.Scalar], loops.Scalar], dtype: DType = float32) -> str:
    x, y = Buffer("x", 1, dtype), Buffer("y", 1, dtype)
    return canonical(loops.kernel("k", None, [loops.store(y, 0, make(loops.load(x, 0)))]))


def test_numbers_are_told_apart() -> None:
    texts = [stored(lambda x, n=n: loops.add(x, n)) for n in (0.0, -0.0, float("nan"), float("inf"), 0.1)]
    assert len(set(texts)) == 5
    assert stored(lambda x: loops.add(x, 0.1)) != stored(lambda x: loops.add(x, 0.1), float64)


def test_sums_keep_their_brackets() -> None:
    x, y, z = (loops.load(Buffer(name, 1, float32), 0) for name in "xyz")
    texts = {
        format_value(loops.add(loops.add(x, y), z)): "x[0] + y[0] + z[0]",
        format_value(loops.add(x, loops.add(y, z))): "x[0] + (y[0] + z[0])",
        format_value(loops.mul(loops.sub(x, y), z)): "(x[0] - y[0]) * z[0]",
        format_value(loops.sub(x, loops.mul(y, z))): "x[0] - y[0] * z[0]",
        format_value(loops.div(x, loops.mul(y, z))): "x[0] / (y[0] * z[0])",
        format_value(loops.mul(x, -2.0)): "x[0] * (-2.0)",
    }
    assert list(texts) == list(texts.values())


def format_value(value: loops.Scalar) -> str:
    return loops.format_statement(loops.Let(loops.Local("v"), value)).removeprefix("v = ")


def test_a_deep_and_shared_expression_has_a_short_text() -> None:
    x = loops.load(Buffer("x", 1, float32), 0)
    for _ in range(3000):
        x = loops.mul(x, x)
    text = format_value(x)
    assert len(text) < 3001 * 40
    for _ in range(3000):  # as deep, and nothing shared
        x = loops.add(x, 1.0)
    assert format_value(x)


def test_buffers_of_one_name_are_told_apart() -> None:
    one = product()
    loop = one.body[0]
    assert isinstance(loop, loops.Loop)
    again = replace(one, body=(loop, replace(loop, axis=loop.axis)))
    assert format_program(Program((again, product()))).count("mky_2") == 2
