"""Programs: graphs made ready to run many times, on one of the engines.

``compile`` turns a function of arrays into one; training builds its own :class:`Program` from a loss
and its updates.  The graph is the same for every engine; which one runs it is a word.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import Any, Generic, NamedTuple, ParamSpec, Protocol, overload

import numpy as np

from .engines.native import Native
from .engines.stepper import Stepper
from .engines.xla import Mesh, Share, Xla, jax
from .errors import ArgumentError, ConfigurationError
from .graph import (
    Array,
    Environment,
    Node,
    Placeholder,
    Variable,
    as_node,
    bind,
    conform,
    placeholder,
    topological,
    user_place,
)
from .trees import flatten, rebuild_tree

P = ParamSpec("P")


class Runner(Protocol):
    """A graph made ready to run by an engine."""

    def run(self, environment: Environment) -> list[Array]:
        """One pass: the outputs' values; then every update is made, or none if an error is raised."""

    def run_steps(self, environment: Environment, steps: int) -> None:
        """So many passes over the same inputs; an error leaves all as it was before the pass it is of."""

    def explain(self, *, whole: bool = False) -> str:
        """What the engine made of the graph; ``whole`` leaves nothing out."""


class Engine(Protocol):
    """From outputs and updates to what runs them."""

    def __call__(
        self, outputs: Sequence[Node], updates: Mapping[Variable, Node] | None = None, *, finite: bool = False
    ) -> Runner:
        """``finite``: a pass raises ``StepNotFinite`` where an output or a new value is NaN or infinite."""


ENGINES: dict[str, Engine] = {"stepper": Stepper, "native": Native, "xla": Xla}
DEFAULT_ENGINE = "native"
"""What runs many times: compiled functions, training, evaluation of a model over batches."""


def engine_named(name: str) -> Engine:
    """The engine called ``name``, on a mesh of devices where one is named: ``xla:data=4,model=2``.

    Raises ``MissingExtraError`` where it needs a package that is not there, ``ConfigurationError`` for a
    mesh that cannot be.
    """
    kind, colon, mesh = name.partition(":")
    if kind not in ENGINES:
        raise ArgumentError(
            f"there is no engine {kind!r}", where=user_place(), mend=f"choose one of: {', '.join(ENGINES)}"
        )
    if colon and kind != "xla":
        mend = f"a mesh is for the engine xla, as in 'xla:{mesh}' or --engine xla"
        raise ConfigurationError(f"the engine {kind!r} runs on no mesh", mend=mend)
    if kind == "xla":
        jax()
    found = mesh_named(name)
    return ENGINES[kind] if found is None else partial(Xla, mesh=found)


def mesh_named(name: str) -> Mesh | None:
    """The mesh that an engine's name ends with; None where it has none."""
    _, colon, mesh = name.partition(":")
    return Mesh.parse(mesh) if colon else None


@overload
def evaluate(nodes: Node, feed: Mapping[Any, Any] | None = None, *, engine: str = "stepper") -> Array: ...
@overload
def evaluate(
    nodes: Sequence[Node], feed: Mapping[Any, Any] | None = None, *, engine: str = "stepper"
) -> list[Array]: ...
def evaluate(
    nodes: Node | Sequence[Node], feed: Mapping[Any, Any] | None = None, *, engine: str = "stepper"
) -> Array | list[Array]:
    """The values of one node or of several at once; ``feed`` gives the placeholders' arrays.

    Raises ``UnboundError`` for a placeholder without a value, ``ShapeError`` or ``DTypeError`` for one
    that does not fit, ``ArgumentError`` for an engine that does not exist.

    >>> import chainrule as cr
    >>> x = cr.placeholder((2,), name="x")
    >>> cr.evaluate(x * x + 1, feed={x: [1.0, 2.0]}, engine="stepper")
    array([2., 5.], dtype=float32)
    """
    targets = [nodes] if isinstance(nodes, Node) else list(nodes)
    values = engine_named(engine)(targets, None).run(bind(feed))
    return values[0] if isinstance(nodes, Node) else values


_watch: ContextVar[Callable[[Program, Sequence[Any]], None] | None] = ContextVar(
    "chainrule_watch_runs", default=None
)


@contextmanager
def watch_runs(note: Callable[[Program, Sequence[Any]], None]) -> Iterator[None]:
    """Inside, ``note(program, arrays)`` hears of each call of a program.

    >>> import chainrule as cr
    >>> double = cr.compile(lambda x: 2 * x)
    >>> with watch_runs(lambda program, arrays: print(arrays)):
    ...     _ = double(np.ones(2))
    (array([1., 1.]),)
    """
    token = _watch.set(note)
    try:
        yield
    finally:
        _watch.reset(token)


