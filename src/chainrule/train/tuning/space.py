"""What is searched: a range for some of a configuration's settings, each where it acts.

What a task is searched for by default is a table of the settings that configurations have; a condition says
where a setting acts at all, and where it does not nothing is chosen for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from ...errors import ConfigurationError
from ..configuration import Options, from_mapping, setting_names, to_mapping, type_of, whole_key
from .ranges import Choices, Interval, Params, Range, Stack, Trial, plain_type, read_range

C = TypeVar("C", bound=Options)


@dataclass(frozen=True)
class Condition:
    """``key`` acts only where the setting ``where`` has one of ``values``, if ``unlike`` none of them."""

    key: str
    where: str
    values: tuple[Any, ...]
    unlike: bool = False

    def holds(self, tree: Mapping[str, Any]) -> bool:
        """Whether it does in this configuration."""
        return (_at(tree, self.where) in self.values) is not self.unlike

    def __str__(self) -> str:
        values = " or ".join(map(str, self.values))
        return f"{self.key} acts only where {self.where} is {'not ' * self.unlike}{values}"


_DECAYING = ("exponential", "inverse_time", "step")
_NETWORK = ("hidden", "activation", "dropout", "input_dropout", "width", "feature_width", "forget")

CONDITIONS = (
    Condition("optimizer.momentum", "optimizer.rule", ("momentum", "nesterov")),
    Condition("optimizer.decay", "optimizer.schedule", _DECAYING),
    Condition("optimizer.decay_epochs", "optimizer.schedule", _DECAYING),
    Condition("model.filters", "model.kind", ("mlp",), unlike=True),
    Condition("model.window", "model.kind", ("mlp",), unlike=True),
    Condition("model.k", "model.pooling", ("k-max",)),
    Condition("model.decay", "model.history", (0,), unlike=True),
    Condition("softmax.power", "softmax.negatives", (0,), unlike=True),
    *(Condition(f"model.{name}", "model.kind", ("linear",), unlike=True) for name in _NETWORK),
)
"""Where settings act that do not always; those that a task's configuration lacks say nothing."""


class Space:
    """Ranges by the settings' names, those that decide where others act first.

    Raises ``ConfigurationError`` for a setting that there is not, a value that it cannot have, and one that
    can act nowhere.
    """

    def __init__(self, base: Options, ranges: Mapping[str, Range]) -> None:
        self.base = base
        for key, range_ in ranges.items():
            for value in range_.ends:
                changed(base, {key: value})
        self.conditions = _conditions(type(base))
        self.ranges = {key: ranges[key] for key in self._ordered(ranges)}
        for key, range_ in ranges.items():
            for condition in self.conditions.get(key, ()):
                self._check_can_act(condition, ranges)
            if isinstance(range_, Choices) and not range_.options:
                raise ConfigurationError(f"{key}: there is nothing to choose from")

    def _ordered(self, ranges: Mapping[str, Range]) -> list[str]:
        deciding = {condition.where for found in self.conditions.values() for condition in found}
        return sorted(ranges, key=lambda key: key not in deciding)

    def _check_can_act(self, condition: Condition, ranges: Mapping[str, Range]) -> None:
        if not _may_hold(condition, to_mapping(self.base), ranges):
            range_ = ranges.get(condition.where)
            found = _at(to_mapping(self.base), condition.where) if range_ is None else range_
            raise ConfigurationError(
                f"{condition}, and it is {found}",
                mend=f"give --set or --space {condition.where}=…, or leave {condition.key} out",
            )

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """A value for each setting that acts, by its name."""
        tree, found = to_mapping(self.base), dict[str, Any]()
        for key, range_ in self.ranges.items():
            if all(condition.holds(tree) for condition in self.conditions.get(key, ())):
                found[key] = range_.suggest(trial, key)
                tree = _put(tree, key, found[key])
        return found

    def params(self) -> Params:
        """What a sampler would have to choose for the configuration as it is, as far as it is in reach."""
        tree, found = to_mapping(self.base), Params()
        for key, range_ in self.ranges.items():
            if all(condition.holds(tree) for condition in self.conditions.get(key, ())):
                found |= range_.params(key, _at(tree, key)) or {}
        return found

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The settings' values that go with what a sampler has chosen."""
        return self.suggest(_Chosen(params))

    def text(self) -> dict[str, str]:
        """The ranges as they are written."""
        return {key: str(range_) for key, range_ in self.ranges.items()}


