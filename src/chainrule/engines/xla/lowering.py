"""From a graph to a function of jax arrays: each op's own ``forward``, node by node, traced once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...dtypes import is_float
from ...errors import DTypeError, ShapeError
from ...graph import CONSTANT, Array, Constant, Leaf, Node, topological
from ..stepper import run_op
from .array_functions import any_of, note, noting
from .setting import jax
from .shifted import product

WRITTEN_OUT = 1024
"""Bytes of a constant that may stand in the compiled text.  A larger one is an argument: baked in, sixteen
megabytes of numbers make a module of sixteen megabytes."""


class Lowered(NamedTuple):
    """A graph as a function: ``function(values of leaves) → (results, whether something must not be)``."""

    calls: dict[str, None]
    """The ops that turned out to call back to Python, when they were traced."""

    leaves: tuple[Node, ...]
    """Variables, placeholders, and the constants that are too large to be written out."""
    function: Callable[[Sequence[Any]], tuple[list[Any], Any]]


def lower(targets: Sequence[Node]) -> Lowered:
    """The function that computes ``targets``."""
    order = topological(targets)
    calls: dict[str, None] = {}
    leaves = tuple([node for node in order if isinstance(node.op, Leaf) and not _written_out(node)])

    def function(values: Sequence[Any]) -> tuple[list[Any], Any]:
        found = dict(zip(leaves, values, strict=True))
        with noting() as faults:
            for node in order:
                if node not in found:
                    value = product(node, found)
                    if value is None:
                        value = _value(node, [found[child] for child in node.inputs], calls)
                    found[node] = value
        return [found[target] for target in targets], any_of(faults)

    return Lowered(calls, leaves, function)


def _written_out(node: Node) -> bool:
    return isinstance(node, Constant) and node.array.nbytes <= WRITTEN_OUT


def _value(node: Node, inputs: list[Any], calls: dict[str, None]) -> Any:
    xp, errors = jax().numpy, jax().errors
    if node.op is CONSTANT:
        return xp.asarray(node.array)  # type: ignore[attr-defined]  # a Constant: no other node has this op
    try:
        value = node.op.forward(xp, *inputs, **node.attributes)
    except (errors.TracerArrayConversionError, errors.ConcretizationTypeError):
        # It looks at values, or gives them to NumPy: only Python can run it.
        calls[node.op.name] = None
        shapes = jax().ShapeDtypeStruct(node.shape, node.dtype), jax().ShapeDtypeStruct((), np.bool_)
        value, fault = jax().pure_callback(partial(_in_python, node), shapes, *inputs)
        note(fault)
        return value
    if value.shape != node.shape:
        raise ShapeError(
            f"the forward of {node.op.name!r} gave shape {value.shape} under jax.numpy, not {node.shape}",
            where=str(node.origin),
        )
    if value.dtype != node.dtype:
        raise DTypeError(
            f"the forward of {node.op.name!r} gave {value.dtype} under jax.numpy, not {node.dtype}",
            where=str(node.origin),
            mend="name the dtype in the op's forward: xp.zeros(shape, x.dtype), values.astype(…)",
        )
    return value


def not_finite(arrays: Sequence[Any]) -> Any:
    """Whether any float among them is NaN or infinite."""
    xp = jax().numpy
    bad = xp.zeros((), bool)
    for array in arrays:
        if is_float(np.dtype(array.dtype)) and array.size:
            bad = bad | ~xp.isfinite(array).all()
    return bad


def on_device(array: Array) -> Any:
    """A copy on the device: a jax array may share memory with the one it is made of, which may change."""
    return jax().device_put(array, may_alias=False)


def _in_python(node: Node, *values: Any) -> tuple[Array, bool]:
    """The value, and whether it could not be had: no exception may pass through compiled code."""
    try:
        with np.errstate(all="ignore"):
            return run_op(node, [np.asarray(value) for value in values]), False
    except Exception:  # the stepper will raise it again, where it can be seen
        return np.zeros(node.shape, node.dtype), True
