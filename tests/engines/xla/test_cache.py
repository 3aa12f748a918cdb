"""What was compiled once is read from disk by the next process, and lies nowhere else than allowed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xla

PROGRAM = """
import json
import chainrule as cr
from chainrule.engines.xla import Xla, jax
events = []
jax().monitoring.register_event_listener(lambda event, **more: events.append(event.rsplit("/", 1)[-1]))
x = cr.variable([1.0, 2.0])
value = Xla([cr.tanh(x) * 3]).run({})[0]
print(json.dumps({"value": value.tolist(), "hits": events.count("cache_hits")}))
"""


def ran(**environment: str) -> dict[str, Any]:
    """The program's answer, in a process of its own where warnings are errors."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**kept, "PYTHONPATH": source, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.pop("value") == pytest.approx([2.2847825, 2.892083])
    return found


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def test_the_second_process_compiles_nothing(tmp_path: Path) -> None:
    first = ran(CHAINRULE_CACHE_DIR=str(tmp_path))
    kept = files(tmp_path / "xla")
    second = ran(CHAINRULE_CACHE_DIR=str(tmp_path))
    assert first["hits"] == 0
    assert second["hits"] >= 1
    assert kept >= 1
    assert files(tmp_path / "xla") <= kept + second["hits"], "nothing was compiled anew"


def test_where_the_user_has_told_jax_of_a_place_that_is_it(tmp_path: Path) -> None:
    mine, own = tmp_path / "mine", tmp_path / "chainrule"
    ran(
        JAX_COMPILATION_CACHE_DIR=str(mine),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
        CHAINRULE_CACHE_DIR=str(own),
    )
    assert files(mine) >= 1
    assert not own.exists()


@pytest.mark.parametrize("what", ["nowhere", "a file"])
def test_without_a_place_everything_is_compiled(what: str, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    assert ran(CHAINRULE_CACHE_DIR="" if what == "nowhere" else str(blocked))["hits"] == 0
    assert files(tmp_path) == 1
