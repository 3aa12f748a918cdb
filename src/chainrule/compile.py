"""Programs: graphs made ready to run many times, on one of the engines.

``compile`` turns a function of arrays into one; training builds its own :class:`Program` from a loss
and its updates.  The graph is the same for every engine; which one runs it is a word.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, ParamSpec

import numpy as np

from .engines.stepper import Accept, Stepper
from .errors import ArgumentError
from .graph import (
    Array,
    Environment,
    Node,
    Placeholder,
    Variable,
    as_node,
    conform,
    placeholder,
    topological,
    user_place,
)
from .trees import flatten, rebuild_tree

P = ParamSpec("P")

#: What runs a graph: from outputs and updates to an object with ``run(environment, accept)``.
ENGINES: dict[str, Callable[..., Stepper]] = {"stepper": Stepper}
DEFAULT_ENGINE = "stepper"


def engine_named(name: str) -> Callable[..., Stepper]:
    """The engine called ``name``."""
    try:
        return ENGINES[name]
    except KeyError:
        raise ArgumentError(
            f"there is no engine {name!r}", where=user_place(), mend=f"choose one of: {', '.join(ENGINES)}"
        ) from None


class Program:
    """Outputs and updates over fixed inputs, ready to run on arrays.

    Calling it gives the outputs and replaces each variable of ``updates`` by its new value; all new
    values are computed from the old ones, ``accept`` may look at them and raise, and any error leaves
    every variable as it was.

    >>> import chainrule as cr
    >>> x, w = cr.placeholder((), name="x"), cr.variable(1.0, name="w")
    >>> step = Program([x], [w * x], {w: w - 0.5 * x})
    >>> [step(4.0)[0].item(), w.value.item()]
    [4.0, -1.0]
    """

    def __init__(
        self,
        inputs: Sequence[Placeholder],
        outputs: Sequence[Node],
        updates: Mapping[Variable, Node] | None = None,
        *,
        engine: str = DEFAULT_ENGINE,
    ) -> None:
        known = set(inputs)
        unbound = [
            node
            for node in topological([*outputs, *(updates or {}).values()])
            if isinstance(node, Placeholder) and node not in known
        ]
        if unbound:
            raise ArgumentError(
                f"the program reads {', '.join(map(repr, unbound))}, not among its inputs",
                where=user_place(),
                mend="list every placeholder as an input, in the order in which you will pass arrays",
            )
        self.inputs = tuple(inputs)
        self._engine = engine_named(engine)(outputs, updates)

    def __call__(self, *arrays: Any, accept: Accept | None = None) -> list[Array]:
        if len(arrays) != len(self.inputs):
            raise ArgumentError(f"the program takes {len(self.inputs)} arrays, {len(arrays)} were given")
        environment: Environment = {
            leaf: conform(leaf, array) for leaf, array in zip(self.inputs, arrays, strict=True)
        }
        return self._engine.run(environment, accept)


class Compiled(Generic[P]):
    """A function of arrays that is traced once for each combination of shapes and dtypes."""

    def __init__(self, fn: Callable[P, Any], engine: str, cache_size: int) -> None:
        engine_named(engine)
        self.fn, self.engine, self.cache_size = fn, engine, cache_size
        self._programs: OrderedDict[Any, tuple[Program, Any]] = OrderedDict()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        leaves, tree = flatten(args)
        arrays = [self._array(leaf) for leaf in leaves]
        signature = [(array.shape, array.dtype.name) for array in arrays]
        key = (str(tree), *signature, tuple(sorted(kwargs.items())))
        entry = self._programs.get(key)
        if entry is None:
            entry = self._programs[key] = self._trace(arrays, tree, kwargs)
            if len(self._programs) > self.cache_size:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        program, output_tree = entry
        return rebuild_tree(output_tree, program(*arrays))

    @staticmethod
    def _array(leaf: Any) -> Array:
        if isinstance(leaf, np.ndarray):
            return leaf
        return as_node(leaf).value

    def _trace(self, arrays: Sequence[Array], tree: Any, keywords: dict[str, Any]) -> tuple[Program, Any]:
        inputs = [placeholder(a.shape, a.dtype, name=f"x{i}") for i, a in enumerate(arrays)]
        outputs, output_tree = flatten(self.fn(*rebuild_tree(tree, inputs), **keywords))
        return Program(inputs, [as_node(output) for output in outputs], engine=self.engine), output_tree


def compile(fn: Callable[P, Any], engine: str = DEFAULT_ENGINE, *, cache_size: int = 32) -> Compiled[P]:
    """A function of arrays, specialised on their shapes and dtypes, run by ``engine``.

    ``fn`` is called with placeholders once for each new combination of shapes, of which the last
    ``cache_size`` are kept.  Keyword arguments are options, not arrays, and must be hashable.

    >>> import chainrule as cr
    >>> double = cr.compile(lambda x: 2 * x)
    >>> double([1.0, 2.0])
    array([2., 4.], dtype=float32)
    """
    return Compiled(fn, engine, cache_size)
