"""What a search may choose from: some values, an interval, or hidden layers of some width; read from text.

=============================  ==============================================================
``adam,sgd`` or ``[64],[64,32]``  these values, as TOML has them
``1e-4..1e-1:log``             numbers in between, evenly spread on a logarithmic scale
``0..0.5``, ``16..256``        evenly spread; whole numbers where the setting is one
``16..128:step=16``            16, 32, …, 128
``1..3x16..256:log``           for lists of widths: 1 to 3 layers, each of 16 to 256 units
=============================  ==============================================================
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

from ...errors import ConfigurationError
from ..configuration import value_of

Params = dict[str, Any]
"""What a sampler has chosen, by the parameter's name."""


class Trial(Protocol):
    """What draws values: an Optuna trial, or anything that answers as one."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...


@dataclass(frozen=True)
class Choices:
    """One of some values."""

    options: tuple[Any, ...]

    def __str__(self) -> str:
        return ",".join(map(_written, self.options))

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that must be right for all to be."""
        return self.options

    def suggest(self, trial: Trial, key: str) -> Any:
        """A value for the setting ``key``."""
        named = {_named(option): option for option in self.options}
        return named[trial.suggest_categorical(key, list(named))]

    def params(self, key: str, value: Any) -> Params | None:
        """What a sampler would have had to choose for ``value``; None where it cannot."""
        return {key: _named(value)} if value in self.options else None


@dataclass(frozen=True)
class Interval:
    """The numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def __str__(self) -> str:
        more = ":log" if self.log else "" if self.step is None else f":step={_written(self.step)}"
        return f"{_written(self.low)}..{_written(self.high)}{more}"

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that must be right for all to be."""
        return self.low, self.high

    def suggest(self, trial: Trial, key: str) -> Any:
        """A value for the setting ``key``; of fractions three digits count, so that people can read them."""
        if self.whole:
            low, high = int(self.low), int(self.high)
            return trial.suggest_int(key, low, high, step=int(self.step or 1), log=self.log)
        found = trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)
        return found if self.step else min(max(float(f"{found:.3g}"), self.low), self.high)

    def params(self, key: str, value: Any) -> Params | None:
        """What a sampler would have had to choose for ``value``; None where it cannot."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        on_grid = math.isclose(steps, round(steps), abs_tol=1e-9)
        return {key: value} if self.low <= value <= self.high and on_grid else None


@dataclass(frozen=True)
class Stack:
    """Hidden layers, so many, all of one width."""

    layers: Interval
    units: Interval

    def __str__(self) -> str:
        return f"{self.layers}x{self.units}"

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that must be right for all to be."""
        return tuple([int(units)] * int(n) for n in self.layers.ends for units in self.units.ends)

    def suggest(self, trial: Trial, key: str) -> Any:
        """A value for the setting ``key``."""
        count = self.layers.suggest(trial, f"{key}.layers")
        return [self.units.suggest(trial, f"{key}.units")] * count if count else []

    def params(self, key: str, value: Any) -> Params | None:
        """What a sampler would have had to choose for ``value``; None where it cannot."""
        if not isinstance(value, list | tuple) or len(set(value)) > 1:
            return None
        layers = self.layers.params(f"{key}.layers", len(value))
        units = self.units.params(f"{key}.units", value[0]) if value else {}
        return None if layers is None or units is None else {**layers, **units}


Range = Choices | Interval | Stack


def read_range(key: str, text: str, kind: Any) -> Range:
    """The range that ``text`` describes, for the setting ``key`` of the type ``kind``.

    Raises ``ConfigurationError`` for what is none, or does not fit the type.

    >>> print(read_range("optimizer.learning_rate", "1e-4..0.1:log", float))
    0.0001..0.1:log
    >>> read_range("training.batch", "16,32", int)
    Choices(options=(16, 32))
    >>> read_range("training.batch", "16..8", int)
    Traceback (most recent call last):
      ...
    chainrule.errors.ConfigurationError: training.batch=16..8: 8 is less than 16
      mend:  write the smaller number first
    """
    plain = plain_type(kind)
    try:
        if not text.strip():
            raise _Unreadable("there is nothing to choose from")
        if get_origin(plain) is tuple and (parts := _layers_by_units(text)):
            layers, units = (_interval(part, whole=True) for part in parts)
            return Stack(layers, units)
        if ".." in text and plain in (int, float):
            return _interval(text, whole=plain is int)
        if re.fullmatch(r"[^,'\"\[]*\d\.\.[^,'\"\[]*", text):
            raise _Unreadable("the setting is no number, and has no numbers in between", _mend(key, plain))
        return Choices(tuple(_unlike(_items(text))))
    except _Unreadable as error:
        raise ConfigurationError(f"{key}={text}: {error}", mend=error.mend or _mend(key, plain)) from None


