"""Texts with a label each: the formats in which sentences to be classified come."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chainrule.data.encodings import DETECT, detect_encoding, encoding_of
from chainrule.data.files import Pathish, read_bytes
from chainrule.data.readers import decode, lines_of, read_csv, read_jsonl, read_lines, records_of
from chainrule.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Labelled:
    """N texts and their N labels, in the order of the file."""

    texts: list[str]
    labels: list[str]
    path: Path
    format: str = ""
    """The format they were read in."""
    encoding: str = "utf-8"
    """The encoding they were read in."""

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, indices: Iterable[int]) -> Labelled:
        """The pairs at ``indices``, in that order."""
        chosen = list(indices)
        return replace(self, texts=[self.texts[i] for i in chosen], labels=[self.labels[i] for i in chosen])

    @property
    def counts(self) -> dict[str, int]:
        """How often each label stands, the most frequent first (then by name).

        >>> Labelled(["a", "b", "c"], ["y", "x", "y"], Path("a.txt")).counts
        {'y': 2, 'x': 1}
        """
        return dict(sorted(Counter(self.labels).items(), key=lambda item: (-item[1], item[0])))


def read_labelled(
    path: Pathish,
    *,
    format: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] = ("text", "label"),
    fine: bool = False,
) -> Labelled:
    """The labelled texts of a file, or of a folder with a file for each label; gzip is unpacked.

    ======== =========================================================================================
    format   a line (blank ones are skipped)
    ======== =========================================================================================
    polarity ``text``, in a file whose suffix is the label, as ``rt-polarity.pos`` and ``.neg``; of a
             folder that holds several such files all are read, by falling name: .pos, then .neg
    trec     ``COARSE:fine text``; the label is ``COARSE``, or with ``fine`` all of ``COARSE:fine``
    fasttext ``__label__x text``
    trees    ``(3 (2 Good) (2 film))``, as the Stanford Sentiment Treebank: the root's label, the leaves
    tab      ``label<TAB>text``
    first    ``label text``: the first word is the label, as in ``1 a good film``
    csv      a table with a header; ``columns`` names those of the text and the label
    tsv      the same with tabs, where quotation marks are ordinary characters
    jsonl    one JSON object a line, with the same names
    ======== =========================================================================================

    ``format=None`` takes it from the suffix (.pos, .neg, .csv, .tsv, .jsonl), or from the lines where
    every one of them fits one format and the labels recur; nothing else is guessed.  ``encoding=None`` is
    UTF-8; polarity and trec files that are not UTF-8 are read in the encoding that these two were
    published in, windows-1252 and latin-1; ``"detect"`` is as in :func:`read_text`.  The result says which.

    Errors: DataError with file and line for a line that does not fit the format or has an empty label, for
    a file without any text, and for one whose format cannot be told; ArgumentError for an unknown format.
    Sources: Pang & Lee 2005; Li & Roth 2002; Socher et al. 2013; Joulin et al. 2017.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.txt", "NUM:dist How far is it ?\\nHUM:ind Who was Galileo ?\\n"
    ...                                         "NUM:date When was that ?\\n")
    ...     found = read_labelled(f"{folder}/a.txt")
    >>> found.format, found.labels, found.texts[1]
    ('trec', ['NUM', 'HUM', 'NUM'], 'Who was Galileo ?')
    """
    if format is not None and format not in FORMATS:
        raise ArgumentError(f"no format of labelled texts is called {format!r}", mend=_NAMES)
    if len(columns) != 2 or isinstance(columns, str):
        raise ArgumentError(f"columns={columns!r}", mend="name two: that of the text, that of the label")
    place = Path(path)
    if place.is_dir():
        return _read_folder(place, format, encoding)
    kind = format or _SUFFIXES.get(_suffix(place))
    if kind in _TABLES:
        found = _TABLES[kind](place, columns, encoding or "utf-8")
        return _checked(replace(found, encoding=detect_encoding(place).name) if encoding == DETECT else found)
    text, used, kind = _text_of(place, kind, encoding)
    lines = ((number, line) for number, line in enumerate(lines_of(text), start=1) if line.strip())
    if kind == "polarity":
        pairs = [(_suffix(place).removeprefix("."), line.strip()) for _, line in lines]
    else:
        pairs = [_LINES[kind](line.strip(" "), place, number) for number, line in lines]
    if kind == "trec" and not fine:
        pairs = [(label.partition(":")[0], words) for label, words in pairs]
    texts = [words.strip() for _, words in pairs]
    return _checked(Labelled(texts, [label for label, _ in pairs], place, kind, used))


def _checked(found: Labelled) -> Labelled:
    if not found.texts:
        raise DataError("there is no labelled text in it", path=found.path)
    return found


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _read_folder(folder: Path, format: str | None, encoding: str | None) -> Labelled:
    """The files of a folder whose suffixes are labels."""
    names = sorted((item for item in folder.iterdir() if item.is_file()), reverse=True)
    files = {_suffix(item): item for item in names if _SUFFIXES.get(_suffix(item)) == "polarity"}
    if format not in (None, "polarity") or len(files) < 2:
        there = ", ".join(item.name for item in reversed(names)) or "nothing"
        raise DataError(
            f"a folder is read only if it holds files named by label, *.pos and *.neg; there is: {there}",
            path=folder,
            mend="name the file inside",
        )
    parts = [read_labelled(file, encoding=encoding) for _, file in sorted(files.items(), reverse=True)]
    return Labelled(
        [text for part in parts for text in part.texts],
        [label for part in parts for label in part.labels],
        folder,
        "polarity",
        ", ".join(sorted({part.encoding for part in parts})),
    )


# -- which format ------------------------------------------------------------------------------------


def _text_of(path: Path, kind: str | None, encoding: str | None) -> tuple[str, str, str]:
    """The text of a file, the encoding it was read in, and its format."""
    content = read_bytes(path)
    if encoding is not None:
        text = decode(content, encoding, path=path)
        used = encoding_of(content, path=path).name if encoding == DETECT else encoding
        return text, used, kind or _told(text, path)
    try:
        text = decode(content, path=path)
        return text, "utf-8", kind or _told(text, path)
    except DataError as not_utf8:
        if not_utf8.offset is None:
            raise
        # All formats are ASCII where it matters, so latin-1 is good enough to tell them apart.
        kind = kind or _told(content.decode("latin-1").replace("\r\n", "\n"), path)
        published = _PUBLISHED_IN.get(kind)
        if published is None:
            raise
        return decode(content, published, path=path), published, kind


def _told(text: str, path: Path) -> str:
    """The format that every line of ``text`` has."""
    lines = [line.strip(" ") for line in lines_of(text) if line.strip()]
    if not lines:
        raise DataError("there is no labelled text in it", path=path)
    for kind, pattern in _SHAPES.items():
        found = [match[1] for match in map(pattern.match, lines) if match]
        # A text whose every line happens to begin with a number is no classification.
        if len(found) == len(lines) and (kind in _MARKED or len(set(found)) < len(lines)):
            return kind
    raise DataError(
        f"its format cannot be told for certain; the first line is {lines[0][:60]!r}",
        path=path,
        mend=f"name the format: {_NAMES}",
    )


_SHAPES = {
    "fasttext": re.compile(r"__label__(\S+)(?:\s|$)"),
    "trees": re.compile(r"\((\S+) .*\)$"),
    "trec": re.compile(r"([A-Z]+:[a-z]+)(?: |$)"),
    "tab": re.compile(r"([^\s\t]+)\t[^\t]*$"),
    "first": re.compile(r"(-?\d+) "),
}
_MARKED = {"fasttext", "trees", "trec"}
"""Formats that no other text looks like."""
_PUBLISHED_IN = {"polarity": "windows-1252", "trec": "latin-1"}
_SUFFIXES = {".pos": "polarity", ".neg": "polarity", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl"}


# -- lines -------------------------------------------------------------------------------------------


def _split(pattern: str, expected: str) -> Callable[[str, Path, int], tuple[str, str]]:
    """A reader of lines that ``pattern`` matches, its groups being the label and the text."""
    compiled = re.compile(pattern)

    def read(line: str, path: Path, number: int) -> tuple[str, str]:
        match = compiled.fullmatch(line)
        if match is None:
            raise DataError(f"{expected} was expected, not {line[:60]!r}", path=path, line=number)
        return match[1], match[2]

    return read


def _read_fasttext(line: str, path: Path, number: int) -> tuple[str, str]:
    label, text = _split(r"__label__(\S+)\s*(.*)", "'__label__x text'")(line, path, number)
    if text.startswith("__label__"):
        raise DataError(
            f"a second label, {text.split(None, 1)[0]!r}; one a text is read",
            path=path,
            line=number,
            mend="keep one label a line",
        )
    return label, text


_TREE = re.compile(r"\(|\)|[^\s()]+")


def _read_tree(line: str, path: Path, number: int) -> tuple[str, str]:
    """The root's label and the leaves of ``(label child child)``, children being trees or one word."""
    leaves: list[str] = []
    root = ""
    depth = 0
    before = ""  # the sign two places back tells a label, which follows a bracket, from a word
    for sign in _TREE.findall(line):
        if sign == "(":
            if not depth and root:
                raise DataError("more than one tree on the line", path=path, line=number)
            depth += 1
        elif sign == ")":
            depth -= 1
        elif before == "(":
            root = root or sign
        else:
            leaves.append(sign)
        if depth < 0 or (not depth and sign != ")") or (before == "(" and sign in "()"):
            raise DataError(f"a tree '(label …)' was expected, not {line[:60]!r}", path=path, line=number)
        before = sign
    if depth:
        raise DataError(f"{depth} bracket(s) of the tree are not closed", path=path, line=number)
    return root, " ".join(_BRACKETS.get(leaf, leaf) for leaf in leaves)


