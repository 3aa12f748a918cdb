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

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from inspect import Parameter, signature
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, RunFolderError
from ..graph import Node, Variable, current_module, module_scope, user_place
from .mode import EVALUATE, Mode


@dataclass
class _Call:
    """A running call of a model: the paths of its modules, and who watches."""

    paths: dict[int, str]
    training: bool
    observe: Callable[[str, Module, Any], None] | None = None


_running: ContextVar[_Call | None] = ContextVar("chainrule_call", default=None)


class Module:
    """The base of layers and networks: define ``__init__`` and ``forward``.

    Variables and modules in attributes, and in lists, tuples and dicts there, are its own.  Shared
    ones count once.  ``forward`` takes ``mode`` if anything inside needs it, and hands it on;
    a module that is called in training and should know is an error if it is not told.
    """

    #: Attributes that hold variables which are no parameters: saved, not trained.
    fixed: tuple[str, ...] = ()
    #: Whether a call in training differs from one in evaluation.
    depends_on_mode: ClassVar[bool] = False

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        """The module's result as a node; to be written by each module."""
        raise ArgumentError(f"{type(self).__name__} has no forward", mend="define forward(self, x, …)")

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        mode = keywords.get("mode", EVALUATE)
        call = _running.get()
        token = None
        if call is None:
            call = _Call({id(module): path for path, module in self.named_modules()}, mode.training)
            token = _running.set(call)
        try:
            path = call.paths.get(id(self), "")
            if call.training and self.depends_on_mode and "mode" not in keywords:
                raise ArgumentError(
                    f"{path or type(self).__name__} was called in training without the mode",
                    where=user_place(),
                    mend="hand it on in forward: self.dropout(x, mode=mode)",
                )
            if "mode" in keywords and not _takes_mode(type(self)):
                del keywords["mode"]
            outer = current_module()
            with module_scope(path.removeprefix(outer).lstrip(".") if outer else path):
                result = self.forward(*inputs, **keywords)
            if call.observe is not None:
                call.observe(path, self, result)
            return result
        finally:
            if token is not None:
                _running.reset(token)

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
        for path, item in _walk(self):
            if isinstance(item, Variable):
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

    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(parameter.size for parameter in self.parameters())

    # -- state -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All variables' arrays by path, as copies."""
        return {path: np.array(variable.array) for path, variable in self.named_variables()}

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

    def __repr__(self) -> str:
        inner = [
            f"  ({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in vars(self).items()
            if isinstance(child, Module)
        ]
        head = f"{type(self).__name__}({self.describe()})"
        return "\n".join([head[:-1], *inner, ")"]) if inner else head

    def describe(self) -> str:
        """The module's settings in a few words, for ``repr`` and the summary."""
        return ""


@cache
def _takes_mode(kind: type[Module]) -> bool:
    parameters = signature(kind.forward).parameters
    return "mode" in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _walk(item: Any, path: str = "", done: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Modules and variables below ``item`` in the order of their attributes, each once."""
    done = set() if done is None else done
    if isinstance(item, Module | Variable):
        if id(item) in done:
            return
        done.add(id(item))
        yield path, item
    children: list[tuple[Any, Any]] = []
    if isinstance(item, Module):
        children = list(vars(item).items())
    elif isinstance(item, dict):
        children = list(item.items())
    elif isinstance(item, list | tuple):
        children = list(enumerate(item))
    for name, child in children:
        yield from _walk(child, f"{path}.{name}" if path else str(name), done)


def observe_calls(model: Module, run: Callable[[], Any]) -> list[tuple[str, Module, Any]]:
    """Run ``run`` and list the calls of the model's modules, as (path, module, result), inner first."""
    calls: list[tuple[str, Module, Any]] = []
    paths = {id(module): path for path, module in model.named_modules()}

    def watch(path: str, module: Module, result: Any) -> None:
        calls.append((path, module, result))

    token = _running.set(_Call(paths, False, watch))
    try:
        run()
    finally:
        _running.reset(token)
    return calls


class Sequential(Module):
    """Modules, or functions of a node, one after the other.

    >>> import chainrule as cr
    >>> seeds = cr.nn.Seeds(0)
    >>> net = cr.nn.Sequential(cr.nn.Linear(4, 8, seed=seeds), cr.nn.ReLU(), cr.nn.Linear(8, 2, seed=seeds))
    >>> net(cr.placeholder((3, 4))).shape
    (3, 2)
    """

    def __init__(self, *layers: Module | Callable[[Node], Node]) -> None:
        self.layers = list(layers)

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        for layer in self.layers:
            x = layer(x, mode=mode) if isinstance(layer, Module) else layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Any:
        return self.layers[index]

    def __repr__(self) -> str:
        inner = [
            f"  ({index}): " + repr(layer).replace("\n", "\n  ") for index, layer in enumerate(self.layers)
        ]
        return "\n".join(["Sequential(", *inner, ")"])


class Residual(Module):
    """A skip connection: ``x + f(x)``, so that the gradient has a way past ``f``.  He et al., 2016.

    >>> import chainrule as cr
    >>> block = cr.nn.Residual(cr.nn.Linear(4, 4, seed=0))
    >>> block(cr.placeholder((3, 4))).shape
    (3, 4)
    """

    def __init__(self, inner: Module) -> None:
        self.inner = inner

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        return x + self.inner(x, mode=mode)