class _Unreadable(ValueError):
    def __init__(self, what: str, mend: str | None = None) -> None:
        super().__init__(what)
        self.mend = mend


def plain_type(kind: Any) -> Any:
    """The type without the bounds that are annotated, and without None."""
    if get_origin(kind) is Annotated:
        return plain_type(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return plain_type(next(item for item in get_args(kind) if item is not NoneType))
    return kind


def _mend(key: str, plain: Any) -> str:
    if plain is bool:
        return f"for example --space {key}=true,false"
    if get_origin(plain) is Literal:
        return f"for example --space {key}={','.join(map(str, get_args(plain)[:3]))}"
    if get_origin(plain) is tuple and int in map(plain_type, get_args(plain)):
        return f"for example --space '{key}=[64],[128],[128,64]', or {key}=1..3x16..256:log"
    examples = {int: "16,32,64, or 16..256:log", float: "0.1,0.2, or 1e-4..1e-1:log"}
    return f"for example --space {key}={examples.get(plain, 'first,second')}"


_NUMBER = r"\s*([-+]?[\d.]*\d(?:[eE][-+]?\d+)?)\s*"


def _layers_by_units(text: str) -> tuple[str, str] | None:
    """The two sides of ``1..3x16..256``; a single number stands for itself."""
    layers, sign, units = text.partition("x")
    if not sign or "[" in text:
        return None

    def whole(side: str) -> str:
        return side if ".." in side else f"{side}..{side}"

    return whole(layers), whole(units)


def _interval(text: str, *, whole: bool) -> Interval:
    ends, _, how = text.partition(":")
    low_text, _, high_text = ends.partition("..")
    low, high = _number(low_text, whole), _number(high_text, whole)
    if high < low:
        raise _Unreadable(f"{_written(high)} is less than {_written(low)}", "write the smaller number first")
    how = how.strip()
    if how == "log":
        if low <= 0:
            raise _Unreadable(
                f"a logarithmic scale has no {_written(low)}", "begin above 0, or leave out :log"
            )
        return Interval(low, high, log=True, whole=whole)
    if how.startswith("step="):
        step = _number(how.removeprefix("step="), whole)
        if step <= 0:
            raise _Unreadable("a step is more than 0")
        last = low + math.floor((high - low) / step + 1e-9) * step
        return Interval(low, int(last) if whole else float(f"{last:.12g}"), step=step, whole=whole)
    if how or ":" in text:
        raise _Unreadable(f"after the colon stands {how!r}", "write :log or :step=…, or leave it out")
    return Interval(low, high, whole=whole)


def _number(text: str, whole: bool) -> float:
    if not re.fullmatch(_NUMBER, text) or text.count(".") > 1:
        raise _Unreadable(f"{text.strip()!r} is no number")
    value = float(text)
    if not math.isfinite(value):
        raise _Unreadable(f"{text.strip()} is not finite")
    if whole and value != int(value):
        raise _Unreadable(f"{text.strip()} is no whole number")
    return int(value) if whole else value


def _items(text: str) -> list[Any]:
    """The values of a list without its brackets; what is no TOML is a word."""
    try:
        found: list[Any] = tomllib.loads(f"values = [{text}]")["values"]
        return found
    except tomllib.TOMLDecodeError:
        items = [item.strip() for item in re.split(r",(?![^\[]*\])", text)]
        if "" in items:
            raise _Unreadable("a value is missing between two commas") from None
        return [value_of(item) for item in items]


def _unlike(items: Sequence[Any]) -> list[Any]:
    return list({(type(item), json.dumps(item, default=str)): item for item in items}.values())


def _named(value: Any) -> Any:
    """A value as a sampler keeps it: a plain one as it is, a list as text."""
    return value if isinstance(value, bool | int | float | str) else _written(value)


def _written(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, str):
        plain = value_of(value) == value and not set(value) & set(",[]")
        return value if plain else json.dumps(value)
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, Mapping):
        raise _Unreadable("a value is a table")
    return json.dumps(list(value) if isinstance(value, tuple) else value, default=str, separators=(",", ":"))