@dataclass(frozen=True)
class _Chosen:
    """Answers as a trial does, with what was chosen before; what was not has its least value."""

    params: Mapping[str, Any]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.params.get(name, choices[0])

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self.params.get(name, low))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self.params.get(name, low))


def changed(config: C, settings: Mapping[str, Any]) -> C:
    """The configuration with other values for some settings, checked."""
    tree = to_mapping(config)
    for key, value in settings.items():
        if key not in setting_names(type(config)):
            from_mapping(type(config), _put({}, key, value))  # which raises, naming what is near
        tree = _put(tree, key, value)
    return from_mapping(type(config), tree)


def make_space(
    config: Options, given: Iterable[str] = (), *, fixed: Iterable[str] = (), only: bool = False
) -> Space:
    """What is searched around ``config``: what is usual, and the ranges ``KEY=RANGE`` that are ``given``.

    ``fixed`` settings stay as they are; with ``only``, nothing is searched but what is given.  A range of one
    value fixes the setting to it.

    >>> import msgspec
    >>> from chainrule.train.configuration import Options, OptimizerOptions
    >>> field = "optimizer", OptimizerOptions, msgspec.field(default_factory=OptimizerOptions)
    >>> Example = msgspec.defstruct("Example", [field], bases=(Options,))
    >>> given = ["optimizer.momentum=0.5..0.9", "optimizer.rule=sgd,momentum"]
    >>> make_space(Example(), given, only=True).text()
    {'optimizer.rule': 'sgd,momentum', 'optimizer.momentum': '0.5..0.9'}
    """
    kind, own = type(config), dict[str, Range]()
    for text in given:
        key, sign, range_text = text.partition("=")
        key = whole_key(kind, key.strip())
        if not sign or not key:
            raise ConfigurationError(f"{text!r} is no range of a setting", mend="write section.key=range")
        if key not in setting_names(kind):
            changed(config, {key: None})
        if key in own:
            raise ConfigurationError(f"{key} has two ranges", mend="give one, its values with commas")
        if key in fixed:
            raise ConfigurationError(
                f"{key} is both set and searched", mend="leave out either --set or --space"
            )
        own[key] = read_range(key, range_text, type_of(kind, key))
    single = {key: range_.ends[0] for key, range_ in own.items() if len(set(map(str, range_.ends))) == 1}
    config = changed(config, single)
    searched = {key: range_ for key, range_ in own.items() if key not in single}
    usual = {} if only else default_ranges(config, {*fixed, *own}, searched)
    if not usual and not searched:
        raise ConfigurationError(
            "there is nothing to search", mend="give a range, for example --space training.batch=16,32,64"
        )
    return Space(config, {**usual, **searched})


# -- what is usual ---------------------------------------------------------------------------------


def default_ranges(
    config: Options, without: Iterable[str] = (), given: Mapping[str, Range] | None = None
) -> dict[str, Range]:
    """The usual ranges around ``config``: of what it has of :data:`USUAL` and of what acts."""
    kind, tree, searched = type(config), to_mapping(config), dict(given or {})
    names, conditions = setting_names(kind), _conditions(kind)
    for key, usual in USUAL:
        if key not in names or key in without:
            continue
        range_ = usual(_at(tree, key), plain_type(type_of(kind, key)), names)
        if range_ is None:
            continue
        if all(_may_hold(condition, tree, searched) for condition in conditions.get(key, ())):
            searched[key] = range_
    return {key: range_ for key, range_ in searched.items() if key not in (given or {})}


