from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.data.python_docstrings import PACKAGES, python_docstrings
from chainrule.errors import DataError

PARAGRAPH = "This paragraph of the package {name} has more than twenty words, so that the corpus keeps the " \
            "document which it stands in, and it says so {count} times."  # fmt: skip


def write(root: Path, module: str, *paragraphs: str) -> None:
    path = root / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('"""' + "\n\n".join(paragraphs) + '\n"""\n', encoding="utf-8")


def test_paragraphs_carry_the_package_they_are_from(tmp_path: Path) -> None:
    for name, words in (("email", "one"), ("xml", "two"), ("unheard", "three")):
        write(tmp_path, f"{name}/__init__.py", PARAGRAPH.format(name=name, count=words), "Too short.")
    write(tmp_path, "xml/dom/parts.py", PARAGRAPH.format(name="dom", count="four"), "Five words and no more.")
    found = python_docstrings(tmp_path)
    assert sorted(zip(found.labels, found.texts, strict=True)) == [
        ("email", PARAGRAPH.format(name="email", count="one")),
        ("xml", "Five words and no more."),
        ("xml", PARAGRAPH.format(name="dom", count="four")),
        ("xml", PARAGRAPH.format(name="xml", count="two")),
    ]


def test_one_package_is_no_classification(tmp_path: Path) -> None:
    write(tmp_path, "email/__init__.py", PARAGRAPH.format(name="email", count="one"))
    with pytest.raises(DataError, match="fewer than two of the packages asyncio, email"):
        python_docstrings(tmp_path)


def test_this_installation_has_enough_of_them() -> None:
    found = python_docstrings()
    assert set(found.labels) <= set(PACKAGES)
    assert len(found) > 1000
    assert len(set(found.texts)) > 0.98 * len(found)
