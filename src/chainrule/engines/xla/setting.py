"""JAX as this engine needs it: found or asked for, and under settings of its own that hold nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from typing import Any

from llvmlite import binding

from ...errors import MissingExtraError, OutOfMemoryError
from ...places import cache_folder


@cache
def jax() -> Any:
    """JAX; ``MissingExtraError`` where it is not installed."""
    try:
        import jax as found
        import jax.scipy.special
    except ImportError:
        raise MissingExtraError("jax", "xla", "the engine xla") from None
    _keep_programs(found.config)
    return found


def _keep_programs(config: Any) -> None:
    """Have JAX keep what it compiles in the cache folder, unless it was told of a place already.

    The place is one for each kind of processor: code for a newer one would end the process on an older one
    that sees the same home.
    """
    if config.jax_compilation_cache_dir is not None:
        return
    kind = f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
    folder = cache_folder("xla", sha256(kind.encode()).hexdigest()[:16])
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # as in a home that is read-only: everything is compiled anew
    if os.access(folder, os.W_OK):
        config.update("jax_compilation_cache_dir", str(folder))
        config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@contextmanager
def settings() -> Iterator[None]:
    """64-bit types exist, no type is promoted to another, and float32 is multiplied as float32.

    The graph has said all about types: without this JAX makes float32 of float64 and 0 of 2**40, and says
    nothing.  On GPUs and TPUs it would also round the operands of products to 10 bits or fewer; who wants
    that speed says so by JAX's own setting, ``JAX_DEFAULT_MATMUL_PRECISION=tensorfloat32``.

    Raises ``OutOfMemoryError`` where a device has not the memory for what is run inside.
    """
    precision = jax().config.jax_default_matmul_precision or "highest"
    with (
        _no_memory_told(),
        jax().enable_x64(True),
        jax().numpy_dtype_promotion("strict"),
        jax().default_matmul_precision(precision),
    ):
        yield


@contextmanager
def _no_memory_told() -> Iterator[None]:
    try:
        yield
    except jax().errors.JaxRuntimeError as error:
        kind, _, text = str(error).partition(": ")
        if kind != "RESOURCE_EXHAUSTED":
            raise
        raise OutOfMemoryError(
            f"the device has not enough memory: {text.splitlines()[0]}",
            mend="use smaller batches or a smaller model, or split it over several devices: --mesh",
        ) from None
