from __future__ import annotations

import json
from typing import Any

import pytest

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.optim import SGD, ReduceOnPlateau

from .logistic_problem import FIGURES


def unit() -> SGD:
    return SGD([cr.variable(1.0, dtype="float64")], learning_rate=1.0)


def rates(plateau: ReduceOnPlateau, metrics: list[float]) -> list[float]:
    found = []
    for metric in metrics:
        before = float(plateau.optimizer.learning_rate())
        lowered = plateau.observe(metric)
        found.append(float(plateau.optimizer.learning_rate()))
        assert lowered == (found[-1] < before)
    return found


@pytest.mark.parametrize("figure", FIGURES["plateaus"], ids=lambda figure: str(figure["options"]))
def test_rates_are_those_of_the_reference(figure: dict[str, Any]) -> None:
    assert rates(ReduceOnPlateau(unit(), **figure["options"]), FIGURES["metrics"]) == pytest.approx(
        figure["rates"], rel=1e-12
    )


@pytest.mark.parametrize("cut", range(len(FIGURES["metrics"])))
def test_it_resumes_anywhere_through_json(cut: int) -> None:
    options = FIGURES["plateaus"][2]["options"]  # the one with a cooldown
    first = ReduceOnPlateau(unit(), **options)
    begun = rates(first, FIGURES["metrics"][:cut])
    optimizer = unit()
    optimizer.load_state_dict(first.optimizer.state_dict())
    second = ReduceOnPlateau(optimizer, **options)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert begun + rates(second, FIGURES["metrics"][cut:]) == FIGURES["plateaus"][2]["rates"]


def test_a_nan_is_no_improvement_and_never_the_best() -> None:
    plateau = ReduceOnPlateau(unit(), patience=1, factor=0.5)
    assert [plateau.observe(metric) for metric in (float("nan"), 3.0, float("nan"), float("nan"))] == [
        False, False, False, True,
    ]  # fmt: skip
    assert plateau.best == 3.0


def test_negative_metrics_improve_downwards() -> None:
    plateau = ReduceOnPlateau(unit(), patience=0, factor=0.5, threshold=0.1)
    assert [plateau.observe(metric) for metric in (-1.0, -1.2, -1.25)] == [False, False, True]


def test_at_the_minimum_nothing_is_lowered() -> None:
    optimizer = unit()
    plateau = ReduceOnPlateau(optimizer, patience=0, factor=0.5, minimum=0.5)
    assert [plateau.observe(1.0) for _ in range(4)] == [False, True, False, False]
    optimizer.learning_rate_scale.assign(0.25)  # set below the minimum by hand: it is not raised
    assert not plateau.observe(1.0)
    assert float(optimizer.learning_rate()) == 0.25


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"factor": 1.0}, "ReduceOnPlateau: factor is 1.0; it must be below 1"),
        ({"factor": -1}, "ReduceOnPlateau: factor is -1; it must be a finite number above 0"),
        ({"patience": -1}, "ReduceOnPlateau: patience is -1; it must be a whole number, at least 0"),
        ({"mode": "lower"}, "ReduceOnPlateau: mode is 'lower'; it must be 'min' or 'max'"),
    ],
)
def test_errors_name_the_option(options: dict[str, Any], what: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ReduceOnPlateau(unit(), **options)
    assert caught.value.what == what


def test_a_state_that_does_not_fit_is_refused() -> None:
    plateau = ReduceOnPlateau(unit())
    with pytest.raises(ArgumentError) as caught:
        plateau.load_state_dict({"best": "low", "waited": 1, "scale": 1.0})
    assert caught.value.what == (
        "ReduceOnPlateau: this state does not fit; missing: resting; unknown: scale; best is 'low'"
    )
    assert plateau.state_dict() == {"best": None, "waited": 0, "resting": 0}
