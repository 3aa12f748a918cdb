"""A headless Chromium for the tests of pages; they are marked ``browser``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

_SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium of the machine's own, or Playwright's."""
    api = pytest.importorskip("playwright.sync_api")
    own = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=own, args=_SWITCHES)
        yield found
        found.close()
