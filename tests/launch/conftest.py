"""Workers of these tests stop and kill themselves by signals that only POSIX has."""

from __future__ import annotations

import sys

collect_ignore_glob = ["test_supervise.py", "test_losses.py"] if sys.platform == "win32" else []