class Program:
    """Outputs and updates over fixed inputs, ready to run on arrays.

    Calling it gives the outputs and replaces each variable of ``updates`` by its new value; all new
    values are computed from the old ones, and any error leaves every variable as it was.  With ``finite``
    it is a ``NonFiniteError`` if an output or a new value is NaN or infinite.

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
        finite: bool = False,
    ) -> None:
        known, order = set(inputs), topological([*outputs, *(updates or {}).values()])
        unbound = [node for node in order if isinstance(node, Placeholder) and node not in known]
        if unbound:
            raise ArgumentError(
                f"the program reads {', '.join(map(repr, unbound))}, not among its inputs",
                where=user_place(),
                mend="list every placeholder as an input, in the order in which you will pass arrays",
            )
        self.inputs = tuple(inputs)
        self.dropout = next((str(node.origin) for node in order if node.op.name == "dropout"), None)
        """Where it drops features at random, as training does; None where it does not."""
        self._engine = engine_named(engine)(outputs, updates, finite=finite)

    def __call__(self, *arrays: Any) -> list[Array]:
        if (watch := _watch.get()) is not None:
            watch(self, arrays)
        return self._engine.run(self._environment(arrays))

    def run_steps(self, steps: int, *arrays: Any) -> None:
        """Run ``steps`` times on the same arrays, for the sake of the variables.

        An error leaves them as they were before the step that it is of.
        """
        self._engine.run_steps(self._environment(arrays), steps)

    def explain(self, *, whole: bool = False) -> str:
        """What the engine made of the graph: rewrites, steps, threads, memory; ``whole``: all of it."""
        return self._engine.explain(whole=whole)

    def _environment(self, arrays: Sequence[Any]) -> Environment:
        if len(arrays) != len(self.inputs):
            raise ArgumentError(
                f"the program takes {len(self.inputs)} arrays, {len(arrays)} were given",
                where=user_place(),
                mend=f"give one for each of: {', '.join(leaf.label for leaf in self.inputs)}",
            )
        environment: dict[Node, Any] = {
            leaf: array if isinstance(array, Share) else conform(leaf, array)
            for leaf, array in zip(self.inputs, arrays, strict=True)
        }
        return environment


class _Traced(NamedTuple):
    """A function's program for one combination of shapes, and the tree that its results hang on."""

    program: Program
    tree: Any


class Compiled(Generic[P]):
    """A function of arrays that is traced once for each combination of shapes and dtypes."""

    def __init__(self, fn: Callable[P, Any], engine: str, cache_size: int) -> None:
        engine_named(engine)
        if cache_size < 1:
            raise ArgumentError(
                f"compile: a cache of {cache_size} programs", where=user_place(), mend="at least 1"
            )
        self.fn, self.engine, self.cache_size = fn, engine, cache_size
        self._traced: OrderedDict[Hashable, _Traced] = OrderedDict()
        self._lock = Lock()  # held for the look-ups only: tracing may call this very function again

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        leaves, tree = flatten(args)
        if any(isinstance(leaf, Node) for leaf in leaves):
            return self.fn(*args, **kwargs)
        traced, arrays = self._traced_for(leaves, tree, kwargs)
        results = traced.program(*arrays)
        return rebuild_tree(traced.tree, [_apart(result, arrays) for result in results])

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """What the engine makes of the function for arguments of these shapes, which are not evaluated.

        >>> import chainrule as cr
        >>> print(cr.compile(lambda x: cr.exp(x) - 1, engine="stepper").explain([1.0, 2.0]))
        stepper: 2 nodes, one after another in NumPy: exp (1), subtract (1)
        """
        traced, _ = self._traced_for(*flatten(args), kwargs)
        return traced.program.explain()

    def _traced_for(
        self, leaves: Sequence[Any], tree: Any, options: dict[str, Any]
    ) -> tuple[_Traced, list[Array]]:
        """The program for arguments of these shapes, made if there is none, and the arguments as arrays."""
        arrays = [leaf if isinstance(leaf, np.ndarray) else as_node(leaf).value for leaf in leaves]
        key = self._key(arrays, tree, options)
        with self._lock:
            traced = self._traced.get(key)
        if traced is None:
            traced = self._trace(arrays, tree, options)
        with self._lock:
            self._traced[key] = traced
            self._traced.move_to_end(key)
            if len(self._traced) > self.cache_size:
                self._traced.popitem(last=False)
        return traced, arrays

    @staticmethod
    def _key(arrays: Sequence[Array], tree: Any, options: Mapping[str, Any]) -> Hashable:
        # The type belongs to an option: True, 1 and 1.0 are equal, and mean different graphs.
        settings = [(name, type(value), value) for name, value in sorted(options.items())]
        for name, _, value in settings:
            try:
                hash(value)
            except TypeError:
                raise ArgumentError(
                    f"compile: the option {name} is a {type(value).__name__}, which cannot be hashed",
                    where=user_place(),
                    mend="pass arrays by position; options are numbers, strings or tuples",
                ) from None
        return (str(tree), *[(array.shape, array.dtype.name) for array in arrays], *settings)

    def _trace(self, arrays: Sequence[Array], tree: Any, options: dict[str, Any]) -> _Traced:
        inputs = [placeholder(a.shape, a.dtype, name=f"x{i}") for i, a in enumerate(arrays)]
        outputs, output_tree = flatten(self.fn(*rebuild_tree(tree, inputs), **options))
        program = Program(inputs, [as_node(output) for output in outputs], engine=self.engine)
        return _Traced(program, output_tree)


def _apart(result: Array, arrays: Sequence[Array]) -> Array:
    """``result`` in memory of its own: whoever writes to it must not write to an argument or a variable."""
    shared = not result.flags.writeable or any(np.may_share_memory(result, array) for array in arrays)
    return result.copy() if shared else result


def compile(fn: Callable[P, Any], engine: str = DEFAULT_ENGINE, *, cache_size: int = 32) -> Compiled[P]:
    """A function of arrays, specialised on their shapes and dtypes, run by ``engine``.

    Arguments and results are arrays, numbers, and tuples, lists or dicts of them.  ``fn`` is called with
    placeholders once for each new combination of shapes, of which the last ``cache_size`` are kept.
    Keyword arguments are options, not arrays, and must be hashable.  Where an argument is a node, ``fn``
    itself answers, in nodes: a compiled function can be part of another, or be differentiated.

    Raises ``ArgumentError`` for an engine there is not, or an option that cannot be hashed.

    >>> import chainrule as cr
    >>> double = cr.compile(lambda x: 2 * x)
    >>> double([1.0, 2.0])
    array([2., 4.], dtype=float32)
    >>> float(cr.grad(double)(3.0))
    2.0
    """
    return Compiled(fn, engine, cache_size)
