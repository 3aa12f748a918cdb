"""A CPU that plays eight devices, said before JAX looks at it."""

from __future__ import annotations

import os

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
