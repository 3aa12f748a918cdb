"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import numpy as np

from ..version import __version__


def processor() -> str:
    """The processor's name; Linux keeps it in a file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or "unknown"
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def cores() -> int:
    """How many cores this process may use.

    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def widest_vectors() -> str:
    """The widest vector instructions that Linux reports, empty where it does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    flags = re.search(r"^(?:flags|Features)\s*:(.+)$", text, re.MULTILINE)
    known = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sve": "SVE", "asimd": "NEON"}
    present = set(flags[1].split()) if flags else set()
    return next((name for flag, name in known.items() if flag in present), "")


def machine() -> str:
    """One line: processor, cores, system, Python, NumPy, this library."""
    vectors = widest_vectors()
    name = f"{processor()} with {vectors}" if vectors else processor()
    count = f"{cores()} core{'s' if cores() > 1 else ''}"
    return (
        f"{name}, {count}, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, NumPy {np.__version__}, chainrule {__version__}"
    )
