from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.train import EarlyStopping

NAN = math.nan


@pytest.mark.parametrize(
    ("scores", "options", "improved", "ends_after"),
    [
        ([3, 2, 2.5, 2.1, 9], {"patience": 2}, [1, 1, 0, 0], 4),
        ([3, 2, 2, 1], {"patience": 2}, [1, 1, 0, 1], None),
        ([0.1, 0.3, 0.2, 0.3], {"patience": 2, "higher": True}, [1, 1, 0, 0], 4),
        ([3, 2.95, 2.91], {"patience": 2, "least": 0.1}, [1, 0, 0], 3),
        ([3, 2.95, 2.85], {"patience": 2, "least": 0.1}, [1, 0, 1], None),
        ([NAN, NAN, NAN], {"patience": 2}, [1, 0, 0], 3),
        ([NAN, NAN, 1, NAN], {"patience": 2}, [1, 0, 1, 0], None),
        ([NAN, -1], {"patience": 1, "higher": True, "least": 0.5}, [1, 1], None),
        ([5, NAN, 4, NAN, NAN], {"patience": 2}, [1, 0, 1, 0, 0], 5),
        ([1, 2, 3, 4, 5], {"patience": None}, [1, 0, 0, 0, 0], None),
        ([1, 2], {"patience": 1}, [1, 0], 2),
        ([math.inf, math.inf], {"patience": 1}, [1, 0], 2),
    ],
)
def test_when_it_ends(
    scores: list[float], options: dict[str, object], improved: list[int], ends_after: int | None
) -> None:
    watch = EarlyStopping(**options)
    seen = []
    for score in scores:
        seen.append(watch.observe(score))
        if watch.exhausted:
            break
    assert seen == [bool(flag) for flag in improved]
    assert (len(seen) if watch.exhausted else None) == ends_after


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-5, 5) | st.just(NAN), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(0, 11),
    st.booleans(),
)
def test_a_checkpoint_changes_nothing(scores: list[float], patience: int, cut: int, higher: bool) -> None:
    straight = EarlyStopping(patience, higher=higher)
    broken = EarlyStopping(patience, higher=higher)
    for index, score in enumerate(scores):
        if index == cut:
            state = broken.state_dict()
            broken = EarlyStopping(patience, higher=higher)
            broken.load_state_dict(state)
        assert straight.observe(score) == broken.observe(score)
        assert straight.exhausted == broken.exhausted
    worst = -math.inf if higher else math.inf
    numbers = [score for score in scores if not math.isnan(score)] or [worst]
    assert straight.best == (max(numbers) if higher else min(numbers))