def _may_hold(condition: Condition, tree: Mapping[str, Any], searched: Mapping[str, Range]) -> bool:
    """Whether the condition holds for a value that the deciding setting has or may get."""
    range_ = searched.get(condition.where)
    trees = [tree] if range_ is None else [_put(tree, condition.where, value) for value in range_.ends]
    return any(map(condition.holds, trees))


Usual = Callable[[Any, Any, Sequence[str]], Range | None]
"""From a setting's value and type, and the names of all settings, to what is usually searched."""

_DEEPEST = 3


def _around(factor: float, otherwise: tuple[float, float]) -> Usual:
    """A rate so many times smaller or larger; around 0, which leaves the choice open, ``otherwise``."""

    def usual(value: Any, kind: Any, names: Sequence[str]) -> Range | None:
        low, high = (value / factor, value * factor) if value else otherwise
        return Interval(float(f"{low:.1g}"), float(f"{high:.1g}"), log=True)

    return usual


def _some_of(*preferred: str) -> Usual:
    """Of the choices that a setting has those that are mostly worth a try, and the one it has."""

    def usual(value: Any, kind: Any, names: Sequence[str]) -> Range | None:
        if get_origin(kind) is not Literal:
            return None
        choices = get_args(kind)
        found = tuple(dict.fromkeys([value, *(name for name in preferred if name in choices)]))
        return Choices(found) if len(found) > 1 else None

    return usual


def _units(value: Any, kind: Any, names: Sequence[str]) -> Range | None:
    """A quarter to four times as many; of a list of widths also their number."""
    if kind is int:
        return Interval(max(value // 4, 1), value * 4, log=True, whole=True)
    if get_origin(kind) is tuple and value:
        units = Interval(max(min(value) // 4, 1), max(value) * 4, log=True, whole=True)
        return Stack(Interval(1, max(_DEEPEST, len(value)), whole=True), units)
    return None


def _units_of_no_layers(value: Any, kind: Any, names: Sequence[str]) -> Range | None:
    """Widths, where there are no hidden layers to search, nor so many filters."""
    return None if "model.hidden" in names or kind is not int else _units(value, kind, names)


def _width_alone(value: Any, kind: Any, names: Sequence[str]) -> Range | None:
    """Numbers in a vector, where these are all that a network has."""
    return None if "model.filters" in names else _units_of_no_layers(value, kind, names)


def _fixed(range_: Range) -> Usual:
    return lambda value, kind, names: range_


USUAL: tuple[tuple[str, Usual], ...] = (
    ("optimizer.rule", _some_of("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw")),
    ("optimizer.learning_rate", _around(30, otherwise=(2e-3, 0.3))),
    ("optimizer.momentum", _fixed(Interval(0.8, 0.99))),
    ("model.activation", _some_of("relu", "gelu", "silu", "tanh", "sigmoid")),
    ("model.hidden", _units),
    ("model.layers", _fixed(Interval(1, _DEEPEST, whole=True))),
    ("model.filters", _units_of_no_layers),
    ("model.width", _width_alone),
    ("model.dropout", _fixed(Interval(0.0, 0.6))),
)
"""What is searched where nothing else is said: rate, layers, units, activation, optimizer, dropout."""


def _conditions(kind: type[Options]) -> dict[str, list[Condition]]:
    """Those whose settings, and whose values of the deciding one, the configuration has."""
    names, found = setting_names(kind), dict[str, list[Condition]]()
    for condition in CONDITIONS:
        if condition.key not in names or condition.where not in names:
            continue
        choices = get_args(plain_type(type_of(kind, condition.where)))
        if not choices or set(condition.values) & set(choices):
            found.setdefault(condition.key, []).append(condition)
    return found


def _at(tree: Mapping[str, Any], key: str) -> Any:
    value: Any = tree
    for name in key.split("."):
        value = value[name]
    return value


def _put(tree: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The tree with another value at one place."""
    name, _, rest = key.partition(".")
    inner = tree.get(name, {})
    return {**tree, name: _put(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value}
