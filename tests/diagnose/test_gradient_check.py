"""The gradient check: right rules pass, and each kind of wrong rule is named for what it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, GradientCheckError
from chainrule.graph import Node, Op, apply
from chainrule.ops import Composite, Elementwise

# -- ops whose derivative rule has a known mistake ----------------------------------------------------------


class Cubed(Elementwise):
    """x³ with the wrong sign."""

    def forward(self, xp: Any, x: Any) -> Any:
        return x * x * x

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (-3 * x * x * ct,)


class Doubled(Cubed):
    """x³ with twice the slope."""

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (6 * x * x * ct,)


class Upstreamless(Cubed):
    """x³ without the cotangent."""

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (3 * x * x,)


class FactorMissing(Cubed):
    """x³ with 3x for 3x²."""

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (3 * x * ct,)


class Silent(Cubed):
    """x³ that passes nothing back."""

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (None,)


class OneEntry(Cubed):
    """x³, right except where x is 2."""

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (cr.where(cr.equal(x, 2.0), 5.0, 3 * x * x) * ct,)


class Times(Elementwise):
    """x·y, whose second rule averages over the broadcast axis."""

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return x * y

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        return ct * y, cr.mean(ct * x, axis=0)


class Swapped(Times):
    """x·y with the two results exchanged."""

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        return ct * x, ct * y


class Turned(Op):
    """The transpose of a square matrix, whose rule forgets to turn back."""

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.permute_dims(x, (1, 0))

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct,)


class Shifted(Cubed):
    """x³ with a term too many."""

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (3 * x * x * ct + 0.5,)


class SecondWrong(Cubed):
    """x³ whose own rule is right, and whose derivative's derivative is not."""

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * apply(_SLOPE, x),)


class Slope(Elementwise):
    """3x², with a wrong rule."""

    def forward(self, xp: Any, x: Any) -> Any:
        return 3 * x * x

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (3 * x * ct,)


_SLOPE = Slope()


class Nested(Composite):
    """exp(x³) through the wrong rule: the composite has no rule of its own."""

    def build(self, x: Node) -> Node:
        return cr.exp(apply(Cubed(), x))


RNG = np.random.default_rng(7)
VECTOR = np.array([0.5, 1.0, 2.0, -1.5])
MATRIX = RNG.normal(size=(3, 3))

# the function, its inputs, the op at fault, the input and entry, words of the hint
MISTAKES: dict[str, tuple[Callable[..., Node], tuple[Any, ...], str, int, str]] = {
    "sign": (lambda x: apply(Cubed(), x), (VECTOR,), "cubed", 0, "the sign is wrong"),
    "factor 2": (lambda x: apply(Doubled(), x), (VECTOR,), "doubled", 0, "off by the factor 2 everywhere"),
    "no ct": (lambda x: apply(Upstreamless(), x), (VECTOR,), "upstreamless", 0, "does not use ct"),
    "factor x": (
        lambda x: apply(FactorMissing(), x), (VECTOR,), "factor_missing", 0, "a factor is missing: input 0",
    ),
    "None": (lambda x: apply(Silent(), x), (VECTOR,), "silent", 0, "nothing flows to this input"),
    "one entry": (lambda x: apply(OneEntry(), x), (VECTOR,), "one_entry", 0, ""),
    "broadcast": (
        lambda x, y: apply(Times(), x, y), (np.outer([1, 2, 3], [1, 1.5]), np.array([1.0, 2.0])),
        "times", 1, "the input is broadcast",
    ),
    "averaged": (
        lambda x, y: apply(Times(), x, y), (np.outer([1, 1, 1], [1, 1.5]), np.array([1.0, 2.0])),
        "times", 1, "is broadcast",
    ),
    "swapped": (
        lambda x, y: apply(Swapped(), x, y), (VECTOR, VECTOR[::-1].copy()), "swapped", 0,
        "the results for inputs 0 and 1 are swapped",
    ),
    "transposed": (lambda x: apply(Turned(), x), (MATRIX,), "turned", 0, "the result is transposed"),
    "term": (lambda x: apply(Shifted(), x), (VECTOR,), "shifted", 0, ""),
    "in a composite": (lambda x: apply(Nested(), x), (VECTOR,), "cubed", 0, "the sign is wrong"),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["full", "direction"])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_rule_is_named(name: str, mode: Any) -> None:
    build, inputs, op, number, words = MISTAKES[name]
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(
            lambda *xs: cr.sin(build(*[x * 1.25 for x in xs])), *[x / 1.25 for x in inputs], mode=mode
        )
    told = str(caught.value)
    assert told.startswith(f"the derivative rule of '{op}' is wrong\n  {op}, input {number} (")
    assert "test_gradient_check.py:" in caught.value.where
    assert words in told
    assert "analytic" in told
    assert "numerical" in told


