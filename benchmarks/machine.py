"""What every benchmark prints first: the machine and the versions it ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np

import chainrule as cr


def machine() -> str:
    """One line: processor, cores, system, Python, NumPy, chainrule."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        name = names[0].partition(":")[2].strip() if names else name
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, NumPy {np.__version__}, chainrule {cr.__version__}"
    )
