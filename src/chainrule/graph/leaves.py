"""The leaves of the graph: variables, placeholders and constants."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import dtypes
from ..dtypes import DType
from ..errors import ArgumentError, ChainruleError, DTypeError, ShapeError
from .interning import NO_ATTRIBUTES, located, new_node, standing_node, user_place
from .lending import Holding, Lease
from .memory import aligned_copy
from .node import Node, NodeLike
from .op import CONSTANT, PLACEHOLDER, VARIABLE


class Variable(Node):
    """A named array that updates may replace: a parameter, a counter, an optimizer's state.

    Variables are compared by identity.  The array a variable holds is its binding wherever an
    environment says nothing else; :meth:`assign` replaces it.
    """

    __slots__ = ("_holding",)
    _holding: Holding

    @property
    def array(self) -> NDArray[Any]:
        """The array held now, read-only and not copied; it stays as it is when the variable moves on."""
        return self._holding.look()

    @property
    def value(self) -> NDArray[Any]:
        return self.array

    def copy(self) -> NDArray[Any]:
        """A copy of the array held now."""
        return self._holding.copy()

    def assign(self, value: ArrayLike) -> None:
        """Hold ``value`` from now on; shape and dtype must stay as they are."""
        array = dtypes.as_array(value)
        if array.shape != self.shape:
            raise ShapeError(f"{self!r} cannot hold an array of shape {array.shape}")
        if array.dtype != self.dtype and not np.can_cast(array.dtype, self.dtype, "same_kind"):
            raise DTypeError(f"{self!r} cannot hold an array of {array.dtype}")
        self._holding.put(aligned_copy(array, self.dtype), owned=True)

    def adopt(self, array: NDArray[Any]) -> None:
        """Hold ``array`` itself, without a check or a copy: for engines, which own what they computed."""
        array.flags.writeable = False
        self._holding.put(array)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return variable(self.array, self.dtype, name=self.name)

    @property
    def grad(self) -> NDArray[Any] | None:
        """What the last ``backward()`` put here; it may be set, to None for example."""
        return self._holding.grad

    @grad.setter
    def grad(self, value: NDArray[Any] | None) -> None:
        self._holding.grad = value

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "grad":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


def lease(
    variables: Sequence[Variable], settle: Callable[[int], None] | None = None, holder: object = None
) -> Lease:
    """The right to write to these variables' arrays in place: for engines.

    >>> import chainrule as cr
    >>> w = cr.variable([1.0, 2.0])
    >>> seen, borrowed = w.array, lease([w])
    >>> with borrowed as renewed:
    ...     borrowed.arrays[0] += 1
    >>> renewed, seen, w.array
    ([0], array([1., 2.], dtype=float32), array([2., 3.], dtype=float32))
    """
    return Lease([variable._holding for variable in variables], settle, holder)


class Placeholder(Node):
    """An unbound input: the graph over it can be built, drawn and differentiated before a value exists."""

    __slots__ = ()


class Constant(Node):
    """A value fixed when the graph is written; small ones are interned by content."""

    __slots__ = ("array",)
    array: NDArray[Any]

    @property
    def short(self) -> str:
        """The value in a few characters."""
        if self.array.size == 1 and not self.shape:
            return repr(self.array.item())
        return np.array2string(self.array, threshold=4, precision=4, separator=", ").replace("\n", "")


_set_holding = Variable.__dict__["_holding"].__set__
_set_array = Constant.__dict__["array"].__set__


def _frozen(value: Any, dtype: DType) -> NDArray[Any]:
    """A read-only copy in the machine's byte order."""
    array = np.array(value, dtype=dtype, order="C", copy=True)
    array.flags.writeable = False
    return array


def _leaf_dtype(value: Any, dtype: Any, integers_are_floats: bool) -> DType:
    if isinstance(value, np.ndarray):
        value = dtypes.as_array(value)
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if isinstance(value, np.ndarray | np.generic):
        return dtypes.as_dtype(value.dtype)
    if _holds_node(value):
        raise ArgumentError(
            "a list of nodes is no array, and derivatives would not flow through it",
            mend="cr.stack them, or cr.concat",
        )
    try:
        found = dtypes.as_dtype(np.asarray(value).dtype)
    except ValueError:  # ragged nested lists
        raise ShapeError("the nested lists are not of equal length") from None
    if found is dtypes.float64 or (integers_are_floats and dtypes.is_integer(found)):
        return dtypes.DEFAULT_FLOAT
    return found


