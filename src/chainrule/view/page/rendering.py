"""The page: one HTML file made of the skeleton, the style, the scripts and the record."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from ...engines.trace import Step, array_text
from ...errors import ArgumentError
from ..text import escape

_MARK = re.compile(r"\{\{(\w+)\}\}")
_RECORD = re.compile(r'<script type="(?P<kind>[^"]*)" id="record">(?P<data>[^<]*)</script>')
_MAIN = "chainrule/page"
_MOST_PLAIN = 1_000_000
"""Characters of JSON that stand in the page as they are."""


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _modules() -> dict[str, str]:
    """The scripts by bare name, as data: URLs: they import each other without a server or a build step."""
    folder = files(__package__).joinpath("assets")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".js"))
    return {
        f"chainrule/{name.removesuffix('.js')}": "data:text/javascript;base64,"
        + base64.b64encode(_asset(name).encode("utf-8")).decode("ascii")
        for name in names
    }


def render_page(record: Mapping[str, Any], fallback: str) -> str:
    """The text of the page: ``fallback`` is what it shows before, and without, its scripts."""
    modules = _modules()
    scripts = [f'{{"imports":{json.dumps(modules)}}}', f'import "{_MAIN}";'] if _MAIN in modules else []
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    tags = []
    if scripts:
        tags = [
            f'<script type="importmap">{scripts[0]}</script>',
            f'<script type="module">{scripts[1]}</script>',
        ]
    kind, data = record_text(record)
    parts = {
        "title": escape(str(record["title"])),
        "about": escape(str(record["about"])),
        "policy": f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src data: {hashes}",
        "style": _asset("page.css"),
        "fallback": fallback,
        "kind": kind,
        "record": data,
        "scripts": "\n".join(tags),
    }
    return _MARK.sub(lambda found: parts[found[1]], _asset("page.html"))


def record_text(record: Mapping[str, Any]) -> tuple[str, str]:
    """The record as an HTML element can hold it, and of what type: JSON, where it is large gzip in base64.

    >>> record_text({"title": "</script>"})
    ('application/json', '{"title":"\\\\u003c/script>"}')
    """
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(text) <= _MOST_PLAIN:
        return "application/json", text.replace("<", "\\u003c")
    packed = gzip.compress(text.encode("utf-8"), mtime=0)
    return "application/gzip", base64.b64encode(packed).decode("ascii")


def record_in(page: str) -> dict[str, Any]:
    """The record that a page holds.

    >>> import chainrule as cr
    >>> found = cr.view.explain(cr.variable(2.0, name="x") * 3)
    >>> record_in(found.html) == found.record
    True
    """
    found = _RECORD.search(page)
    if found is None:
        raise ArgumentError("this is no page of an explanation: it holds no record")
    text = found["data"]
    if found["kind"] == "application/gzip":
        text = gzip.decompress(base64.b64decode(text)).decode("utf-8")
    record: dict[str, Any] = json.loads(text)
    return record


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def fallback(record: Mapping[str, Any], steps: Sequence[Step]) -> str:
    """The steps as a table, which needs no script.

    Of an exercise it asks, too: what is computed, and every gradient, is a question mark.
    """
    asked = record["exercise"] is not None and record["exercise"]["start"]
    rows = []
    for node, step in zip(record["nodes"], steps, strict=True):
        gradient = node["no_gradient"] if step.gradient is None else array_text(step.gradient)
        cells = (
            str(node["id"]),
            node["symbol"],
            node["rule"]["text"] or node["op"],
            " × ".join(map(str, node["shape"])) or "scalar",
            "?" if asked and node["inputs"] else array_text(step.value),
            "?" if asked and step.gradient is not None else gradient,
        )
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


_COLUMNS = ("step", "node", "rule", "shape", "value", "gradient")