def test_the_entry_and_both_values_are_told() -> None:
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(lambda x: cr.sum(apply(OneEntry(), x)), VECTOR)
    told = str(caught.value)
    assert "entry [2], whose value is 2: derivative of output entry [2]" in told
    assert re.search(r"analytic 5 +numerical 12 +ratio 0\.41666", told)
    assert "seen from outside (first derivatives):" in told


def test_the_first_wrong_op_in_forward_order_is_blamed() -> None:
    with pytest.raises(GradientCheckError, match="rule of 'doubled' is wrong"):
        cr.check_gradients(lambda x: cr.sum(apply(Cubed(), apply(Doubled(), x))), VECTOR)


def test_second_order_finds_what_first_order_cannot() -> None:
    def f(x: Node) -> Node:
        return cr.sum(apply(SecondWrong(), x))

    assert cr.check_gradients(f, VECTOR).worst.difference < 1e-8
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(f, VECTOR, order=2)
    assert "the derivative rule of 'slope' is wrong" in str(caught.value)
    assert "off by the factor 0.5" in str(caught.value)
    assert "(second derivatives)" in str(caught.value)


# -- right rules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "slope", "moved"), [(1.0, 3, "1.0303"), (4.0, 48, "64.4812")])
def test_the_cube_of_the_lecture(x: float, slope: int, moved: str) -> None:
    report = cr.check_gradients(lambda x: x**3, x)
    (entry,) = report.entries
    assert entry.analytic == slope
    assert entry.numerical == pytest.approx(slope, rel=1e-11)
    promised = x**3 + 0.01 * slope
    assert str(report).endswith(
        f"nudged by 0.01: f({x + 0.01:g}) = {moved}, "
        f"and the slope promises {x**3:g} + 0.01 × {slope} = {promised:g}"
    )


@settings(deadline=None, max_examples=20)
@given(
    shape=st.lists(st.integers(0, 3), max_size=2).map(tuple),
    seed=st.integers(0, 2**16),
    mode=st.sampled_from(["full", "direction"]),
)
def test_smooth_functions_pass_to_second_order(shape: tuple[int, ...], seed: int, mode: Any) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=shape), rng.uniform(0.5, 2.0, size=shape)
    report = cr.check_gradients(lambda x, y: cr.tanh(x * y) / cr.sqrt(y) + x**3, x, y, order=2, mode=mode)
    assert report.worst is None or report.worst.difference < 1e-7


def test_entries_are_those_of_the_jacobian() -> None:
    x = np.array([1.0, 2.0])
    report = cr.check_gradients(lambda x: cr.stack([x[0] * x[1], x[0] + 3 * x[1]]), x, mode="full")
    found = np.array([entry.numerical for entry in report.entries]).reshape(2, 2).T
    np.testing.assert_allclose(found, [[2, 1], [1, 3]], atol=1e-9)
    assert [entry.of for entry in report.entries] == ["f[0]", "f[1]", "f[0]", "f[1]"]
    assert [entry.wrt for entry in report.entries] == ["x[0]", "x[0]", "x[1]", "x[1]"]


def test_directions_cost_the_same_whatever_the_size() -> None:
    small = cr.check_gradients(lambda x: cr.sin(x), np.ones(3), mode="direction")
    large = cr.check_gradients(lambda x: cr.sin(x), np.ones((50, 60)))
    assert (small.mode, large.mode) == ("direction", "direction")
    assert small.evaluations == large.evaluations < 12


def test_float32_variables_are_checked_in_float64() -> None:
    w = cr.variable([0.3, -0.7], name="w")
    x = cr.placeholder((2,), name="x")
    report = cr.check_gradients(cr.sum(cr.sigmoid(w * x) * 0.1), feed={x: [1.0, 2.0]})
    assert report.dtype == "float64"
    assert {entry.wrt for entry in report.entries} == {"w[0]", "w[1]", "x[0]", "x[1]"}
    assert report.worst.difference < 1e-10


def test_a_variable_that_a_function_reads() -> None:
    w = cr.variable([0.3, -0.7], name="w")
    report = cr.check_gradients(lambda x: cr.sum(w * x), np.array([3.0, 5.0]), wrt=[w])
    assert [(entry.wrt, entry.analytic) for entry in report.entries] == [("w[0]", 3.0), ("w[1]", 5.0)]


