"""Modules: plain objects whose parameters are found by walking their attributes.

>>> import chainrule as cr
>>> class Neuron(cr.nn.Module):
...     def __init__(self, seed):
...         self.linear = cr.nn.Linear(2, 1, seed=seed)
...     def forward(self, x, mode=cr.nn.EVALUATE):
...         return cr.sigmoid(self.linear(x))
>>> neuron = Neuron(seed=0)
>>> [(name, parameter.shape) for name, parameter in neuron.named_parameters()]
[('linear.weight', (2, 1)), ('linear.bias', (1,))]
>>> neuron(cr.placeholder((5, 2))).shape
(5, 1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from inspect import Parameter, signature
from reprlib import recursive_repr
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, RunFolderError
from ..graph import Variable, current_module, module_scope, user_place
from .mode import Mode


@dataclass(frozen=True)
class _Call:
    """A running call of a model: where it was called, the paths of its modules, and who watches."""

    base: str
    paths: Mapping[int, str]
    training: bool
    observe: Callable[[str, Module, Any], None] | None = None


# Both are per thread and per asynchronous task, and are put back when a call ends or fails.
_running: ContextVar[_Call | None] = ContextVar("chainrule_call", default=None)
_in_training: ContextVar[bool] = ContextVar("chainrule_in_training", default=False)
_watch: ContextVar[Callable[[Module, Sequence[Any], Mode | None], None] | None] = ContextVar(
    "chainrule_watch_calls", default=None
)


@contextmanager
def in_training() -> Iterator[None]:
    """Inside, calling a model that depends on the mode without a mode is an error, not an evaluation.

    The training step builds its loss inside: a forgotten ``mode=mode`` would switch dropout off unnoticed.

    >>> import chainrule as cr
    >>> with in_training():
    ...     cr.nn.Sequential(cr.nn.Dropout(0.5))(cr.placeholder((2, 3)))
    Traceback (most recent call last):
        ...
    chainrule.errors.ArgumentError: Sequential was called in training without the mode
      where: <doctest ...
      mend:  hand it on: model(x, mode=mode), or mode=cr.nn.EVALUATE if evaluation is meant
    """
    token = _in_training.set(True)
    try:
        yield
    finally:
        _in_training.reset(token)


@contextmanager
def watch_calls(note: Callable[[Module, Sequence[Any], Mode | None], None]) -> Iterator[None]:
    """Inside, ``note(module, inputs, mode)`` hears of each call of a model, not of those within it.

    >>> import chainrule as cr
    >>> with watch_calls(lambda module, inputs, mode: print(type(module).__name__, inputs[0].shape, mode)):
    ...     _ = cr.nn.Sequential(cr.nn.Linear(3, 2, seed=0))(cr.placeholder((5, 3)))
    Sequential (5, 3) None
    """
    token = _watch.set(note)
    try:
        yield
    finally:
        _watch.reset(token)


class Module:
    """The base of layers and networks: define ``__init__`` and ``forward``.

    Variables and modules in attributes, and in lists, tuples and dicts there, are its own.  Shared
    ones count once, under the first of their places.  ``forward`` takes ``mode`` if anything inside
    needs it, and hands it on; a module that is called in training and should know is an error if it is
    not told.
    """

    #: Attributes that hold variables which are no parameters: saved, not trained.
    fixed: tuple[str, ...] = ()
    #: Whether a call in training differs from one in evaluation.
    depends_on_mode: ClassVar[bool] = False

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        """The module's result as a node; to be written by each module."""
        raise ArgumentError(f"{type(self).__name__} has no forward", mend="define forward(self, x, …)")

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        mode = keywords.get("mode") or next((item for item in inputs if isinstance(item, Mode)), None)
        call, token = _running.get(), None
        if call is None:
            if (watch := _watch.get()) is not None:
                watch(self, inputs, mode)
            call = self._begin(_in_training.get() if mode is None else mode.training)
            token = _running.set(call)
        try:
            path = call.paths.get(id(self))  # none for a module that forward made or found elsewhere
            if call.training and mode is None and _depends_on_mode(self):
                raise ArgumentError(
                    f"{path or type(self).__name__} was called in training without the mode",
                    where=user_place(),
                    mend="hand it on: model(x, mode=mode), or mode=cr.nn.EVALUATE if evaluation is meant",
                )
            if "mode" in keywords and not _takes_mode(type(self).forward):
                del keywords["mode"]
            with module_scope(path or "", within=None if path is None else call.base):
                result = self.forward(*inputs, **keywords)
            if call.observe is not None:
                call.observe(path or "", self, result)
            return result
        finally:
            if token is not None:
                _running.reset(token)

    def _begin(self, training: bool, observe: Callable[[str, Module, Any], None] | None = None) -> _Call:
        """What the calls inside a call of this module share."""
        paths = {id(module): path for path, module in self.named_modules()}
        return _Call(current_module(), paths, training, observe)

    # -- what the module consists of ---------------------------------------------------------------

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """The module itself and all below it, with dotted paths; a shared one under its first."""
        for path, item in _walk(self):
            if isinstance(item, Module):
                yield path, item

    def named_variables(self) -> Iterator[tuple[str, Variable]]:
        """All variables with dotted paths, those that are not trained included.

        A variable that has no name yet takes its path, for pictures and messages.
        """
        paths: set[str] = set()
        for path, item in _walk(self):
            if not isinstance(item, Variable):
                continue
            if path in paths:
                raise ArgumentError(
                    f"{type(self).__name__} has two variables called {path}",
                    mend="give the dict that holds one of them keys without dots, all strings or all numbers",
                )
            paths.add(path)
            yield path, item if item.name else item.named(path)

    def named_parameters(self) -> Iterator[tuple[str, Variable]]:
        """The variables that training may change, with dotted paths."""
        fixed = {
            id(variable)
            for _, module in self.named_modules()
            for name in module.fixed
            for _, variable in _walk(getattr(module, name))
        }
        for path, variable in self.named_variables():
            if id(variable) not in fixed:
                yield path, variable

    def parameters(self) -> list[Variable]:
        """The variables that training may change."""
        return [parameter for _, parameter in self.named_parameters()]

    def freeze(self) -> Self:
        """Declare all variables of the module and of those below it as fixed: saved, not trained.

        To be called before the optimizer is built from ``parameters()``.  Returns the module.

        >>> import chainrule as cr
        >>> layers = cr.nn.Sequential(cr.nn.Linear(2, 3, seed=0).freeze(), cr.nn.Linear(3, 1, seed=1))
        >>> [path for path, _ in layers.named_parameters()]
        ['layers.1.weight', 'layers.1.bias']
        """
        self.fixed = tuple(name for name in vars(self) if name != "fixed")
        return self

    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(parameter.size for parameter in self.parameters())

    # -- state -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All variables' arrays by path, as copies."""
        return {path: variable.copy() for path, variable in self.named_variables()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Hold the arrays of ``state``, which must fit exactly; every misfit is reported, none loaded.

        >>> import chainrule as cr
        >>> layer = cr.nn.Linear(2, 3, seed=0)
        >>> layer.load_state_dict({"weight": np.zeros((3, 2))})
        Traceback (most recent call last):
            ...
        chainrule.errors.RunFolderError: the state does not fit Linear:
          weight: shape (3, 2) given, (2, 3) expected
          bias: missing
          mend:  build the model with the configuration it was saved with
        """
        variables = dict(self.named_variables())
        misfits = []
        for path, variable in variables.items():
            if path not in state:
                misfits.append(f"{path}: missing")
            elif np.shape(state[path]) != variable.shape:
                misfits.append(f"{path}: shape {np.shape(state[path])} given, {variable.shape} expected")
            elif not np.can_cast(np.asarray(state[path]).dtype, variable.dtype, "same_kind"):
                misfits.append(f"{path}: {np.asarray(state[path]).dtype} given, {variable.dtype} expected")
        misfits += [f"{path}: not a variable of the model" for path in state if path not in variables]
        if misfits:
            raise RunFolderError(
                f"the state does not fit {type(self).__name__}:\n  " + "\n  ".join(misfits),
                mend="build the model with the configuration it was saved with",
            )
        for path, variable in variables.items():
            variable.assign(state[path])

    @recursive_repr("…")
    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.describe()})"
        return indented(head, [(path, repr(child)) for path, child in _children(self)])

    def describe(self) -> str:
        """The module's settings in a few words, for ``repr`` and the summary."""
        return ""


@cache
def _takes_mode(forward: Callable[..., Any]) -> bool:
    parameters = signature(forward).parameters
    return "mode" in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _depends_on_mode(module: Module) -> bool:
    return any(below.depends_on_mode for _, below in module.named_modules())


def _items(item: Any) -> Iterable[tuple[Any, Any]]:
    """What a module or a container holds, by name."""
    if isinstance(item, Module):
        return list(vars(item).items())
    if isinstance(item, dict):
        return list(item.items())
    if isinstance(item, list | tuple):
        return enumerate(item)
    return ()


def _walk(item: Any, path: str = "", done: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Modules and variables below ``item`` in the order of their attributes, each once."""
    done = set() if done is None else done
    if isinstance(item, Module | Variable | dict | list | tuple):
        if id(item) in done:  # shared, or on the way to itself
            return
        done.add(id(item))
    if isinstance(item, Module | Variable):
        yield path, item
    for name, child in _items(item):
        yield from _walk(child, f"{path}.{name}" if path else str(name), done)


def _children(module: Module) -> Iterator[tuple[str, Module]]:
    """The modules that ``module`` holds itself, not those that they hold."""
    inside: list[str] = []
    for path, item in _walk(module):
        if path and isinstance(item, Module) and not any(path.startswith(f"{other}.") for other in inside):
            inside.append(path)
            yield path, item


def indented(head: str, parts: Sequence[tuple[str, str]]) -> str:
    """``head``, which ends in a bracket, with named texts between its brackets, one a line."""
    lines = [f"  ({name}): " + text.replace("\n", "\n  ") for name, text in parts]
    return "\n".join([head[:-1], *lines, ")"]) if lines else head


def function_text(function: Callable[..., Any]) -> str:
    """A function in a few characters: its name, and the options that a ``partial`` fixed."""
    if isinstance(function, partial):
        options = [f"{name}={value!r}" for name, value in function.keywords.items()]
        return ", ".join([function_text(function.func), *map(repr, function.args), *options])
    return str(getattr(function, "__name__", type(function).__name__))


def observe_calls(model: Module, run: Callable[[], Any]) -> list[tuple[str, Module, Any]]:
    """Run ``run`` and list the calls of the model's modules, as (path, module, result), inner first."""
    calls: list[tuple[str, Module, Any]] = []

    def watch(path: str, module: Module, result: Any) -> None:
        calls.append((path, module, result))

    token = _running.set(model._begin(training=False, observe=watch))
    try:
        run()
    finally:
        _running.reset(token)
    return calls