_BRACKETS = {"-LRB-": "(", "-RRB-": ")"}

_LINES: dict[str, Callable[[str, Path, int], tuple[str, str]]] = {
    "trec": _split(r"([^\s:]+:\S+)\s*(.*)", "'COARSE:fine text'"),
    "fasttext": _read_fasttext,
    "trees": _read_tree,
    "tab": _split(r"([^\t]*[^\t\s])\s*\t\s*(.*)", "'label<TAB>text'"),
    "first": _split(r"(\S+)\s*(.*)", "'label text'"),
}


# -- tables ------------------------------------------------------------------------------------------


def _read_delimited(delimiter: str, quote: str | None) -> Callable[[Path, Sequence[str], str], Labelled]:
    def read(path: Path, columns: Sequence[str], encoding: str) -> Labelled:
        table = read_csv(path, list(columns), delimiter=delimiter, quote=quote, encoding=encoding)
        rows = (line for line, _ in records_of(path, encoding, delimiter, quote)[1:])
        return _of_table(table, columns, rows, path, "csv" if delimiter == "," else "tsv", encoding)

    return read


def _read_objects(path: Path, columns: Sequence[str], encoding: str) -> Labelled:
    table = read_jsonl(path, list(columns), encoding=encoding)
    rows = (n for n, line in enumerate(read_lines(path, encoding), start=1) if line.strip())
    return _of_table(table, columns, rows, path, "jsonl", encoding)


