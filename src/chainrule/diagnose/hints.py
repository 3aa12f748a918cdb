"""What a wrong derivative rule probably got wrong, read off the pattern of its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..graph import Array, Node
from .probe import Probe, unflatten

_MOST = 512
"""Entries of an input beyond which the pattern is not worked out: each costs four evaluations."""


def hint(node: Node, probe: Probe, positions: Sequence[int], number: int, u: Array) -> str:
    """One line about input ``number`` of the probe, whose rule is known to be wrong; may be empty.

    ``positions`` says which inputs of ``node`` the probe's inputs stand for.
    """
    analytic = unflatten(probe.pullback(u), probe.inputs)
    own = analytic[number]
    if not own.any():
        return "nothing flows to this input: the rule gives None or zeros for it"
    if np.array_equal(probe.pullback(2 * u), probe.pullback(u)):
        return "the rule does not use ct: multiply the local derivative by it"
    if probe.n > _MOST:
        return ""
    numerical = unflatten(_numerical(probe, u), probe.inputs)
    return next(_patterns(node, probe, positions, number, analytic, numerical), "")


def _numerical(probe: Probe, u: Array) -> Array:
    found = np.zeros(probe.n)
    for j in range(probe.n):
        unit = np.zeros(probe.n)
        unit[j] = max(1.0, abs(probe.point[j]))
        found[j] = next(probe.differences(unit, u)).value[0] / unit[j]
    return found


def _patterns(
    node: Node,
    probe: Probe,
    positions: Sequence[int],
    number: int,
    analytic: list[Array],
    numerical: list[Array],
) -> Iterator[str]:
    rough = max(1e-5, 1e3 * probe.eps)

    def same(a: Array, b: Array) -> bool:
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=rough, atol=rough * _size(b)))

    got, want = analytic[number], numerical[number]
    if same(got, -want):
        yield "the sign is wrong"
    if got.ndim >= 2 and got.shape[-1] == got.shape[-2] and same(got, np.swapaxes(want, -1, -2)):
        yield "the result is transposed"
    for other, (a, b) in enumerate(zip(analytic, numerical, strict=True)):
        if other != number and same(got, b) and same(a, want):
            yield f"the results for inputs {positions[number]} and {positions[other]} are swapped"
    yield from _factors(probe, positions, got, want, same)
    if _stretched(got.shape, node.shape):
        yield "the input is broadcast: its gradient is the sum over the stretched axes, a term for each copy"
    shift = got - want
    if got.size > 1 and same(shift, np.full_like(shift, shift.mean())):
        yield f"off by {shift.mean():.6g} everywhere: a term is missing or one too many"


def _factors(
    probe: Probe,
    positions: Sequence[int],
    got: Array,
    want: Array,
    same: Callable[[Array, Array], bool],
) -> Iterator[str]:
    if not want.any():
        return
    factor = float(np.vdot(want, got) / np.vdot(want, want))
    if factor and same(got, factor * want):
        copies = probe.m // got.size if got.size and probe.m % got.size == 0 else 1
        if copies > 1 and np.isclose(factor * copies, 1, rtol=1e-4):
            yield f"a factor {copies} is missing: the input is broadcast, so sum over its copies"
        yield f"off by the factor {factor:.6g} everywhere"
    inputs = unflatten(probe.point, probe.inputs)
    candidates = [(f"input {place}", x) for place, x in zip(positions, inputs, strict=True)]
    if len(probe.outputs) == 1:
        candidates.append(("the output", probe.base.reshape(probe.outputs[0].shape)))
    for name, value in candidates:
        if value.shape == got.shape and np.ptp(value):
            if same(got, want * value):
                yield f"one factor too many: {name}"
            if same(got * value, want):
                yield f"a factor is missing: {name}"


def _stretched(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether an operand of ``shape`` was repeated to give ``result``."""
    padded = (1,) * (len(result) - len(shape)) + shape
    return (
        padded != result
        and len(padded) == len(result)
        and all(have in (1, want) for have, want in zip(padded, result, strict=True))
    )


def _size(array: Array) -> float:
    return float(np.abs(array).max()) if array.size else 0.0
