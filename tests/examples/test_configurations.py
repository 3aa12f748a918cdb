"""The configurations beside the examples: each is one of the task it names, and says how it is used."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from chainrule.tasks import TASKS
from chainrule.train.configuration import resolve, to_mapping

FILES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_configuration_is_read_as_it_is_written_by_its_task(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = tomllib.loads(text)
    task = TASKS[tree.pop("task")]
    assert f"chainrule train {task.name} " in text.splitlines()[0]
    assert text.splitlines()[0].endswith(f"--config examples/{path.name}")
    found = to_mapping(resolve(task.Config, file=path, task=task.name))
    assert found != to_mapping(task.Config())
    for section, values in tree.items():
        for name, value in values.items() if isinstance(values, dict) else [("", values)]:
            kept = found[section][name] if name else found[section]
            assert (list(kept) if isinstance(kept, tuple | list) else kept) == value


def test_there_are_some() -> None:
    assert {path.name for path in FILES} >= {"lm_ptb.toml", "digits_cnn.toml"}
