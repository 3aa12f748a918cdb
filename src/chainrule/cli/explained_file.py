"""A function of a user's file as a graph to step through: ``FILE.py:function name=value …``."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import click
import numpy as np

from ..dtypes import is_float
from ..errors import DataError
from ..graph import (
    Array,
    Node,
    Origin,
    Placeholder,
    Variable,
    conform,
    derived_from,
    topological,
    variable,
)
from ..nn import Module
from .user_file import UserFileError, describe, run_file

NO_LINE = Origin(None, 0)
"""Of what comes from the command line: the lines of this program say nothing to the user."""

_SUBJECT = re.compile(r"(?P<file>.+\.py):(?P<name>\w+)", re.DOTALL)


class Subject(NamedTuple):
    """A scalar to step through."""

    output: Node
    feed: dict[Node, Array]
    variables: dict[str, Node]
    """What was given a value, by name."""


def names_function(text: str) -> bool:
    """Whether it has the form ``FILE.py:function``."""
    return _SUBJECT.fullmatch(text) is not None


def read_function(text: str, values: Mapping[str, Any]) -> Subject:
    """Run the file and call the function on variables with these values; or take the node of that name.

    A parameter that is given no value keeps its default; a default array becomes a variable too, so that
    it has a gradient.  Where the default is a whole number, a truth value or a text, so is the argument.
    Raises ``DataError`` for a file or a name that is not there, ``UserFileError`` for what the user's
    code raised or returned, ``click.UsageError`` for values that do not fit the parameters.
    """
    found = _SUBJECT.fullmatch(text)
    assert found is not None
    path, name = found["file"], found["name"]
    module = run_file(path)
    _name_leaves(module)
    value = vars(module).get(name)
    if isinstance(value, Node):
        subject = _of_node(value, values)
    elif callable(value) and not isinstance(value, type | Module):
        subject = _of_function(value, path, name, values)
    else:
        raise DataError(_nothing(module, name), path=path, mend=_nearest(module, name))
    if subject.output.size != 1 or not is_float(subject.output.dtype):
        what = f"{name} gives {subject.output.dtype.name} of shape {subject.output.shape}"
        raise UserFileError(
            f"{what}; the chain rule starts at a scalar of floats",
            where=path,
            mend="return a loss: .sum() or .mean() of it, or one entry",
        )
    return subject


def _of_node(output: Node, values: Mapping[str, Any]) -> Subject:
    """A graph that the file has built; its leaves are fed by name."""
    leaves = {leaf.label: leaf for leaf in topological([output]) if isinstance(leaf, Placeholder | Variable)}
    feed: dict[Node, Array] = {}
    for name, value in values.items():
        if name not in leaves:
            raise _usage(f"the graph has no leaf {name!r}", _meant(name, list(leaves)) or "leave it out")
        feed[leaves[name]] = conform(leaves[name], np.asarray(value, leaves[name].dtype))
    unbound = [name for name, leaf in leaves.items() if isinstance(leaf, Placeholder) and name not in values]
    if unbound:
        raise _usage(f"the graph needs a value for {', '.join(unbound)}", _example(unbound))
    return Subject(output, feed, {name: leaves[name] for name in values})


def _of_function(function: Callable[..., Any], path: str, name: str, values: Mapping[str, Any]) -> Subject:
    arguments, variables = _arguments(function, name, values)
    try:
        output = function(**arguments)
    except (Exception, SystemExit) as error:  # whatever the user's code raises is told, not thrown
        raise UserFileError(describe(error, path)) from None
    if not isinstance(output, Node):
        raise UserFileError(
            f"{name} gives {type(output).__name__}, no node", where=path, mend="return the loss as a node"
        )
    return Subject(output, {}, variables)


def _arguments(
    function: Callable[..., Any], name: str, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Node]]:
    """The arguments by name, and those among them that are variables."""
    parameters = {
        parameter.name: parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    unknown = [given for given in values if given not in parameters]
    if unknown:
        what = f"{name} has no parameter {', '.join(unknown)}"
        raise _usage(what, _meant(unknown[0], list(parameters)) or f"{name} takes none")
    missing = [p.name for p in parameters.values() if p.default is p.empty and p.name not in values]
    if missing:
        raise _usage(f"{name} needs a value for {', '.join(missing)}", _example(missing))
    arguments: dict[str, Any] = {}
    variables: dict[str, Node] = {}
    for key, parameter in parameters.items():
        value = values.get(key, parameter.default)
        if _is_plain(parameter) or not _is_numbers(value):
            arguments[key] = _as_default(value, parameter) if key in values else value
        else:
            with derived_from(NO_LINE, ""):
                arguments[key] = variables[key] = variable(value, name=key)
    return arguments, variables


def _is_plain(parameter: inspect.Parameter) -> bool:
    """Whether the parameter is a setting: a whole number, a truth value, a text."""
    return isinstance(parameter.default, bool | int | str) or parameter.annotation in (
        int, bool, str, "int", "bool", "str",
    )  # fmt: skip


def _is_numbers(value: Any) -> bool:
    if isinstance(value, Node):
        return False
    try:
        return np.asarray(value).dtype.kind in "iuf"
    except ValueError:  # nested sequences of unequal length: the user's own affair
        return False


def _as_default(value: Any, parameter: inspect.Parameter) -> Any:
    """A setting in the type of its default."""
    named: dict[Any, type] = {"int": int, "bool": bool, "str": str}
    wanted = parameter.annotation if parameter.default is parameter.empty else type(parameter.default)
    kind: Any = named.get(wanted, wanted)
    if kind in (int, bool) and isinstance(value, int | float) and value == int(value):
        return kind(value)
    raise _usage(
        f"{parameter.name} is {getattr(kind, '__name__', kind)}, and {value!r} was given",
        "give a whole number, or leave it at its default",
    )


def _usage(what: str, mend: str) -> click.UsageError:
    return click.UsageError(f"{what}\n  mend:  {mend}")


def _example(names: list[str]) -> str:
    return f"give numbers or lists: {' '.join(f'{name}=…' for name in names)}"


def _name_leaves(module: ModuleType) -> None:
    """Variables and placeholders without a name take the one that the file gives them."""
    for name, value in vars(module).items():
        if isinstance(value, Module):
            list(value.named_variables())  # which names them by their paths
        elif isinstance(value, Variable | Placeholder) and value.name is None:
            value.named(name)


def _nothing(module: ModuleType, name: str) -> str:
    value = vars(module).get(name)
    if value is None:
        return f"there is no {name} in this file"
    return f"{name} is {type(value).__name__}, neither a function nor a node"


def _nearest(module: ModuleType, name: str) -> str:
    functions = [
        key
        for key, value in vars(module).items()
        if (inspect.isfunction(value) and value.__module__ == module.__name__) or isinstance(value, Node)
    ]
    return _meant(name, functions) or "define a function that returns a loss"


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(known)}" if known else ""