def _holds_node(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(
        isinstance(item, Node) or _holds_node(item) for item in value
    )


def variable(value: NodeLike, dtype: Any = None, *, name: str | None = None) -> Variable:
    """A variable holding a copy of ``value``.

    Python numbers and lists become float32; a NumPy array keeps its dtype.

    >>> import chainrule as cr
    >>> w = cr.variable([[1, 2], [3, 4]], name="w")
    >>> w.shape, w.dtype.name, w.name
    ((2, 2), 'float32', 'w')
    """
    source = value.value if isinstance(value, Node) else value
    try:
        kind = _leaf_dtype(source, dtype, integers_are_floats=True)
        array = aligned_copy(source if isinstance(source, np.ndarray) else np.asarray(source, kind), kind)
    except ChainruleError as error:
        raise located(error, VARIABLE, ()) from None
    node: Variable = new_node(
        Variable,
        None,
        VARIABLE,
        (),
        NO_ATTRIBUTES,
        array.shape,
        kind,
        fill=lambda new: _set_holding(new, Holding(array)),
    )
    return node if name is None else node.named(name)


def sizes_of(name: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    """The sizes in ``shape`` as integers; ``name`` is who asks, for the message."""
    try:
        sizes = (int(shape),) if isinstance(shape, int | np.integer) else tuple(map(operator.index, shape))
    except TypeError:
        raise ShapeError(f"{name}: sizes are integers, got {shape!r}", where=user_place()) from None
    if any(size < 0 for size in sizes):
        raise ShapeError(
            f"{name}: sizes cannot be negative, got {sizes}", where=user_place(), mend="count from 0"
        )
    return sizes


def placeholder(
    shape: int | Sequence[int], dtype: Any = dtypes.float32, *, name: str | None = None
) -> Placeholder:
    """An unbound input of this shape and dtype.

    >>> import chainrule as cr
    >>> x = cr.placeholder((32, 784), name="x")
    >>> cr.sum(x).shape
    ()
    """
    sizes = sizes_of("placeholder", shape)
    try:
        kind = dtypes.as_dtype(dtype)
    except DTypeError as error:
        raise located(error, PLACEHOLDER, ()) from None
    node: Placeholder = new_node(Placeholder, None, PLACEHOLDER, (), NO_ATTRIBUTES, sizes, kind)
    return node if name is None else node.named(name)


_INTERN_BYTES = 256  # constants up to this size are compared by content


def constant(value: NodeLike, dtype: Any = None) -> Node:
    """A fixed value, copied; a node is returned as it is.

    Python floats become float32 and integers int64 (give ``dtype`` for another); a NumPy array keeps
    its dtype.

    >>> import chainrule as cr
    >>> cr.constant([1.0, 2.0]).dtype.name, cr.constant(3).dtype.name
    ('float32', 'int64')
    """
    if isinstance(value, Node):
        return value
    try:
        kind = _leaf_dtype(value, dtype, integers_are_floats=False)
        array = _frozen(value, kind)
    except ChainruleError as error:
        raise located(error, CONSTANT, ()) from None
    except OverflowError:
        raise located(DTypeError(f"{value!r} does not fit {kind}"), CONSTANT, ()) from None
    key = None
    if array.nbytes <= _INTERN_BYTES:
        key = (id(CONSTANT), kind, array.shape, array.tobytes())
        if (standing := standing_node(key)) is not None:
            return standing
    node: Constant = new_node(
        Constant,
        key,
        CONSTANT,
        (),
        NO_ATTRIBUTES,
        array.shape,
        kind,
        fill=lambda new: _set_array(new, array),
    )
    return node


def as_node(value: NodeLike) -> Node:
    """``value`` as a node: nodes stay, anything else becomes a constant."""
    return value if isinstance(value, Node) else constant(value)
