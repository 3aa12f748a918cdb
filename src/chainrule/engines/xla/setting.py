"""JAX as this engine needs it: found or asked for, and under settings of its own that hold nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ...errors import MissingExtraError


@cache
def jax() -> Any:
    """JAX; ``MissingExtraError`` where it is not installed."""
    try:
        import jax as found
        import jax.scipy.special
    except ImportError:
        raise MissingExtraError("jax", "xla", "the engine xla") from None
    return found


@contextmanager
def settings() -> Iterator[None]:
    """64-bit types exist, and no type is promoted to another: the graph has said all about types.

    Without it JAX makes float32 of float64 and 0 of 2**40, and says nothing.
    """
    with jax().enable_x64(True), jax().numpy_dtype_promotion("strict"):
        yield
