"""Where files of this user may be kept: one folder for caches, named by the system or by the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "CHAINRULE_CACHE_DIR"


def cache_folder(*inside: str) -> Path | None:
    """The folder for what can be made or fetched again: ``CHAINRULE_CACHE_DIR``, or the system's place.

    An empty ``CHAINRULE_CACHE_DIR`` says: nowhere, which is None.  The folder need not exist yet.

    >>> before = os.environ.get(CACHE_VARIABLE)
    >>> os.environ[CACHE_VARIABLE] = ""
    >>> cache_folder("vectors") is None
    True
    >>> del os.environ[CACHE_VARIABLE]
    >>> if before is not None:
    ...     os.environ[CACHE_VARIABLE] = before
    """
    said = os.environ.get(CACHE_VARIABLE)
    if said is not None:
        return Path(said, *inside) if said else None
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home
        return None
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return Path(base, "chainrule", *inside)
