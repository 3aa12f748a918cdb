"""axe-core finds nothing serious on any page, in light and in dark, in any state that a reader meets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .modules import opened
from .reading import explanations

pytestmark = pytest.mark.browser

_STATES = {
    "as it opens": "",
    "in the backward pass": "chainrule.walk.turn('backward'); chainrule.walk.step(1)",
    "all open": "chainrule.graph.openAll()",
    "an element's origin": "chainrule.visit(4, 'forward'); chainrule.trace('value', 4, 0)",
    "a fold in the panel": "chainrule._selectFold(chainrule.record.folds.length - 1)",
    "what-if and practice": "document.querySelectorAll('details').forEach((d) => { d.open = true; })",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["fork", "digits", "deep"])
def test_nothing_serious(browser: Any, tmp_path: Path, name: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, tmp_path, explanations(name)) as page:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for state, script in _STATES.items():
            page.evaluate(f"() => {{ {script} }}")
            found = Axe().run(page).response["violations"]
            serious = [
                f"{rule['id']}: {node['target']} {node['failureSummary']}"
                for rule in found
                if rule["impact"] in ("serious", "critical")
                for node in rule["nodes"]
            ]
            assert serious == [], state
