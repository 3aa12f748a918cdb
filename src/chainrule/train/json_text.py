"""Values as JSON that any program reads: NaN and the infinities, which JSON lacks, are null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """``value`` in what JSON knows.

    >>> plain({"loss": np.float32("nan"), "rows": np.arange(2), "best": (True, None)})
    {'loss': None, 'rows': [0, 1], 'best': [True, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON, on one line unless indented."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
