"""Configurations: typed, with defaults, read from TOML and changed by ``section.key=value``.

A task's configuration is a :class:`Options` with sections; what a file or a command line says is
checked against it, and a misspelt key is answered with the nearest ones that exist.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

import msgspec

from .. import optim
from ..compile import DEFAULT_ENGINE, ENGINES
from ..data.files import possible_path
from ..errors import ConfigurationError, DataError
from ..functions import ACTIVATIONS
from .invariants import ALARMS
from .settings import Settings

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Whole = Annotated[int, msgspec.Meta(ge=0)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""What the random keys take, and msgspec can bound."""
Rate = Annotated[float, msgspec.Meta(ge=0, lt=1)]


if TYPE_CHECKING:
    Activation = str
    Engine = str
    AlarmCode = str
else:
    Activation, Engine = Literal[tuple(ACTIVATIONS)], Literal[tuple(ENGINES)]
    AlarmCode = Literal[tuple(ALARMS)]


class Options(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A section of a configuration: fields with types and defaults; unknown keys are errors."""


Rule = Literal["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "adafactor"]
Shape = Literal["constant", "linear", "cosine", "exponential", "inverse_time", "step"]


class OptimizerOptions(Options):
    """How parameters are updated."""

    rule: Rule = "adam"
    learning_rate: Positive = 0.001
    momentum: Rate = 0.9
    """For momentum and nesterov."""
    schedule: Shape = "constant"
    warmup: Whole = 0
    """Steps of linear warm-up before the schedule."""
    decay: Positive = 0.5
    """The factor of an exponential, inverse-time or step schedule, applied every ``decay_epochs``."""
    decay_epochs: Positive = 1.0
    weight_decay: NonNegative = 0.0
    l1: NonNegative = 0.0
    l2: NonNegative = 0.0
    clip_norm: NonNegative = 0.0
    """Gradients are scaled down to this global norm; 0 leaves them."""


class TrainingOptions(Options):
    """How long, in which batches, and when to stop."""

    epochs: Count = 10
    batch: Count = 32
    patience: Whole = 3
    """Stop after so many epochs without a better validation score; 0 never does."""
    plateau: Whole = 0
    """Halve the learning rate after so many epochs without a better score; 0 never does."""
    max_seconds: NonNegative = 0.0
    """Stop after the epoch in which so much time has passed; 0 never does."""
    seed: Seed = 0
    engine: Engine = DEFAULT_ENGINE
    mesh: str | None = None
    """Devices to split batches and large matrices over, as in data=4,model=2; for the engine xla."""
    checkpoint_seconds: Positive = 60.0
    """Save the state within an epoch when so much time has passed since the last time."""
    invariants: bool = True
    """Tell of what is hardly meant: a parameter that no gradient reaches, a rate that is too high, …"""
    ignore: tuple[AlarmCode, ...] = ()
    """Codes of such alarms that are meant, and not to be told."""

    @property
    def runs_on(self) -> str:
        """The engine, with its mesh where there is one, as ``cr.compile`` takes it."""
        return self.engine if self.mesh is None else f"{self.engine}:{self.mesh}"


C = TypeVar("C", bound=Options)

_TELLING = ("kind", "rule", "source")
"""Settings that a section can be called by."""


def resolve(
    kind: type[C],
    *,
    file: str | Path | None = None,
    settings: Iterable[str] = (),
    task: str | None = None,
    begin: C | None = None,
) -> C:
    """The configuration of ``kind``: its defaults, then ``file`` (TOML), then ``section.key=value`` settings.

    With ``begin``, such as a run's own configuration, that in place of the defaults.

    A section that is given a value takes it as what it says it is, its ``kind``, ``rule`` or ``source``:
    ``optimizer=sgd`` is ``optimizer.rule=sgd``.  A file may name the ``task`` it is for, as those of run
    folders do; it must be the one given.
    Raises ``ConfigurationError`` naming the key, ``DataError`` for a file that is missing or no TOML.

    >>> class Example(Options):
    ...     training: TrainingOptions = msgspec.field(default_factory=TrainingOptions)
    >>> resolve(Example, settings=["training.epochs=3"]).training.epochs
    3
    >>> resolve(Example, settings=["training.epoch=3"])
    Traceback (most recent call last):
      ...
    chainrule.errors.ConfigurationError: there is no setting 'training.epoch'
      mend:  did you mean training.epochs?
    """
    tree = merged({} if begin is None else to_mapping(begin), {} if file is None else _read(file))
    named = tree.pop("task", task)
    if named != task:
        raise ConfigurationError(
            f"the configuration is for the task {named!r}, not {task!r}", where=str(file)
        )
    given = [(key, tree.pop(key)) for key, value in list(tree.items()) if not isinstance(value, Mapping)]
    for key, value in [*given, *map(_parse, settings)]:
        _put(tree, whole_key(kind, key), value)
    return from_mapping(kind, tree)


def from_mapping(kind: type[C], tree: Mapping[str, Any]) -> C:
    """The configuration that ``tree`` describes, checked; what it leaves out is as in ``kind()``."""
    known = setting_names(kind)
    for key, value in leaves(tree):
        if key not in known:
            raise ConfigurationError(f"there is no setting {key!r}", mend=_nearest(key, known))
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"{key}: {value} is not finite", mend=_example(kind, key))
    try:
        # A section's defaults are those of the whole configuration, not those of the section's own class.
        return msgspec.convert(merged(to_mapping(kind()), tree), kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        key = path.strip("`").removeprefix("$.")
        raise ConfigurationError(
            f"{key}: {what[0].lower()}{what[1:]}", mend=_example(kind, key.partition("[")[0], what)
        ) from None


def _example(kind: type[Options], key: str, fault: str = "") -> str:
    """What the setting may be: of its choices the near ones, or all; or its default as it is written."""
    default: Any = to_mapping(kind())
    for name in key.split("."):
        default = default[name]
    choices = get_args(type_of(kind, key))
    if choices and all(isinstance(choice, str) for choice in choices):
        near = difflib.get_close_matches(fault.partition("'")[2].rstrip("'"), choices, n=2, cutoff=0.7)
        return f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(choices)}"
    written = f"{key}={json.dumps(default, separators=(',', ':'))}"
    return f"for example --set '{written}'" if "[" in written else f"for example --set {written}"


def to_mapping(config: Options) -> dict[str, Any]:
    """The configuration as plain dicts, for a TOML file."""
    found: dict[str, Any] = msgspec.to_builtins(config)
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``below`` with what ``above`` says in its place, section by section."""
    found = dict(below)
    for key, value in above.items():
        inner = found.get(key)
        if isinstance(value, Mapping) and isinstance(inner, Mapping):
            value = merged(inner, value)
        found[key] = value
    return found


def _read(path: str | Path) -> dict[str, Any]:
    try:
        return tomllib.loads(possible_path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"the configuration cannot be read: {error.strerror}", path=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the configuration is no TOML: {error}", where=str(path)) from None


def _parse(setting: str) -> tuple[str, Any]:
    """``key=value``, the value as TOML has it; what is no TOML is a string."""
    key, sign, text = setting.partition("=")
    if not sign or not key.strip():
        raise ConfigurationError(f"{setting!r} is no setting", mend="write section.key=value")
    return key.strip(), value_of(text)


def value_of(text: str) -> Any:
    """What ``text`` says in TOML; what is no TOML is a string.

    >>> value_of("1e-3"), value_of("[64, 32]"), value_of("adam")
    (0.001, [64, 32], 'adam')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def whole_key(kind: type[Options], key: str) -> str:
    """The key itself, or if it is that of a section the setting that says what the section is."""
    known = setting_names(kind)
    whole = (f"{key}.{name}" for name in _TELLING)
    return key if key in known else next((name for name in whole if name in known), key)


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigurationError(f"{key!r}: {section!r} is no section")
    tree[last] = value


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """The settings by their whole keys, ``section.key``, with their values."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def setting_names(kind: type[Options], prefix: str = "") -> list[str]:
    """The names of all settings, those in sections as ``section.key``."""
    found: list[str] = []
    for item in msgspec.structs.fields(kind):
        if isinstance(item.type, type) and issubclass(item.type, Options):
            found += setting_names(item.type, f"{prefix}{item.name}.")
        else:
            found.append(prefix + item.name)
    return found


def type_of(kind: type[Options], key: str) -> Any:
    """The type that the setting ``key`` is declared with; it must be one of :func:`setting_names`."""
    found: Any = kind
    for name in key.split("."):
        found = next(item.type for item in msgspec.structs.fields(found) if item.name == name)
    return found


def _nearest(key: str, known: list[str]) -> str:
    inside = [other for other in known if other.startswith(f"{key}.")]
    if inside:
        return f"it is a section: {', '.join(inside)}"
    # A section's name is long and often right: what follows it has to be near as well.
    close = [
        other
        for other in difflib.get_close_matches(key, known, n=3, cutoff=0.75)
        if difflib.get_close_matches(key.rpartition(".")[2], [other.rpartition(".")[2]], cutoff=0.5)
    ]
    same = [other for other in known if other.rpartition(".")[2] == key.rpartition(".")[2]]
    options = list(dict.fromkeys([*same, *close]))
    return f"did you mean {' or '.join(options)}?" if options else f"the settings are: {', '.join(known)}"


_RULES: dict[str, type[optim.Optimizer]] = {
    "sgd": optim.SGD,
    "momentum": optim.Momentum,
    "nesterov": optim.Nesterov,
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "rmsprop": optim.RMSProp,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "adafactor": optim.Adafactor,
}


def make_schedule(options: OptimizerOptions, steps_per_epoch: int, epochs: int) -> optim.Schedule:
    """The learning-rate schedule that the options describe, over a run of so many steps."""
    rate, total = options.learning_rate, max(steps_per_epoch * epochs - options.warmup, 1)
    period = max(round(options.decay_epochs * steps_per_epoch), 1)
    made: dict[str, Any] = {
        "constant": lambda: optim.schedules.constant(rate),
        "linear": lambda: optim.schedules.linear(rate, total),
        "cosine": lambda: optim.schedules.cosine(rate, total),
        "exponential": lambda: optim.schedules.exponential(rate, options.decay ** (1 / period)),
        "inverse_time": lambda: optim.schedules.inverse_time(rate, options.decay / period),
        "step": lambda: optim.schedules.step_decay(rate, options.decay, period),
    }
    schedule: optim.Schedule = made[options.schedule]()
    return optim.schedules.warmup(options.warmup, schedule) if options.warmup else schedule


def make_optimizer(
    options: OptimizerOptions,
    parameters: optim.Parameters,
    steps_per_epoch: int,
    epochs: int,
) -> optim.Optimizer:
    """The optimizer that the options describe."""
    more: dict[str, Any] = {"momentum": options.momentum} if options.rule in ("momentum", "nesterov") else {}
    if options.clip_norm:
        more["clip"] = optim.Clip(global_norm=options.clip_norm)
    return _RULES[options.rule](
        parameters,
        make_schedule(options, steps_per_epoch, epochs),
        weight_decay=options.weight_decay,
        l1=options.l1,
        l2=options.l2,
        **more,
    )


def make_settings(
    options: TrainingOptions, *, monitor: str = "validation_loss", higher: bool = False
) -> Settings:
    """The loop's settings that the options describe; ``monitor`` decides what is best."""
    return Settings(
        epochs=options.epochs,
        seed=options.seed,
        monitor=monitor,
        higher_is_better=higher,
        patience=options.patience or None,
        max_seconds=options.max_seconds or None,
        engine=options.runs_on,
        checkpoint_seconds=options.checkpoint_seconds,
        invariants=options.invariants,
        ignore=options.ignore,
    )


def make_plateau(
    options: TrainingOptions, optimizer: optim.Optimizer, *, higher: bool = False
) -> optim.ReduceOnPlateau | None:
    """What halves the learning rate after ``options.plateau`` epochs without a better score; None for 0."""
    if not options.plateau:
        return None
    mode: Literal["min", "max"] = "max" if higher else "min"
    return optim.ReduceOnPlateau(
        optimizer, patience=options.plateau - 1, factor=0.5, threshold=0.0, mode=mode
    )
