"""The usual slips of a derivative rule: ops as people write them, each with one, and its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientCheckError
from chainrule.graph import Node, Op

RNG = np.random.default_rng(23)
V = RNG.uniform(0.3, 0.9, size=5) * np.array([1, -1, 1, 1, -1])
P = RNG.uniform(0.5, 2.0, size=5)
S = RNG.normal(size=(4, 4))
M, N = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5))


def op(forward: Callable[..., Any], vjp: Callable[..., Any]) -> Callable[..., Node]:
    """An op from its two rules, as a user writes them."""

    class Mine(Op):
        def forward(self, xp: Any, *values: Any) -> Any:
            return forward(xp, *values)

        def vjp(self, ct: Node, out: Node, *inputs: Node) -> Any:
            found = vjp(ct, out, *inputs)
            return found if isinstance(found, tuple) else (found,)

    return cr.define_op(Mine)


def soft(xp: Any, x: Any) -> Any:
    e = xp.exp(x)
    return e / xp.sum(e)


def mean_rows(xp: Any, x: Any) -> Any:
    return xp.mean(x, axis=1)


def spread(ct: Node, x: Node) -> Node:
    return cr.broadcast_to(ct[:, None], x.shape)


def relu_like(xp: Any, x: Any) -> Any:
    return xp.where(x > 0, x, 0.1 * x)


def running(xp: Any, x: Any) -> Any:
    return xp.cumulative_sum(x, axis=0)


def scale_rows(xp: Any, x: Any, y: Any) -> Any:
    return x * y


def product(xp: Any, x: Any, y: Any) -> Any:
    return xp.matmul(x, y)


# forward, vjp, inputs, what is named
SLIPS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...], str]] = {
    "sign": (lambda xp, x: xp.cos(x), lambda ct, y, x: ct * cr.sin(x), (V,), "the sign is wrong"),
    "upstream forgotten": (
        lambda xp, x: xp.sin(x), lambda ct, y, x: cr.cos(x), (V,), "the rule does not use ct",
    ),
    "upstream twice": (
        lambda xp, x: xp.sin(x), lambda ct, y, x: ct * ct * cr.cos(x), (V,), "ct stands in it twice",
    ),
    "factor 2 forgotten": (
        lambda xp, x: x * x, lambda ct, y, x: ct * x, (V,), "off by the factor 0.5 everywhere: a factor 2",
    ),
    "half forgotten": (
        lambda xp, x: 0.5 * x * x, lambda ct, y, x: ct * 2 * x, (V,),
        "off by the factor 2 everywhere: a term",
    ),
    "chain factor": (
        lambda xp, x: xp.sin(x * x), lambda ct, y, x: ct * cr.cos(x * x), (V,),
        "a factor is missing: input 0 times 2",
    ),
    "power kept": (
        lambda xp, x: x**3, lambda ct, y, x: ct * 3 * x**3, (V,), "one factor too many: input 0",
    ),
    "value for derivative": (
        lambda xp, x: xp.sin(x), lambda ct, y, x: ct * y, (V,),
        "the op's value stands in the place of its derivative",
    ),
    "local derivative forgotten": (
        lambda xp, x: xp.tanh(x), lambda ct, y, x: ct + 0 * x, (V,), "the local derivative is missing",
    ),
    "input for output": (
        lambda xp, x: xp.tanh(x), lambda ct, y, x: ct * (1 - x * x), (V,),
        "the input stands in the place of the output",
    ),
    "output for input": (
        lambda xp, x: xp.sin(x), lambda ct, y, x: ct * cr.cos(y), (V,), "taken at the output f(x) instead of",
    ),
    "softmax's diagonal alone": (
        soft, lambda ct, y, x: ct * y * (1 - y), (V,), "only the diagonal of the Jacobian",
    ),
    "softmax without its diagonal": (
        soft, lambda ct, y, x: ct * y * y - y * cr.sum(ct * y), (V,),
        "the diagonal of the Jacobian is missing",
    ),
    "jvp for vjp": (
        running, lambda ct, y, x: cr.cumulative_sum(ct, axis=0), (V,), "the derivative must be transposed",
    ),
    "sum for mean": (
        mean_rows, lambda ct, y, x: spread(ct, x), (M,), "4 times too large: a sum where the op takes a mean",
    ),
    "mean for sum": (
        lambda xp, x: xp.sum(x, axis=1), lambda ct, y, x: spread(ct, x) / 4, (M,),
        "4 times too small: a mean where the op takes a sum",
    ),
    "first copy alone": (
        scale_rows, lambda ct, y, x, w: (ct * w, (ct * x)[0]), (M, RNG.normal(size=4)),
        "only the first copy is counted",
    ),
    "mean over the copies": (
        scale_rows, lambda ct, y, x, w: (ct * w, cr.mean(ct * x, axis=0)), (M, RNG.normal(size=4)),
        "a factor 3 is missing: the input is broadcast",
    ),
    "largest copy": (
        scale_rows, lambda ct, y, x, w: (ct * w, cr.max(ct * x, axis=0)), (M, RNG.normal(size=4)),
        "the largest copy is taken",
    ),
    "transposed result": (
        lambda xp, x: xp.matmul(x, x), lambda ct, y, x: (ct @ x.mT + x.mT @ ct).mT, (S,),
        "the result is transposed",
    ),
    "untransposed operand": (
        product, lambda ct, y, x, w: (ct @ w, x.mT @ ct), (S, RNG.normal(size=(4, 4))),
        "input 1 must be transposed in the rule for input 0",
    ),
    "swapped": (
        lambda xp, x, y: x * y * y, lambda ct, z, x, y: (ct * 2 * x * y, ct * y * y), (V, P),
        "the results for inputs 0 and 1 are swapped",
    ),
    "the other's derivative": (
        lambda xp, x, y: x * y, lambda ct, z, x, y: (ct * x, ct * x), (V, P),
        "the derivative with respect to input 1",
    ),
    "reversed": (
        lambda xp, x: xp.flip(x), lambda ct, y, x: ct, (V,), "the result is reversed along axis 0",
    ),
    "shifted": (
        lambda xp, x: xp.roll(x, 1), lambda ct, y, x: cr.roll(ct, 0) + 0 * x, (V,),
        "shifted by one place along axis 0",
    ),
    "a term too many": (
        lambda xp, x: xp.sin(x), lambda ct, y, x: ct * cr.cos(x) + ct, (V,),
        "ct itself is added once too often",
    ),
    "a case forgotten": (
        relu_like, lambda ct, y, x: cr.where(x > 0, ct, ct), (V,), "right but where input 0 is negative",
    ),
    "ignores the upstream's sign": (
        lambda xp, x: xp.abs(x), lambda ct, y, x: ct, (V,), "where input 0 is negative",
    ),
    "nothing for an input": (
        product, lambda ct, y, x, w: (None, x.mT @ ct), (M, N), "nothing flows to this input",
    ),
}  # fmt: skip


def told(name: str, **options: Any) -> str:
    forward, vjp, inputs, _ = SLIPS[name]
    mine = op(forward, vjp)
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(lambda *xs: cr.sum(cr.sin(mine(*xs))), *inputs, **options)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["full", "direction"])
@pytest.mark.parametrize("name", SLIPS)
def test_the_slip_is_named(name: str, mode: str) -> None:
    text = told(name, mode=mode)
    (hint,) = re.findall(r"hint: (.*)", text)
    assert SLIPS[name][3] in hint


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SLIPS)
def test_whatever_the_random_numbers(name: str, seed: int) -> None:
    assert SLIPS[name][3] in told(name, mode="direction", seed=seed)


def test_right_rules_pass_at_every_size() -> None:
    softmax = op(soft, lambda ct, y, x: y * (ct - cr.sum(ct * y)))
    for size in (1, 2, 7):
        cr.check_gradients(lambda x: cr.sum(cr.sin(softmax(x))), RNG.normal(size=size), order=2)


# -- the smallest shape ------------------------------------------------------------------------------------


def test_a_large_case_is_cut_to_the_smallest_that_fails() -> None:
    mine = op(product, lambda ct, y, x, w: (ct @ w.mT, -(x.mT @ ct)))
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(
            lambda x, w: cr.sum(cr.sin(mine(x, w))), RNG.normal(size=(40, 30)), RNG.normal(size=(30, 50))
        )
    text = str(caught.value)
    assert "smallest failing shapes: x (1, 1), w (1, 1)" in text
    assert "hint: the sign is wrong" in text
    assert "the rule's Jacobian [[" in text


def test_where_elements_must_meet_one_more_is_kept() -> None:
    text = told("softmax's diagonal alone")
    assert "smallest failing shapes: argument 0 (2,); with one element fewer the rule is right" in text


def test_where_copies_must_meet_two_are_kept() -> None:
    text = told("mean over the copies")
    assert "smallest failing shapes: argument 0 (2, 1), argument 1 (1,); with one element fewer" in text


def test_the_entry_at_fault_is_kept() -> None:
    """A rule that is wrong for one value alone is cut down to that value."""
    mine = op(lambda xp, x: x * x, lambda ct, y, x: ct * cr.where(cr.equal(x, 3.0), 5.0, 2 * x))
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(lambda x: cr.sum(mine(x)), np.array([1.0, 2.0, 3.0, 4.0]))
    assert "smallest failing shapes: x (1,)" in str(caught.value)
    assert "at x = [3.]" in str(caught.value)
    assert "the rule's Jacobian [[5.]], by differences [[6.]]" in str(caught.value)


# -- a forward that is not pure ------------------------------------------------------------------------------


def in_place(xp: Any, x: Any) -> Any:
    x *= 2
    return x


def drawn(xp: Any, x: Any) -> Any:
    return x * NOISE.normal()


NOISE = np.random.default_rng(0)
IMPURE = {
    "in place": (
        in_place,
        lambda ct, y, x: ct * 2,
        "its forward writes to its input 0, which other ops read too",
    ),
    "random": (drawn, lambda ct, y, x: ct, "its forward gives another result each time for the same inputs"),
}


@pytest.mark.parametrize("name", IMPURE)
def test_a_forward_that_is_not_pure_is_refused(name: str) -> None:
    forward, vjp, words = IMPURE[name]
    with pytest.raises(GradientCheckError, match=f"the op 'mine' is not pure: {words}"):
        cr.check_gradients(lambda x: cr.sum(op(forward, vjp)(cr.sin(x))), V)


def test_a_slip_of_a_large_op_is_named_too() -> None:
    large = RNG.normal(size=(60, 40))
    mine = op(mean_rows, lambda ct, y, x: spread(ct, x))
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(lambda x: cr.sum(cr.sin(mine(x))), large)
    assert "times too large: a sum where the op takes a mean" in str(caught.value)


def test_one_element_alone_says_nothing_about_the_slip() -> None:
    """Of a factor that fits nothing else only shapes and both Jacobians are told."""
    mine = op(lambda xp, x: xp.tanh(x), lambda ct, y, x: ct * (1 - y * y) * (1 + 0.1 * cr.sin(7 * x)))
    with pytest.raises(GradientCheckError) as caught:
        cr.check_gradients(lambda x: cr.sum(mine(x)), V)
    text = str(caught.value)
    assert "hint" not in text
    assert "smallest failing shapes: x (1,)" in text