def _of_table(
    table: dict[str, list[Any]],
    columns: Sequence[str],
    rows: Iterator[int],
    path: Path,
    kind: str,
    encoding: str,
) -> Labelled:
    """Two columns as texts and labels; ``rows`` gives the line of each, and is asked only for a fault."""
    text, label = columns
    labels = [_label(value) for value in table[label]]
    for index, (words, value) in enumerate(zip(table[text], labels, strict=True)):
        fault = f"{text} is {words!r}, not a string" if not isinstance(words, str) else None
        if value is None or not value.strip():
            fault = f"{label} is {table[label][index]!r}, which is no label"
        if fault:
            raise DataError(fault, path=path, line=list(rows)[index])
    texts = [" ".join(words.split()) for words in table[text]]
    return Labelled(texts, [value.strip() for value in labels if value is not None], path, kind, encoding)


def _label(value: Any) -> str | None:
    """A label out of JSON: strings, whole numbers and truth values are; nothing else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


_TABLES: dict[str | None, Callable[[Path, Sequence[str], str], Labelled]] = {
    "csv": _read_delimited(",", '"'),
    "tsv": _read_delimited("\t", None),
    "jsonl": _read_objects,
}

FORMATS = ("polarity", *_LINES, *(kind for kind in _TABLES if kind))
"""The names that ``format`` takes."""
_NAMES = ", ".join(FORMATS)
