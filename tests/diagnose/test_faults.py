from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.diagnose.faults import FAULTS, HEALTHY, Fault, named, said

import chainrule as cr
from chainrule.train import ALARMS


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row.name)
def test_a_broken_network_is_told_what_is_wrong_with_it(row: Fault) -> None:
    text = said(row)
    assert named(row, text), f"{row.expected} is expected; said is:\n{text}"


@pytest.mark.parametrize("program", [run for _, run in HEALTHY], ids=[name for name, _ in HEALTHY])
def test_a_healthy_run_hears_nothing_and_learns(program: Callable[[], cr.train.Result]) -> None:
    result = program()
    assert result.alarms == []
    assert result.records[-1]["loss"] < 0.5 * result.records[0]["loss"]


def test_the_table_is_as_large_as_it_says() -> None:
    assert len(FAULTS) >= 30
    assert len({row.name for row in FAULTS}) == len(FAULTS)
    assert len(HEALTHY) == 10
    told = {row.expected for row in FAULTS if row.tool == "run"}
    assert ALARMS.keys() - told == {"not-finite", "chance", "constant"}  # they have tests of their own
