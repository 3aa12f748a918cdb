"""The reference figures, read once: ``reference/make_reference.py`` says how they were made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr

TABLES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "reference" / "torch.json").read_text(encoding="utf-8")
)


def leaf(values: Any) -> cr.Variable:
    """A float64 variable of a table's nested lists."""
    return cr.variable(np.array(values, np.float64))


def close(node: cr.Node, expected: Any) -> None:
    """Held to the figures' ten digits."""
    np.testing.assert_allclose(node.value, np.array(expected), rtol=1e-8, atol=1e-9)


def same_gradients(y: cr.Node, leaves: Sequence[cr.Variable], expected: Sequence[Any]) -> None:
    """The gradients of Σ y·cos(0, 1, 2, …), the upstream that the table was made with."""
    upstream = np.cos(np.arange(y.size, dtype=np.float64)).reshape(y.shape)
    for found, wanted in zip(cr.gradients(y, list(leaves), cotangent=upstream), expected, strict=True):
        close(found, wanted)


def tupled(options: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples a caller would write."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


def named(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Readable names of a table's rows."""
    return [f"{row.get('name', '')}{number}" for number, row in enumerate(rows)]
