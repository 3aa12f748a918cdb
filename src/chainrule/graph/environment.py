"""Environments: the values of nodes, which never live on the nodes themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import as_array, is_float, is_integer
from ..errors import ArgumentError, DTypeError, ShapeError, UnboundError
from .leaves import Constant, Placeholder, Variable
from .node import Node
from .op import Leaf
from .walks import topological

Array = NDArray[Any]
Environment = dict[Node, Array]


def bind(feed: Mapping[Any, Any] | None) -> Environment:
    """An environment from ``feed``, placeholder → array, each value checked against its leaf.

    Variables may be fed as well: the value then stands in for their own in this one evaluation.
    """
    environment: Environment = {}
    if feed is not None and not isinstance(feed, Mapping):
        raise ArgumentError(
            f"feed: a mapping is wanted, got {type(feed).__name__}",
            mend="name each placeholder: feed={x: array}",
        )
    for leaf, value in (feed or {}).items():
        if not isinstance(leaf, Placeholder | Variable):
            raise ArgumentError(
                f"feed: {leaf!r} is not a placeholder or a variable",
                mend="use the leaf itself as the key: feed={x: array}",
            )
        environment[leaf] = conform(leaf, value)
    return environment


def conform(leaf: Node, value: Any) -> Array:
    """``value`` as an array of the leaf's shape and dtype; no float becomes an integer on the way."""
    array = as_array(value)
    if array.shape != leaf.shape:
        raise ShapeError(
            f"feed: {leaf!r} has shape {leaf.shape}, the array given has {array.shape}",
            mend="reshape the array, or make a placeholder of that shape",
        )
    if array.dtype != leaf.dtype:
        if not np.can_cast(array.dtype, leaf.dtype, "same_kind") and not (
            (is_integer(leaf.dtype) or is_float(leaf.dtype)) and array.dtype.kind in "iub"
        ):
            raise DTypeError(
                f"feed: {leaf!r} is {leaf.dtype}, the array given is {array.dtype}",
                mend=f"convert it yourself: array.astype({leaf.dtype.name!r})",
            )
        converted = array.astype(leaf.dtype)
        if is_integer(leaf.dtype) and not np.array_equal(converted, array):
            raise DTypeError(
                f"feed: {leaf!r} is {leaf.dtype}, and the array given has values outside its range"
            )
        array = converted
    return array


def forward_pass(outputs: Sequence[Node], environment: Environment, xp: Any = np) -> list[Any]:
    """The values of ``outputs``: every node once, in topological order (Algorithm 5.3), all kept."""
    for node in topological(outputs, stop=environment.__contains__):
        if node in environment:
            continue
        if node.inputs or not isinstance(node.op, Leaf):
            values = [environment[child] for child in node.inputs]
            environment[node] = node.op.forward(xp, *values, **node.attributes)
        else:
            environment[node] = leaf_value(node, environment)
    return [environment[node] for node in outputs]


def leaf_value(leaf: Node, environment: Environment) -> Array:
    """The value of a leaf: what the environment says, else a constant's or a variable's own."""
    value = environment.get(leaf)
    if value is not None:
        return value
    if isinstance(leaf, Constant | Variable):
        return leaf.array
    raise UnboundError(
        f"the placeholder {leaf.label} has no value",
        where=str(leaf.origin),
        mend=f"give it one: feed={{{leaf.label}: an array of shape {leaf.shape} and dtype {leaf.dtype}}}",
    )
