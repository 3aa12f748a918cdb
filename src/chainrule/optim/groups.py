"""Parameter groups: which parameters an optimizer trains, and with which options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from ..dtypes import is_float
from ..errors import ArgumentError, DTypeError
from ..graph import Variable, user_place
from .checks import NOT_NEGATIVE, in_range
from .clipping import Clip
from .constraints import Constraint
from .regularisers import Penalise, every_parameter
from .schedules import Schedule, as_schedule

#: Variables, or groups of them: ``{"parameters": [...], "learning_rate": 0.1, ...}``.
Parameters = Iterable[Variable] | Iterable[Mapping[str, Any]]


class GroupOptions(TypedDict, total=False):
    """The options that every optimizer takes and a group may override."""

    weight_decay: float
    decoupled: bool
    l1: float
    l2: float
    penalise: Penalise
    constraint: Constraint | None


class CommonOptions(GroupOptions, total=False):
    """The options that every optimizer takes (see :class:`Optimizer`)."""

    clip: Clip | None


@dataclass(frozen=True)
class Group:
    """Some parameters and the options that hold for them."""

    parameters: tuple[Variable, ...]
    schedule: Schedule
    weight_decay: float
    decoupled: bool
    l1: float
    l2: float
    penalise: Penalise
    constraint: Constraint | None
    own: Mapping[str, Any]
    """The rule's own options that differ in this group."""


_DEFAULTS: dict[str, Any] = {
    "weight_decay": 0.0,
    "decoupled": False,
    "l1": 0.0,
    "l2": 0.0,
    "penalise": every_parameter,
    "constraint": None,
}
_STRENGTHS = ("weight_decay", "l1", "l2")


def read_groups(
    optimizer: str,
    parameters: Parameters,
    learning_rate: float | Schedule,
    options: Mapping[str, Any],
    own: Mapping[str, Any],
) -> tuple[Group, ...]:
    """The groups that ``parameters`` describes, options filled in from the optimizer's.

    Errors name the optimizer and the group: no parameter at all, something that is no float variable,
    a parameter in two groups, an option that does not exist.
    """
    unknown = sorted(set(options) - set(_DEFAULTS))
    if unknown:
        raise _no_such_option(optimizer, unknown, {*_DEFAULTS, "clip", *own})
    common = {"learning_rate": learning_rate, **_DEFAULTS, **options}
    groups = []
    for where, entry in _entries(optimizer, parameters):
        overrides = {name: value for name, value in entry.items() if name != "parameters"}
        unknown = sorted(set(overrides) - set(common) - set(own))
        if unknown:
            raise _no_such_option(where, unknown, {*common, *own})
        settings = {**common, **{name: value for name, value in overrides.items() if name in common}}
        groups.append(
            Group(
                parameters=_variables(where, entry.get("parameters", ())),
                schedule=as_schedule(settings.pop("learning_rate"), where),
                own={name: value for name, value in overrides.items() if name in own},
                **_checked(where, settings),
            )
        )
    _refuse_repetition(optimizer, groups)
    return tuple(groups)


def _entries(optimizer: str, parameters: Parameters) -> list[tuple[str, Mapping[str, Any]]]:
    """Each group with what messages call it; plain variables are one group."""
    if not isinstance(parameters, Iterable):
        raise ArgumentError(
            f"{optimizer}: {parameters!r} is no sequence of variables",
            where=user_place(),
            mend="give a list of variables, such as a module's parameters()",
        )
    entries = [parameters] if isinstance(parameters, Variable | Mapping) else list(parameters)
    grouped = [isinstance(entry, Mapping) for entry in entries]
    if not entries:
        raise ArgumentError(
            f"{optimizer}: there are no parameters to train",
            where=user_place(),
            mend="give the variables of the model; an iterator that was used before is empty now",
        )
    if not any(grouped):
        return [(optimizer, {"parameters": entries})]
    if not all(grouped):
        raise ArgumentError(
            f"{optimizer}: variables and groups are mixed",
            where=user_place(),
            mend="put the variables into a group as well: {'parameters': [...]}",
        )
    return [(f"{optimizer}, group {index}", cast(Mapping[str, Any], entry)) for index, entry in
            enumerate(entries)]  # fmt: skip


def _variables(where: str, parameters: Any) -> tuple[Variable, ...]:
    """The distinct variables in order: a shared parameter is trained once."""
    found = [parameters] if isinstance(parameters, Variable) else list(parameters)
    if not found:
        raise ArgumentError(
            f"{where}: there are no parameters", where=user_place(), mend="fill the group, or leave it out"
        )
    for index, parameter in enumerate(found):
        if not isinstance(parameter, Variable):
            raise ArgumentError(
                f"{where}: parameter {index} is {parameter!r}, not a variable",
                where=user_place(),
                mend="only a cr.variable can be replaced by its next value",
            )
        if not is_float(parameter.dtype):
            raise DTypeError(
                f"{where}: parameter {index}, {parameter.label}, is {parameter.dtype}; only floats train",
                where=user_place(),
                mend="make it a float32 or float64 variable, or leave it out",
            )
    return tuple(dict.fromkeys(found))


def _checked(where: str, settings: dict[str, Any]) -> dict[str, Any]:
    for name in _STRENGTHS:
        settings[name] = in_range(f"{where}: {name}", settings[name], NOT_NEGATIVE)
    if not isinstance(settings["decoupled"], bool):
        raise ArgumentError(
            f"{where}: decoupled is {settings['decoupled']!r}; it must be True or False", where=user_place()
        )
    if not callable(settings["penalise"]):
        raise ArgumentError(
            f"{where}: penalise is {settings['penalise']!r}; it must be a function of a parameter",
            where=user_place(),
            mend="for example penalise=cr.optim.except_biases",
        )
    if not (settings["constraint"] is None or callable(settings["constraint"])):
        raise ArgumentError(
            f"{where}: constraint is {settings['constraint']!r}; it must be a function of a parameter",
            where=user_place(),
            mend="for example constraint=cr.optim.max_norm(3.0)",
        )
    return settings


def _refuse_repetition(optimizer: str, groups: Sequence[Group]) -> None:
    home: dict[Variable, int] = {}
    for index, group in enumerate(groups):
        for parameter in group.parameters:
            if parameter in home:
                raise ArgumentError(
                    f"{optimizer}: {parameter.label} is in group {home[parameter]} and in group {index}",
                    where=user_place(),
                    mend="a parameter belongs to one group",
                )
            home[parameter] = index


def _no_such_option(where: str, unknown: list[str], known: set[str]) -> ArgumentError:
    return ArgumentError(
        f"{where}: there is no option {', '.join(map(repr, unknown))}",
        where=user_place(),
        mend=f"the options are {', '.join(sorted(known))}",
    )


def keys_of(parameters: Sequence[Variable]) -> dict[Variable, str]:
    """What each parameter is called in the state: its name, or its number where that is missing or shared."""
    counts = Counter(parameter.name for parameter in parameters)
    return {
        parameter: str(index)
        if parameter.name is None or counts[parameter.name] > 1 or parameter.name.isdigit()
        else parameter.name
        for index, parameter in enumerate(parameters)
    }
