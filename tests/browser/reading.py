"""Pages of some networks, and what is read off them."""

from __future__ import annotations

import functools
from typing import Any

from chainrule.view.page import Explanation, decode

from . import networks

explanations = functools.cache(lambda name: getattr(networks, name)())


def told(page: Any) -> str:
    return str(page.locator("#walk .count").text_content())


def heading(page: Any) -> str:
    return str(page.locator("#node-title").text_content())


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def number(text: str) -> float:
    plain = text.strip().strip("[]").replace("−", "-").replace("∞", "inf")
    return float(plain)


def array(explanation: Explanation, tensor: int) -> Any:
    return decode(explanation.record["tensors"][tensor])[0]
