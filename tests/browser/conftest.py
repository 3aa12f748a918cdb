"""A headless Chromium for the tests of pages, which ``pytest -m browser`` runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .modules import opened
from .reading import explanations

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str:
    """The machine's Chromium: what CHROMIUM says, else the first on the PATH."""
    named = os.environ.get("CHROMIUM")
    if named and not os.access(named, os.X_OK):
        pytest.fail(f"CHROMIUM={named}: there is no such program", pytrace=False)
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.fail("no Chromium: install it (Debian: chromium), or name it by CHROMIUM=…", pytrace=False)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium of the machine's own, driven by Playwright (the extra ``browser``)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=_SWITCHES)
        yield found
        found.close()


@pytest.fixture
def fork(browser: Any, tmp_path: Path) -> Iterator[Any]:
    with opened(browser, tmp_path, explanations("fork")) as page:
        yield page


@pytest.fixture
def digits(browser: Any, tmp_path: Path) -> Iterator[Any]:
    with opened(browser, tmp_path, explanations("digits")) as page:
        yield page


@pytest.fixture
def deep(browser: Any, tmp_path: Path) -> Iterator[Any]:
    with opened(browser, tmp_path, explanations("deep")) as page:
        page.emulate_media(reduced_motion="reduce")
        yield page
