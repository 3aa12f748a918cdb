"""A shape error as a picture."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError


def raised(levels: int = 2) -> ShapeError:
    x, w = cr.placeholder((8, 5), name="x"), cr.variable(np.ones((5, 5), np.float32), name="w")
    for _ in range(levels):
        x = cr.tanh(x @ w)
    with pytest.raises(ShapeError) as caught:
        x + cr.placeholder((4,), name="bias")
    return caught.value


def test_the_failing_op_stands_above_what_led_to_it() -> None:
    svg = cr.diagnose.draw_error(raised()).svg
    for words in ("✗ add", "matmul", "tanh", "bias", "8 × 5" if "8 × 5" in svg else "8"):
        assert words in svg
    assert svg.count(">tanh<") == 2


def test_what_is_far_away_stands_as_an_input(tmp_path: Path) -> None:
    path = tmp_path / "error.svg"
    drawing = cr.diagnose.draw_error(raised(300), path, depth=4)
    assert drawing.svg.count(">tanh<") == 2
    assert "… tanh" in drawing.svg
    assert path.read_text(encoding="utf-8") == drawing.svg


def test_an_error_about_no_op_has_nothing_to_draw() -> None:
    with pytest.raises(ArgumentError, match="has nothing to draw"):
        cr.diagnose.draw_error(pickle.loads(pickle.dumps(raised())))


@pytest.mark.parametrize("error", [ValueError("shapes"), None])
def test_what_is_no_error_of_this_library_has_no_drawing(error: object) -> None:
    with pytest.raises(ArgumentError, match="about no op has nothing to draw"):
        cr.diagnose.draw_error(error)  # type: ignore[arg-type]
