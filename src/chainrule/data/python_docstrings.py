"""A built-in set of labelled texts: paragraphs of Python's own docstrings, by the package they are from."""

from __future__ import annotations

import os
from pathlib import Path

from chainrule.data.labelled import Labelled
from chainrule.data.python_docs import python_docs
from chainrule.errors import DataError

# Packages, and not modules, so that a label is a field of work and not one author's phrase.
PACKAGES = (
    "asyncio", "email", "http", "importlib", "logging", "multiprocessing", "tkinter", "unittest", "urllib",
    "xml",
)  # fmt: skip
"""The labels; an installation that lacks one of these packages has one class fewer."""
_FEWEST_WORDS = 4


def python_docstrings(root: str | os.PathLike[str] | None = None) -> Labelled:
    """Paragraphs of at least four words out of the docstrings of ten packages, each with its package.

    They are those of :func:`chainrule.data.python_docs`: in no document twice, nothing imported or run.
    ``root`` is the folder of the standard library, by default that of the running Python.

    Errors: DataError if fewer than two of the packages are there.
    """
    texts, labels = [], []
    for document in python_docs(root):
        kind, _, module = document.name.partition(":")
        package = module.partition(".")[0]
        if kind != "module" or package not in PACKAGES:
            continue
        for paragraph in document.text.split("\n\n"):
            if len(paragraph.split()) >= _FEWEST_WORDS:
                texts.append(paragraph)
                labels.append(package)
    if len(set(labels)) < 2:
        raise DataError(
            f"docstrings of fewer than two of the packages {', '.join(PACKAGES)}",
            path=root,
            mend="pass --data with labelled texts of your own",
        )
    return Labelled(texts, labels, Path("python-docstrings"), "docstrings")
