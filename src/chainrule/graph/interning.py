"""The intern table: one node for one structure, held weakly."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..dtypes import DType
from ..errors import ChainruleError, ShapeError
from .misfit import Misfit
from .node import Node
from .op import Leaf, Op, Shape
from .operators import is_function
from .origins import NAMES, ORIGINS, Origin, capture, outermost_call

NO_ATTRIBUTES: Mapping[str, Any] = MappingProxyType({})

_serials = itertools.count()


class _Entry(weakref.ref["Node"]):
    """The intern table's hold on a node: weak, and knowing its key, so that it can clean up."""

    __slots__ = ("key", "serial")
    key: tuple[Any, ...] | None
    serial: int


_table: dict[tuple[Any, ...], _Entry] = {}
_entries: dict[int, _Entry] = {}  # keeps the entries of nodes that are not interned alive
_lock = threading.RLock()


def _forget(entry: _Entry) -> None:
    ORIGINS.pop(entry.serial, None)
    NAMES.pop(entry.serial, None)
    if entry.key is None:
        _entries.pop(entry.serial, None)
        return
    with _lock:  # another thread may be putting a new node in the place of this one
        if _table.get(entry.key) is entry:
            del _table[entry.key]


# The slots are set past __setattr__, by their descriptors.
_set_op, _set_inputs, _set_attributes, _set_shape, _set_dtype, _set_serial = (
    getattr(Node, slot).__set__ for slot in ("op", "inputs", "attributes", "shape", "dtype", "serial")
)


def new_node(
    kind: type[Node],
    key: tuple[Any, ...] | None,
    op: Op,
    inputs: tuple[Node, ...],
    attributes: Mapping[str, Any],
    shape: Shape,
    dtype: DType,
    *,
    origin: Origin | None = None,
    fill: Callable[[Any], None] | None = None,
) -> Any:
    """Allocate a node and enter it into the intern table (``key``) and the side tables.

    ``fill`` sets what else the kind of node holds, before anybody can find it in the table.
    """
    node = object.__new__(kind)
    serial = next(_serials)
    _set_op(node, op)
    _set_inputs(node, inputs)
    _set_attributes(node, attributes)
    _set_shape(node, shape)
    _set_dtype(node, dtype)
    _set_serial(node, serial)
    if fill is not None:
        fill(node)
    ORIGINS[serial] = capture() if origin is None else origin
    entry = _Entry(node, _forget)
    entry.key, entry.serial = key, serial
    if key is None:
        _entries[serial] = entry
        return node
    with _lock:  # another thread may have built the same node meanwhile: the first one stands
        standing = _table.get(key)
        if standing is not None and (first := standing()) is not None:
            ORIGINS.pop(serial, None)
            return first
        _table[key] = entry
    return node


def standing_node(key: tuple[Any, ...]) -> Node | None:
    """The live node of this key, if there is one."""
    entry = _table.get(key)
    return None if entry is None else entry()


def intern(
    op: Op, inputs: tuple[Node, ...], attributes: dict[str, Any], origin: Origin | None = None
) -> Node:
    """The node of this structure: the one that exists, or a new one, written at ``origin`` or here."""
    # Numbers alone, where there are no attributes: such a tuple costs the garbage collector nothing.  An
    # op outlives its nodes, so its id is as good as itself.
    key: tuple[Any, ...] = (id(op), *[node.serial for node in inputs])
    if attributes:
        key = (key, tuple(attributes.items()))
    entry = _table.get(key)
    if entry is not None and (node := entry()) is not None:
        return node
    try:
        shape, dtype = op.infer(*inputs, **attributes)
    except ChainruleError as error:
        raise located(error, op, inputs) from None
    frozen = MappingProxyType(attributes) if attributes else NO_ATTRIBUTES
    new: Node = new_node(Node, key, op, inputs, frozen, shape, dtype, origin=origin)
    return new


def located(error: ChainruleError, op: Op, inputs: Sequence[Node]) -> ChainruleError:
    """``error`` with the op, its inputs and the user's line added, if it does not name a place yet.

    Where the function that was called is not the op's own it is named first: ``scatter_add: broadcast_to``.
    """
    if error.where is not None:
        return error
    called = outermost_call(is_function)
    names = [op.name] if called is None else [called] if isinstance(op, Leaf) else [called, op.name]
    misfit = Misfit(": ".join(dict.fromkeys(names)), tuple(inputs), getattr(error, "clash", ()))
    lines = [f"{misfit.name}: {error.what}"]
    drawn = isinstance(error, ShapeError)
    for index, node in enumerate(inputs):
        place = "" if node.origin.code is None else f", from {node.origin}"
        lines.append(f"  input {index}: {node.label}, shape {node.shape}, {node.dtype}{place}")
        lines += [f"    {line}" for line in misfit.history(index)] if drawn else []
    lines += [f"    {line}" for line in misfit.aligned()]
    new = type(error)("\n".join(lines), where=user_place(), mend=error.mend)
    new.about = misfit if inputs else None
    return new


def user_place() -> str:
    """The user's line that is running now, for messages."""
    return str(capture())
