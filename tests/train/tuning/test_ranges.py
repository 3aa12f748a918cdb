"""Ranges: what a search may choose from, as people write it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ConfigurationError
from chainrule.train.tuning.ranges import Choices, Interval, Range, Stack, read_range

Count = Annotated[int, msgspec.Meta(ge=1)]
Widths = tuple[Count, ...]
Rule = Literal["sgd", "adam"]


class Answers:
    """Answers as a trial does, with what it is told to; notes what it was asked."""

    def __init__(self, **values: Any) -> None:
        self.values, self.asked = values, {}

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.asked[name] = choices
        return self.values[name]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.asked[name] = (low, high, step, log)
        return self.values[name]

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.asked[name] = (low, high, step, log)
        return self.values[name]


@pytest.mark.parametrize(
    ("kind", "text", "range_"),
    [
        (float, "1e-4..1e-1:log", Interval(1e-4, 0.1, log=True)),
        (float, " 0 .. 0.5 ", Interval(0.0, 0.5)),
        (float, "-1..1", Interval(-1.0, 1.0)),
        (float, "0.1,0.2", Choices((0.1, 0.2))),
        (float, "0..1:step=0.25", Interval(0.0, 1.0, step=0.25)),
        (float, "0..1:step=0.3", Interval(0.0, 0.9, step=0.3)),
        (int, "16..256", Interval(16, 256, whole=True)),
        (Count, "16..256:log", Interval(16, 256, log=True, whole=True)),
        (Count | None, "1..3", Interval(1, 3, whole=True)),
        (int, "1e2..1e3", Interval(100, 1000, whole=True)),
        (int, "16..130:step=16", Interval(16, 128, step=16, whole=True)),
        (int, "16,32,16", Choices((16, 32))),
        (Rule, "adam,sgd", Choices(("adam", "sgd"))),
        (Rule, '"adam", "sgd"', Choices(("adam", "sgd"))),
        (bool, "true,false", Choices((True, False))),
        (str, "a..b,c", Choices(("a..b", "c"))),
        (Widths, "[64],[128,64]", Choices(([64], [128, 64]))),
        (
            Widths,
            "1..3x16..256:log",
            Stack(Interval(1, 3, whole=True), Interval(16, 256, log=True, whole=True)),
        ),
        (Widths, "2x16..64", Stack(Interval(2, 2, whole=True), Interval(16, 64, whole=True))),
    ],
)
def test_ranges_are_read_and_written(kind: Any, text: str, range_: Range) -> None:
    assert read_range("section.key", text, kind) == range_
    assert read_range("section.key", str(range_), kind) == range_


@pytest.mark.parametrize(
    ("kind", "text", "what"),
    [
        (float, "", "there is nothing to choose from"),
        (float, "1..x", "'x' is no number"),
        (float, "0..1:log", "a logarithmic scale has no 0"),
        (float, "1e-3..1e400", "1e400 is not finite"),
        (float, "2..1", "1 is less than 2"),
        (float, "1...5", "0.5 is less than 1"),
        (float, "1..2:lg", "after the colon stands 'lg'"),
        (float, "1..2:", "after the colon stands ''"),
        (float, "1..2:step=0", "a step is more than 0"),
        (int, "1.5..3", "1.5 is no whole number"),
        (int, "1,,2", "a value is missing between two commas"),
        (Rule, "1..5", "the setting is no number"),
        (Widths, "1..3x64..16", "16 is less than 64"),
        (Widths, "1..3x", "'' is no number"),
    ],
)
def test_what_is_no_range_is_told(kind: Any, text: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_range("section.key", text, kind)
    assert raised.value.what == f"section.key={text}: {raised.value.what.partition(': ')[2]}"
    assert what in raised.value.what
    assert raised.value.mend


def test_a_stack_is_layers_of_one_width() -> None:
    stack = Stack(Interval(0, 3, whole=True), Interval(8, 64, log=True, whole=True))
    trial = Answers(**{"k.layers": 2, "k.units": 32})
    assert stack.suggest(trial, "k") == [32, 32]
    assert trial.asked == {"k.layers": (0, 3, 1, False), "k.units": (8, 64, 1, True)}
    assert stack.suggest(Answers(**{"k.layers": 0}), "k") == []
    assert stack.params("k", (16, 16)) == {"k.layers": 2, "k.units": 16}
    assert stack.params("k", (16, 8)) is None
    assert stack.params("k", (4,)) is None
    assert stack.params("k", ()) == {"k.layers": 0}


def test_lists_are_chosen_by_their_text() -> None:
    choices = Choices(([64], [128, 64]))
    trial = Answers(k="[128,64]")
    assert choices.suggest(trial, "k") == [128, 64]
    assert trial.asked == {"k": ["[64]", "[128,64]"]}
    assert choices.params("k", [64]) == {"k": "[64]"}
    assert choices.params("k", [32]) is None


@pytest.mark.parametrize(
    ("range_", "value", "within"),
    [
        (Interval(1, 9, whole=True), 9, True),
        (Interval(1, 9, whole=True), 10, False),
        (Interval(1, 9, step=2, whole=True), 3, True),
        (Interval(1, 9, step=2, whole=True), 4, False),
        (Interval(0.0, 1.0, step=0.1), 0.3, True),
        (Interval(0.0, 1.0), "a", False),
        (Interval(0.0, 1.0), True, False),
    ],
)
def test_what_an_interval_holds(range_: Interval, value: Any, within: bool) -> None:
    assert range_.params("k", value) == ({"k": value} if within else None)


@settings(deadline=None, max_examples=60)
@given(
    low=st.floats(1e-6, 1e3),
    factor=st.floats(1.0, 1e4),
    place=st.floats(0, 1),
)
def test_numbers_of_few_digits_stay_within(low: float, factor: float, place: float) -> None:
    high = low * factor
    drawn = min(max(low * factor**place, low), high)
    found = Interval(low, high, log=True).suggest(Answers(k=drawn), "k")
    assert low <= found <= high
    assert math.isclose(found, drawn, rel_tol=6e-3)
