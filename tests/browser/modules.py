"""A page in which the scripts of the explanation can be imported one by one, without its record."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chainrule

ASSETS = Path(chainrule.__file__).parent / "view" / "page" / "assets"

_HELPERS = """
import { decode } from "chainrule/arrays";
import { forward, reads, supported } from "chainrule/operations";

const tensor = ({ shape, dtype, data }) => ({ shape, dtype, data: decode(data, dtype) });

/** The base64 text of a typed array. */
window.encode = (data) => {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
};

/** Each op on its inputs: the result's data, or {error}. */
window.applied = (cases) => cases.map(({ op, settings, inputs, shape, dtype }) => {
  try {
    return encode(forward(op, settings, inputs.map(tensor), shape, dtype).data);
  } catch (error) {
    return { error: String(error) };
  }
});

/** What every element of each op reads: with the inputs' values known, and without. */
window.readings = (cases) => cases.map(({ op, settings, inputs, shape }) => {
  const tensors = inputs.map(tensor), shapes = tensors.map((one) => one.shape);
  const count = shape.reduce((all, length) => all * length, 1);
  return [tensors, null].map((given) => (
    Array.from({ length: count }, (_, index) => reads(op, settings, shapes, shape, index, given))));
});

window.supported = supported;
window.ready = true;
"""


def open_modules(browser: Any, tmp_path: Path, script: str = "") -> Any:
    """A page with ``applied``, ``readings``, ``supported``, and what ``script`` puts on ``window``."""
    imports = {
        f"chainrule/{path.stem}": _data_url(path.read_text(encoding="utf-8"))
        for path in sorted(ASSETS.glob("*.js"))
    }
    file = tmp_path / "modules.html"
    file.write_text(
        "<!DOCTYPE html><meta charset='utf-8'><title>modules</title>"
        f"<script type='importmap'>{json.dumps({'imports': imports})}</script>"
        f"<script type='module'>{script}{_HELPERS}</script>",
        encoding="utf-8",
    )
    page = browser.new_page()
    page.goto(file.as_uri())
    page.wait_for_function("window.ready")
    return page


def _data_url(text: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")


@contextmanager
def opened(browser: Any, tmp_path: Path, explanation: Any) -> Iterator[Any]:
    """The page of an explanation, ready; at the end nothing may have gone wrong and nothing been fetched."""
    file = tmp_path / "page.html"
    explanation.save(file)
    page = browser.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type in _BAD else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith(_LOCAL) else trouble.append(request.url)
    )
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    yield page
    page.close()
    assert trouble == []


_BAD = ("error", "warning")
_LOCAL = ("file:", "data:")
