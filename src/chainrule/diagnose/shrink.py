"""The smallest shapes at which an op's derivative rule still fails: short enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ChainruleError
from ..graph import Array, Constant, Environment, Node, Op, apply, placeholder
from .probe import Probe

MOST = 512
"""Entries of the inputs up to which the slips of a rule are tried: each costs some evaluations."""
_TRIALS = 60
_SHOWN = 16
"""Entries of a Jacobian that are printed whole."""


class Alone(NamedTuple):
    """One op on stand-ins of its inputs, with the values they are bound to."""

    node: Node
    inputs: tuple[Node, ...]
    values: tuple[Array, ...]
    active: tuple[int, ...]
    """Which inputs derivatives are taken of."""

    @classmethod
    def of(
        cls, op: Op, attributes: Mapping[str, Any], arrays: Sequence[Array], like: Sequence[Node],
        active: Sequence[int],
    ) -> Alone:  # fmt: skip
        """The op on placeholders of the arrays' shapes, constants staying constants."""
        inputs = [
            child if isinstance(child, Constant) and child.shape == array.shape
            else placeholder(array.shape, child.dtype, name=child.label)
            for array, child in zip(arrays, like, strict=True)
        ]  # fmt: skip
        return cls(apply(op, *inputs, **attributes), tuple(inputs), tuple(arrays), tuple(active))

    def probe(self) -> Probe:
        """The op around its values."""
        bound: Environment = {
            x: value for x, value in zip(self.inputs, self.values, strict=True) if not isinstance(x, Constant)
        }
        return Probe([self.node], [self.inputs[number] for number in self.active], bound)


class Smallest(NamedTuple):
    """What is left of a failing op when nothing more can be taken away."""

    alone: Alone
    smaller_is_right: bool
    """Whether the rule is right as soon as one more axis is cut: the fault is in how elements meet."""
    jacobians: tuple[Array, Array] | None
    """By the rule and by differences, where they are small enough to print."""
    changed: bool
    """Whether anything could be cut."""
    moderate: Alone
    """The largest case met on the way whose slips can be tried: one element alone fits many by chance."""

    def lines(self) -> list[str]:
        """The case in a few lines, with both Jacobians where they are small."""
        if not self.changed and not self.smaller_is_right:
            return []
        shapes = ", ".join(f"{x.label} {x.shape}" for x in self.alone.inputs)
        told = [f"smallest failing shapes: {shapes}"]
        if self.smaller_is_right:
            told[0] += "; with one element fewer the rule is right"
        if self.jacobians is not None:
            analytic, numerical = self.jacobians
            values = ", ".join(
                f"{x.label} = {_text(value)}"
                for x, value in zip(self.alone.inputs, self.alone.values, strict=True)
            )
            told.append(f"  at {values}")
            told.append(f"  the rule's Jacobian {_text(analytic)}, by differences {_text(numerical)}")
        return told


def smallest(
    alone: Alone, fails: Callable[[Probe], bool], entry: Mapping[int, Sequence[int]]
) -> Smallest | None:
    """Cut axes as long as ``fails``; ``entry`` says of an input which place of its axes must stay.

    Axes of one length are cut together first (they are likely one), then each by itself.
    """
    trials, right = 0, False
    current, shrunk, moderate = alone, True, None
    while shrunk and trials < _TRIALS:
        shrunk = False
        for candidate in _cuts(current, entry):
            trials += 1
            verdict = _verdict(candidate, fails)
            if verdict:
                current, shrunk, right = candidate, True, False
                moderate = current if moderate is None and _entries(current) <= MOST else moderate
                break
            right = right or verdict is False
            if trials >= _TRIALS:
                break
    probe = current.probe()
    if not probe.n or not probe.m:
        return None
    jacobians = _jacobians(probe) if probe.n * probe.m <= _SHOWN else None
    changed = current is not alone
    return Smallest(current, right and trials < _TRIALS, jacobians, changed, moderate or current)


def _entries(alone: Alone) -> int:
    return sum(alone.values[number].size for number in alone.active)


def _jacobians(probe: Probe) -> tuple[Array, Array]:
    """One row an output, one column an input: by the rule, and by differences."""
    columns = []
    for j in range(probe.n):
        unit = np.zeros(probe.n)
        unit[j] = max(1.0, abs(probe.point[j]))
        columns.append(next(probe.differences(unit)).value / unit[j])
    return np.stack([probe.pullback(row) for row in np.eye(probe.m)]), np.stack(columns, axis=1)


def _verdict(candidate: Alone, fails: Callable[[Probe], bool]) -> bool | None:
    """Whether the rule fails there; None where the op cannot be built on such shapes."""
    try:
        probe = candidate.probe()
        if not probe.m or not np.isfinite(probe.base).all():
            return None
        return fails(probe)
    except (ChainruleError, ValueError, IndexError, TypeError, ArithmeticError):
        return None  # a user's own op may refuse in its own words


def _cuts(alone: Alone, entry: Mapping[int, Sequence[int]]) -> Iterator[Alone]:
    """The op on shorter axes, the shortest first."""
    axes = [(n, axis) for n, value in enumerate(alone.values) for axis in range(value.ndim)]
    lengths = sorted({alone.values[n].shape[axis] for n, axis in axes} - {0, 1}, reverse=True)
    groups = [[(n, a) for n, a in axes if alone.values[n].shape[a] == length] for length in lengths]
    groups += [[pair] for group in groups if len(group) > 1 for pair in group]
    for group in groups:
        length = alone.values[group[0][0]].shape[group[0][1]]
        for new in range(1, min(length, 4)):
            start = next((entry[n][a] for n, a in group if n in entry and a < len(entry[n])), 0)
            for first in dict.fromkeys((start % length, 0)):
                arrays = list(alone.values)
                keep = (np.arange(new) + first) % length
                for n, axis in group:
                    arrays[n] = np.take(arrays[n], keep, axis=axis)
                for attributes in _attributes(alone.node.attributes, length, new):
                    try:
                        yield Alone.of(alone.node.op, attributes, arrays, alone.inputs, alone.active)
                    except (ChainruleError, ValueError, IndexError, TypeError):
                        continue  # such shapes do not fit the op


def _attributes(attributes: Mapping[str, Any], old: int, new: int) -> Iterator[dict[str, Any]]:
    """The attributes as they are, and with the axis's length in them changed too."""
    yield dict(attributes)
    changed = {
        key: tuple(new if size == old else size for size in value) if isinstance(value, tuple) else value
        for key, value in attributes.items()
    }
    if changed != dict(attributes):
        yield changed


def _text(array: Array) -> str:
    return np.array2string(np.asarray(array), precision=4, separator=", ", suppress_small=True).replace(
        "\n", ""
    )
