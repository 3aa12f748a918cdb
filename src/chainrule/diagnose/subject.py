"""What a gradient check is of: outputs over leaves, at values, all floats in one dtype."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import DType, as_dtype, is_float
from ..errors import ArgumentError, DTypeError
from ..graph import (
    Array,
    Environment,
    Node,
    Placeholder,
    Variable,
    as_node,
    bind,
    placeholder,
    topological,
    user_place,
)
from ..trees import flatten, rebuild_tree
from .probe import retyped


class Subject(NamedTuple):
    """Outputs as functions of leaves, and the values of all leaves."""

    name: str
    outputs: list[Node]
    wrt: list[Node]
    labels: list[str]
    environment: Environment


def of_function(
    fn: Callable[..., Any],
    inputs: Sequence[Any],
    wrt: Sequence[Node | int] | Node | int | None,
    feed: Mapping[Any, Any] | None,
    dtype: DType,
) -> Subject:
    """A function on placeholders like its inputs, at their values."""
    values, tree = flatten(tuple(inputs))
    arrays = [_input(value, dtype) for value in values]
    labels = _argument_names(fn, inputs)
    leaves: list[Node] = [
        placeholder(array.shape, array.dtype, name=label) for array, label in zip(arrays, labels, strict=True)
    ]
    arguments = rebuild_tree(tree, leaves)
    outputs = [as_node(output) for output in flatten(fn(*arguments))[0]]
    environment = {**bind(feed), **dict(zip(leaves, arrays, strict=True))}
    if wrt is None:
        chosen = [leaf for leaf in leaves if is_float(leaf.dtype)]
    else:
        chosen = []
        for item in [wrt] if isinstance(wrt, Node | int) else wrt:
            chosen += flatten(arguments[item])[0] if isinstance(item, int) else [item]
    name = getattr(fn, "__name__", type(fn).__name__)
    return _subject("f" if name == "<lambda>" else name, outputs, chosen, environment, dtype)


def of_nodes(
    nodes: Any,
    inputs: Sequence[Any],
    wrt: Sequence[Node | int] | Node | int | None,
    feed: Mapping[Any, Any] | None,
    dtype: DType,
) -> Subject:
    """Nodes over their float variables and placeholders."""
    outputs = [nodes] if isinstance(nodes, Node) else list(nodes)
    if inputs or not all(isinstance(node, Node) for node in outputs):
        raise ArgumentError(
            "check_gradients takes a function and its inputs, or a node and feed={placeholder: array}",
            where=user_place(),
        )
    leaves = [n for n in topological(outputs) if isinstance(n, Variable | Placeholder) and is_float(n.dtype)]
    chosen: list[Any] = list(leaves) if wrt is None else list(wrt) if isinstance(wrt, Sequence) else [wrt]
    name = outputs[0].label if len(outputs) == 1 else "nodes"
    return _subject(name, outputs, chosen, bind(feed), dtype)


def _input(value: Any, dtype: DType) -> Array:
    array = value.value if isinstance(value, Node) else np.asarray(value)
    if np.iscomplexobj(array):
        raise DTypeError(
            "check_gradients: complex inputs; derivatives here are of real functions",
            where=user_place(),
            mend="pass the real and the imaginary part as two inputs",
        )
    array = np.asarray(array, as_dtype(array.dtype))
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _argument_names(fn: Callable[..., Any], inputs: Sequence[Any]) -> list[str]:
    """The function's own names for its arguments, numbered where one argument holds several arrays."""
    try:
        names = [
            p.name
            for p in inspect.signature(fn).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # a callable without a signature
        names = []
    names += [f"argument {number}" for number in range(len(names), len(inputs))]
    labels = []
    for name, value in zip(names, inputs, strict=False):
        count = len(flatten(value)[0])
        labels += [name] if count == 1 else [f"{name}.{number}" for number in range(count)]
    return labels


def _subject(
    name: str, outputs: list[Node], chosen: Sequence[Node], environment: Environment, dtype: DType
) -> Subject:
    floats = [output for output in outputs if is_float(output.dtype)]
    for leaf in chosen:
        if not isinstance(leaf, Variable | Placeholder) or not is_float(leaf.dtype):
            raise DTypeError(
                f"check_gradients: {leaf!r} is not a float variable or placeholder", where=user_place()
            )
    if not chosen or not floats:
        raise DTypeError(
            f"check_gradients: there is no float {'output' if chosen else 'input'} to differentiate",
            where=user_place(),
            mend="pass floats (3.0, not 3)",
        )
    typed, stand_ins = retyped(floats, dtype)
    full: Environment = {}
    for leaf in {**dict.fromkeys(chosen), **dict.fromkeys(topological(floats))}:
        if not isinstance(leaf, Variable | Placeholder):
            continue
        value = environment.get(leaf, leaf.array if isinstance(leaf, Variable) else None)
        if value is not None:
            new = stand_ins.get(leaf, leaf)
            full[new] = value.astype(new.dtype)
    # A leaf that the outputs do not depend on was not met by the walk; its derivative is 0.
    wrt = [stand_ins.get(leaf, leaf) for leaf in chosen]
    for leaf, new in zip(chosen, wrt, strict=True):
        if new.dtype is not dtype:
            wrt[wrt.index(new)] = substitute_leaf = placeholder(leaf.shape, dtype, name=leaf.label)
            full[substitute_leaf] = full[leaf].astype(dtype)
    return Subject(name, typed, wrt, [leaf.label for leaf in chosen], full)
