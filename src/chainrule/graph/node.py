"""Nodes: immutable, interned, and without values.

Equal structure is the same object: building ``a * b`` twice gives one node, so common subexpressions
cost nothing.  What a node *means* is ``op, inputs, attributes, shape, dtype``; where it was written and
what it is called live in side tables, because one node may be written in many places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..dtypes import DType
from ..errors import ArgumentError, DerivativeError, ShapeError
from ..trees import flatten, rebuild_tree
from .op import Op, Shape
from .operators import call, is_function
from .origins import NAMES, ORIGINS, UNKNOWN, Origin, capture


class Node:
    """A value in the computation: an op, its input nodes and its attributes, with a shape and a dtype.

    Nodes are built by calling functions of nodes and are never changed.  Operators, indexing and the
    array methods work as NumPy's do; comparisons, ``==`` among them, are elementwise.

    >>> import chainrule as cr
    >>> x = cr.placeholder((2, 3), name="x")
    >>> h = cr.tanh(x * 2 + 1)
    >>> h.op.name, h.shape, h.dtype.name
    ('tanh', (2, 3), 'float32')
    >>> cr.tanh(x * 2 + 1) is h
    True
    """

    __slots__ = ("__weakref__", "attributes", "dtype", "inputs", "op", "serial", "shape")

    op: Op
    inputs: tuple[Node, ...]
    attributes: Mapping[str, Any]
    shape: Shape
    dtype: DType
    serial: int
    """Numbers nodes in order of construction; an input's is always smaller."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise ArgumentError("nodes are not made by hand", mend="call an op, or cr.variable, cr.constant, …")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"nodes are immutable: {name} cannot be set")

    __delattr__ = None  # type: ignore[assignment]  # immutable in this way too

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Node:
        return self  # what never changes needs no copy; a variable makes a new one

    def __reduce__(self) -> tuple[Any, ...]:
        raise ArgumentError(
            f"{self!r} cannot be pickled: nodes belong to their process",
            mend="save the arrays (v.value of each variable) and build the graph again",
        )

    # -- what a node is called and where it was written ------------------------------------------

    @property
    def origin(self) -> Origin:
        """The line that first wrote this node."""
        return ORIGINS.get(self.serial, UNKNOWN)

    @property
    def name(self) -> str | None:
        """The name given with :meth:`named`, or by the leaf's maker."""
        return NAMES.get(self.serial)

    @property
    def label(self) -> str:
        """The name, else the op's name: what messages call this node."""
        return self.name or self.op.name

    def named(self, name: str) -> Self:
        """Give the node a name, for pictures and messages, and return it."""
        NAMES[self.serial] = name
        return self

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def shown_attributes(self) -> list[str]:
        """The attributes as ``key=value``, those that say something."""
        return [
            f"{key}={getattr(value, 'name', value)}"
            for key, value in self.attributes.items()
            if value is not None and value is not False
        ]

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        detail = "".join(f" {text}" for text in self.shown_attributes())
        return f"<{self.op.name}{name}{detail} shape={self.shape} dtype={self.dtype} at {self.origin}>"

    # -- values ----------------------------------------------------------------------------------

    @property
    def value(self) -> NDArray[Any]:
        """The node's value, computed by the stepper from the leaves' present values."""
        return _evaluator(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.value, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __bool__(self) -> bool:
        return bool(self._scalar())

    def _scalar(self) -> Any:
        if self.size != 1:
            raise ShapeError(
                f"{self!r} has {self.size} elements and cannot become one Python number",
                mend="reduce it first: x.sum(), x.mean(), cr.all(x), …",
            )
        return self.value.item()

    def item(self) -> Any:
        """The value of a node of one element, as a Python number."""
        return self._scalar()

    def backward(self) -> None:
        """Fill ``.grad`` of every variable that this scalar depends on (see ``cr.gradients``)."""
        _backward(self)

    # -- operators: names in the table of functions ------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Node:
        """``array * node`` is a node; NumPy's other functions are refused, naming the library's own."""
        name = _NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
        if method == "__call__" and not keywords and name in _ARRAY_OPERATORS:
            return call(name, *inputs)
        raise self._refused(name, ufunc.__name__)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, arguments: Any, keywords: Any
    ) -> Any:
        """``np.sum(node)`` is refused, since the library has its own: numbers would cut the graph unseen.

        What the library has no word for, such as ``np.allclose``, is of the nodes' values.
        """
        name = _NUMPY_NAMES.get(function.__name__, function.__name__)
        if is_function(name):
            raise self._refused(name, function.__name__)
        leaves, tree = flatten((tuple(arguments), keywords))
        values = [leaf.value if isinstance(leaf, Node) else leaf for leaf in leaves]
        positional, named = rebuild_tree(tree, values)
        return function(*positional, **named)

    def _refused(self, name: str, numpy_name: str) -> ArgumentError:
        use = f"use cr.{name} in graphs, or " if is_function(name) else ""
        return ArgumentError(
            f"NumPy's {numpy_name} was called on the node {self.label}, which has no value yet",
            where=str(capture()),
            mend=f"{use}np.{numpy_name}({self.label}.value) for numbers",
        )

    def __add__(self, other: NodeLike) -> Node:
        return call("add", self, other)

    def __radd__(self, other: NodeLike) -> Node:
        return call("add", other, self)

    def __sub__(self, other: NodeLike) -> Node:
        return call("subtract", self, other)

    def __rsub__(self, other: NodeLike) -> Node:
        return call("subtract", other, self)

    def __mul__(self, other: NodeLike) -> Node:
        return call("multiply", self, other)

    def __rmul__(self, other: NodeLike) -> Node:
        return call("multiply", other, self)

    def __truediv__(self, other: NodeLike) -> Node:
        return call("divide", self, other)

    def __rtruediv__(self, other: NodeLike) -> Node:
        return call("divide", other, self)

    def __floordiv__(self, other: NodeLike) -> Node:
        return call("floor_divide", self, other)

    def __rfloordiv__(self, other: NodeLike) -> Node:
        return call("floor_divide", other, self)

    def __mod__(self, other: NodeLike) -> Node:
        return call("remainder", self, other)

    def __rmod__(self, other: NodeLike) -> Node:
        return call("remainder", other, self)

    def __pow__(self, other: NodeLike) -> Node:
        return call("pow", self, other)

    def __rpow__(self, other: NodeLike) -> Node:
        return call("pow", other, self)

    def __matmul__(self, other: NodeLike) -> Node:
        return call("matmul", self, other)

    def __rmatmul__(self, other: NodeLike) -> Node:
        return call("matmul", other, self)

    def __neg__(self) -> Node:
        return call("negative", self)

    def __pos__(self) -> Node:
        return self

    def __abs__(self) -> Node:
        return call("abs", self)

    def __eq__(self, other: NodeLike) -> Node:  # type: ignore[override]  # elementwise, as arrays do
        return call("equal", self, other)

    def __ne__(self, other: NodeLike) -> Node:  # type: ignore[override]  # elementwise, as arrays do
        return call("not_equal", self, other)

    __hash__ = object.__hash__

    def __lt__(self, other: NodeLike) -> Node:
        return call("less", self, other)

    def __le__(self, other: NodeLike) -> Node:
        return call("less_equal", self, other)

    def __gt__(self, other: NodeLike) -> Node:
        return call("greater", self, other)

    def __ge__(self, other: NodeLike) -> Node:
        return call("greater_equal", self, other)

    def __and__(self, other: NodeLike) -> Node:
        return call("logical_and", self, other)

    def __rand__(self, other: NodeLike) -> Node:
        return call("logical_and", other, self)

    def __or__(self, other: NodeLike) -> Node:
        return call("logical_or", self, other)

    def __ror__(self, other: NodeLike) -> Node:
        return call("logical_or", other, self)

    def __xor__(self, other: NodeLike) -> Node:
        return call("logical_xor", self, other)

    def __rxor__(self, other: NodeLike) -> Node:
        return call("logical_xor", other, self)

    def __invert__(self) -> Node:
        return call("logical_not", self)

    def __getitem__(self, key: Any) -> Node:
        return call("getitem", self, key)

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError(f"{self!r} has no axis to take the length of")
        return self.shape[0]

    def __iter__(self) -> Iterator[Node]:
        return iter([self[index] for index in range(len(self))])

    @property
    def T(self) -> Node:
        """The node with its axes reversed."""
        return call("permute_dims", self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Node:
        """The node with its last two axes swapped."""
        return call("matrix_transpose", self)

    def sum(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        """The sum over ``axis``: :func:`cr.sum`."""
        return call("sum", self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        """The mean over ``axis``: :func:`cr.mean`."""
        return call("mean", self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        """The largest over ``axis``: :func:`cr.max`."""
        return call("max", self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        """The smallest over ``axis``: :func:`cr.min`."""
        return call("min", self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: int | tuple[int, ...]) -> Node:
        """The elements in another shape, given as numbers or as one tuple: :func:`cr.reshape`."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return call("reshape", self, sizes)

    def astype(self, dtype: Any) -> Node:
        """The elements in another dtype: :func:`cr.astype`."""
        return call("astype", self, dtype)


#: What NumPy calls operators and functions where the library has the array API standard's word.
_NUMPY_NAMES = {
    "true_divide": "divide", "power": "pow", "absolute": "abs",
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor",
    "concatenate": "concat", "transpose": "permute_dims", "cumsum": "cumulative_sum",
}  # fmt: skip
_ARRAY_OPERATORS = frozenset({
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "pow", "matmul",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "logical_and", "logical_or", "logical_xor",
})  # fmt: skip

Axis = int | tuple[int, ...] | None
NodeLike = Node | ArrayLike


# -- what the rooms above put here -------------------------------------------------------------------------


def _no_engine(node: Node) -> NDArray[Any]:
    raise ArgumentError("no engine is loaded to compute values", mend="import chainrule")


def _no_derivatives(node: Node) -> None:
    raise DerivativeError("no derivatives are loaded", mend="import chainrule")


_evaluator: Callable[[Node], NDArray[Any]] = _no_engine
_backward: Callable[[Node], None] = _no_derivatives


def set_evaluator(function: Callable[[Node], NDArray[Any]]) -> None:
    """The stepper says here how ``node.value`` is computed."""
    global _evaluator
    _evaluator = function


def set_backward(function: Callable[[Node], None]) -> None:
    """The transforms say here what ``node.backward()`` does."""
    global _backward
    _backward = function