def test_trees_integers_and_several_results() -> None:
    def f(pair: Any, index: Node) -> Any:
        return pair["a"] * pair["b"], cr.sum(pair["a"]) + index

    report = cr.check_gradients(f, {"a": np.ones(2), "b": np.full(2, 3.0)}, 4)
    assert {entry.wrt for entry in report.entries} == {
        "pair.0[0]", "pair.0[1]", "pair.1[0]", "pair.1[1]",
    }  # fmt: skip
    assert {entry.of for entry in report.entries} == {"f.0[0]", "f.0[1]", "f.1"}


def test_stop_gradient_is_held_fixed() -> None:
    report = cr.check_gradients(lambda x: x * cr.stop_gradient(x), 3.0)
    assert report.entries[0].analytic == 3
    assert report.entries[0].numerical == pytest.approx(3)


def test_what_does_not_reach_the_output_is_zero() -> None:
    report = cr.check_gradients(lambda x, y: cr.sum(x * x), np.ones(2), np.ones(2), order=2)
    assert [entry.numerical for entry in report.entries if entry.of == "f"] == pytest.approx([2, 2, 0, 0])


# -- where there is no derivative, and where nothing can be told ------------------------------------------


@pytest.mark.parametrize("mode", ["full", "direction"])
def test_a_kink_is_reported_and_not_blamed(mode: Any) -> None:
    report = cr.check_gradients(lambda x: cr.sum(cr.maximum(x, 0)), np.array([1.0, 0.0, -1.0]), mode=mode)
    (kink,) = report.kinks
    assert (kink.node.op.name, kink.entry, kink.left, kink.right) == ("maximum", (1,), 0, 1)
    assert "not differentiable here: maximum, input 0 (x, shape (3,)), entry [1]: slope 0" in str(report)


def test_a_kink_close_by_is_stepped_around() -> None:
    report = cr.check_gradients(lambda x: cr.abs(x), np.array([1e-5, -1e-5]))
    assert report.kinks == ()
    assert report.worst.difference < 1e-6


def test_a_wrong_rule_at_a_kink_is_still_wrong() -> None:
    class Ramp(Elementwise):
        def forward(self, xp: Any, x: Any) -> Any:
            return xp.maximum(x, 0)

        def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
            return (cr.where(x > 0, 2 * ct, 0),)

    with pytest.raises(GradientCheckError, match="the derivative rule of 'ramp' is wrong"):
        cr.check_gradients(lambda x: apply(Ramp(), x), np.array([0.0]))


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "complex": (
        lambda: cr.check_gradients(lambda x: x * x, np.array([1j])), DTypeError,
        "check_gradients: complex inputs; derivatives here are of real functions\n"
        "  where: *\n"
        "  mend:  pass the real and the imaginary part as two inputs",
    ),
    "integers": (
        lambda: cr.check_gradients(lambda x: x * x, 3), DTypeError,
        "check_gradients: there is no float input to differentiate\n"
        "  where: *\n"
        "  mend:  pass floats (3.0, not 3)",
    ),
    "tolerance": (
        lambda: cr.check_gradients(lambda x: x * x, 3.0, dtype="float32", rtol=1e-6), ArgumentError,
        "check_gradients: rtol=1e-06 means nothing in float32, "
        "where differences are good to about 2e-04 at best\n"
        "  where: *\n"
        "  mend:  check in float64 (the default), or use rtol=1e-2",
    ),
    "mode": (
        lambda: cr.check_gradients(lambda x: x * x, 3.0, mode="most"), ArgumentError,  # type: ignore[arg-type]
        "check_gradients: mode='most'\n  where: *\n  mend:  'auto', 'direction' or 'full'",
    ),
    "not finite": (
        lambda: cr.check_gradients(lambda x: cr.log(x), -1.0), GradientCheckError,
        "f: the function is not finite at this point\n"
        "  log first gives NaN (1 of 1 elements are not finite)\n"
        "    written at: *\n"
        "    input 0: x = -1\n"
        "    why: log of a negative number\n"
        "    mend: keep the argument above 0*\n"
        "  where: *\n"
        "  mend:  check at a point inside the domain",
    ),
    "blurred": (
        lambda: cr.check_gradients(lambda x: x + 1e6, 1.0, dtype="float32"), GradientCheckError,
        "f: float32 cannot tell: rounding in f (of size 1e+06) "
        "blurs its differences by more than the derivative\n"
        "*mend:  check in float64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, error, pattern = REFUSED[name]
    with pytest.raises(error) as caught:
        call()
    expected = ".*".join(map(re.escape, pattern.split("*")))
    assert re.fullmatch(expected, str(caught.value), re.DOTALL), str(caught.value)


def test_float32_says_what_it_can_reach() -> None:
    report = cr.check_gradients(lambda x: cr.exp(x), 1.0, dtype="float32")
    assert "float32 differences are good to about 2e-04 at best" in str(report)
    assert report.worst.difference < report.attainable
