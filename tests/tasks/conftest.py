"""What the tests of tasks share."""

from __future__ import annotations


def timeless(scores: dict[str, float]) -> dict[str, float]:
    """The scores that do not depend on how fast the machine was."""
    return {name: value for name, value in scores.items() if "second" not in name}
