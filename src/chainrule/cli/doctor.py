"""``chainrule doctor``: what the library runs on, and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..bench import processor
from ..compile import DEFAULT_ENGINE, ENGINES
from ..engines.native import available_threads, default_folder, host
from ..engines.xla import jax
from ..errors import MissingExtraError
from ..tasks import Table
from ..version import __version__
from .command import Command, json_option
from .output import emit_json, print_table

_NEEDED = {
    "numpy": "arrays",
    "llvmlite": "machine code",
    "safetensors": "parameters on disk",
    "click": "the command line",
    "rich": "progress bars and tables",
    "tomli-w": "writing configurations",
    "msgspec": "checking configurations",
    "matplotlib": "curves, activations, loss surfaces",
}
_OPTIONAL = {
    "scikit-learn": ("sklearn", "digits", "the 8×8 digits of train digits"),
    "igraph": ("igraph", "draw", "drawings of graphs"),
    "pooch": ("pooch", "sources", "downloads of named data sets"),
    "charset-normalizer": ("charset_normalizer", "detect", "encodings that nobody names"),
    "jax": ("jax", "xla", "the engine xla: GPUs, TPUs"),
}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@click.command(
    cls=Command,
    short_help="What is installed, and what the machine offers.",
    epilog="""\b
Examples:
  chainrule doctor
  chainrule doctor --json
""",
)
@json_option
def doctor(as_json: bool) -> None:
    """Versions, processor, threads, BLAS, optional packages, places that can be written to."""
    found = diagnosis()
    if as_json:
        emit_json(found)
        return
    for title, header, rows in (
        ("Machine", ("what", "found"), tuple(found["machine"].items())),
        ("Packages", ("package", "version", "what for"), _package_rows(found["packages"])),
        ("Places", ("what", "where", "writable"), tuple(tuple(place.values()) for place in found["places"])),
    ):
        print_table(Table(title, header, rows))
        click.echo()


def diagnosis() -> dict[str, Any]:
    """All that is found, as plain values."""
    return {"machine": _machine(), "packages": _packages(), "places": _places()}


def _machine() -> dict[str, Any]:
    set_threads = [f"{name}={os.environ[name]}" for name in _THREADS if name in os.environ]
    return {
        "chainrule": __version__,
        "engines": ", ".join(f"{name} (default)" if name == DEFAULT_ENGINE else name for name in ENGINES),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": processor(),
        "cores": _cores(),
        "native engine": _native(),
        "xla engine": _xla(),
        "stepper's BLAS": _blas(),
        "BLAS threads": ", ".join(set_threads) or "as BLAS decides; OMP_NUM_THREADS sets them",
    }


def _native() -> str:
    """What the native engine makes code for, and how many threads it uses."""
    target, threads = host(), available_threads()
    count = f"{threads} thread{'s' * (threads != 1)}"
    return f"{target.cpu}, vectors of {target.vector_bytes} bytes, {count}; CHAINRULE_THREADS sets them"


def _xla() -> str:
    """The devices that JAX has for us, the first of which is used."""
    try:
        devices = jax().devices()
    except MissingExtraError as error:
        return f"not there; {error.mend}"
    return ", ".join(f"{device.platform} {device.id} ({device.device_kind})" for device in devices)


def _cores() -> str:
    total = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
        if allowed != total:
            return f"{allowed} of {total} for this process"
    return str(total)


def _blas() -> str:
    """The library that NumPy multiplies matrices with, as NumPy was built."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    text = " ".join(str(blas[key]) for key in ("name", "version") if blas.get(key))
    return text or "unknown"


def _packages() -> list[dict[str, Any]]:
    needed = [
        {"package": name, "version": _version(name), "for": purpose, "extra": None}
        for name, purpose in _NEEDED.items()
    ]
    optional = [
        {
            "package": name,
            "version": _version(name) if importlib.util.find_spec(module) else None,
            "for": purpose,
            "extra": extra,
        }
        for name, (module, extra, purpose) in _OPTIONAL.items()
    ]
    return needed + optional


def _package_rows(packages: list[dict[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    rows = []
    for package in packages:
        version = package["version"]
        if version is None:
            extra = package["extra"]
            version = f"missing: pip install 'chainrule[{extra}]'" if extra else "missing"
        rows.append((package["package"], version, package["for"]))
    return tuple(rows)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _places() -> list[dict[str, Any]]:
    places = [("runs", Path("runs").absolute()), ("temporary files", Path(tempfile.gettempdir()))]
    if (cache := default_folder()) is not None:
        places.append(("compiled kernels", cache))
    return [{"what": what, "where": str(path), "writable": _writable(path)} for what, path in places]


def _writable(path: Path) -> bool:
    """Whether files can be made there, or the folder itself can be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK)
