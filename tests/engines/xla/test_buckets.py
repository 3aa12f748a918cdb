"""Twenty shapes are not twenty compilations: batches of rows are filled up to one of a few sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compile import ENGINES
from chainrule.engines.xla import Xla
from chainrule.train import PerExample
from chainrule.train.step import filled_size

pytestmark = pytest.mark.xla


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The programs that are made while a test runs."""
    programs: list[Any] = []

    class Counted(Xla):
        def __init__(self, *args: Any, **more: Any) -> None:
            programs.append(args)
            super().__init__(*args, **more)

    monkeypatch.setitem(ENGINES, "xla", Counted)
    return programs


def rows(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, 6)).astype("f")


def tagger() -> tuple[Any, Any]:
    layer = cr.nn.Linear(6, 3, seed=1)
    return layer, lambda x: cr.nn.softmax(layer(x))


def test_twenty_sizes_are_a_handful_of_programs(made: list[Any]) -> None:
    _, function = tagger()
    there, here = PerExample(function, engine="xla"), PerExample(function, engine="stepper")
    for count in np.random.default_rng(3).permutation(np.arange(1, 21)).tolist():
        x = rows(count, count)
        np.testing.assert_allclose(there([x]), here([x]), rtol=1e-6)
    assert len(made) <= 5


def test_the_last_batch_runs_as_the_others_do(made: list[Any]) -> None:
    _, function = tagger()

    def batches() -> Iterator[Any]:
        return (rows(count, count) for count in (64, 64, 64, 5))

    found = PerExample(function, engine="xla")(batches())
    assert found.shape == (197, 3)
    np.testing.assert_allclose(found, PerExample(function, engine="stepper")(batches()), rtol=1e-6)
    assert len(made) == 1


def test_batches_of_names_of_several_arrays_and_of_nothing() -> None:
    table = cr.nn.Embedding(9, 4, seed=2)

    def function(words: Any, weight: Any) -> Any:
        return cr.sum(table(words), axis=1) * weight[:, None]

    rng, found = np.random.default_rng(1), {}
    for engine in ("stepper", "xla"):
        given = [
            {"words": rng.integers(0, 9, (count, 5)), "weight": rows(count)[:, 0]} for count in (7, 3, 0, 1)
        ]
        found[engine] = PerExample(function, engine=engine)(given[:2]).shape
        one = PerExample(function, engine=engine)
        assert one([given[2]]).shape == (0, 4)
        np.testing.assert_allclose(
            one([given[0], given[1]]), PerExample(function, engine="stepper")(given[:2]), rtol=1e-5, atol=1e-6
        )
    assert found["stepper"] == found["xla"] == (10, 4)


def test_few_sizes_and_few_rows_too_many() -> None:
    sizes = {filled_size(count) for count in range(1, 1025)}
    assert len(sizes) <= 4 * 10
    assert all(count <= filled_size(count) <= max(count * 1.25, 8) for count in range(1, 1025))
