"""Sentences with a word a line and its annotations in columns: CoNLL-U and the formats before it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainrule.data.files import Pathish, write_atomically
from chainrule.data.readers import no_column, read_lines
from chainrule.errors import ArgumentError, DataError, IndexRangeError

CONLLU = ("form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""The columns of CoNLL-U after the first, which numbers the words."""

LEFT_OUT = "_"
"""A column of this name is not kept."""

DOCSTART = "-DOCSTART-"
"""Stands where a word would at the beginning of a document in the files of CoNLL-2003."""

# Only these part columns or make a line blank: a word may hold a no-break or an ideographic space.
_BLANKS = " \t"
_BLANK_RUN = re.compile("[ \t]+")
_RANGE = re.compile(r"([1-9]\d*)-([1-9]\d*)", re.ASCII)
_EMPTY_NODE = re.compile(r"(\d+)\.[1-9]\d*", re.ASCII)


@dataclass(frozen=True)
class Sentences:
    """Sentences of words with their annotations: name of a column → sentence → a value for each word.

    ``lines`` are the lines on which the sentences' first words stand, counted from 1, and ``path`` is
    the file (or what else they were made of), for messages.

    >>> found = Sentences({"form": [["It", "rains"], ["Yes"]], "pos": [["P", "V"], ["I"]]}, [1, 4], "a.txt")
    >>> len(found), found.sizes, found["pos"]
    (2, [2, 1], [['P', 'V'], ['I']])
    >>> found.select([1])
    Sentences(columns={'form': [['Yes']], 'pos': [['I']]}, lines=[4], path='a.txt')
    """

    columns: dict[str, list[list[str]]]
    lines: list[int]
    path: Pathish

    def __post_init__(self) -> None:
        if not self.columns:
            raise ArgumentError("sentences need at least one column")
        first, sizes = next(iter(self.columns)), self.sizes
        if len(self.lines) != len(sizes):
            raise ArgumentError(f"{len(self.lines)} line numbers for {len(sizes)} sentences")
        for name, column in self.columns.items():
            own = [len(values) for values in column]
            if own != sizes:
                at = next((i for i, (a, b) in enumerate(zip(own, sizes, strict=False)) if a != b), None)
                raise ArgumentError(
                    f"columns {first!r} and {name!r} differ in "
                    + (
                        f"their number of sentences, {len(sizes)} and {len(own)}"
                        if at is None
                        else f"the length of sentence {at}, {sizes[at]} and {own[at]}"
                    )
                )

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, column: str) -> list[list[str]]:
        """A column by its name; DataError, with the names there are, if there is none."""
        try:
            return self.columns[column]
        except KeyError:
            raise no_column(column, list(self.columns), self.path) from None

    @property
    def sizes(self) -> list[int]:
        """The number of words of each sentence."""
        return [len(values) for values in next(iter(self.columns.values()))]

    def select(self, indices: Iterable[int]) -> Sentences:
        """The sentences at these places, in this order; a place may come twice."""
        places = [int(index) for index in indices]
        outside = [place for place in places if not 0 <= place < len(self)]
        if outside:
            raise IndexRangeError(f"sentence {outside[0]} is not among 0 … {len(self) - 1}")
        return Sentences(
            {name: [column[place] for place in places] for name, column in self.columns.items()},
            [self.lines[place] for place in places],
            self.path,
        )


# -- CoNLL-U ---------------------------------------------------------------------------------------


def read_conllu(path: Pathish, encoding: str = "utf-8") -> Sentences:
    """The words of a CoNLL-U file, with the columns ``CONLLU`` (an unknown value stays ``_``).

    Ten columns, parted by tabs; a blank line ends a sentence.  Left out are comments (``#``), the lines
    of multi-word tokens (``3-4``; their words follow them) and empty nodes (``8.1``).

    Errors: DataError with file and line for another number of columns, an empty one, words that are not
    numbered 1, 2, 3, …, and heads or multi-word tokens beyond the sentence.
    Source: universaldependencies.org/format.html.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> text = "# text = Go!\\n1 Go go VERB _ _ 0 root _ _\\n2 ! ! PUNCT _ _ 1 punct _ _\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.conllu", text.replace(" ", "\\t"))
    ...     found = read_conllu(f"{folder}/a.conllu")
    >>> found["form"], found["upos"], found.lines
    ([['Go', '!']], [['VERB', 'PUNCT']], [2])
    """
    gathered = _Gathered(CONLLU, path)
    spread = _Spread(path)  # of the last multi-word token
    for number, line in enumerate(read_lines(path, encoding), start=1):
        if not line.strip(_BLANKS):
            _end_conllu(gathered, spread)
            continue
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != len(CONLLU) + 1:
            raise _wrong_conllu_width(line, fields, path, number)
        identity, *values = fields
        if "" in fields:
            raise _empty_field(("id", *CONLLU)[fields.index("")], path, number)
        if identity == str(gathered.words + 1):
            gathered.add(number, values)
        elif match := _RANGE.fullmatch(identity):
            spread.see(identity, int(match[1]), int(match[2]), gathered.words, number)
        elif not (match := _EMPTY_NODE.fullmatch(identity)) or int(match[1]) != gathered.words:
            raise DataError(
                f"the word is numbered {identity!r} where {gathered.words + 1} was expected",
                path=path,
                line=number,
                mend="words are numbered from 1 in each sentence, and a blank line ends a sentence",
            )
    _end_conllu(gathered, spread)
    return gathered.sentences()


class _Spread:
    """How far the last multi-word token of a sentence reaches."""

    def __init__(self, path: Pathish) -> None:
        self.path = path
        self.name, self.last, self.line = "", 0, 0

    def see(self, name: str, first: int, last: int, words: int, line: int) -> None:
        if first != words + 1 or last < first or first <= self.last:
            raise DataError(
                f"the multi-word token {name} stands before word {words + 1}", path=self.path, line=line
            )
        self.name, self.last, self.line = name, last, line

    def end(self, words: int) -> None:
        if self.last > words:
            raise DataError(
                f"the multi-word token {self.name} reaches beyond the {words} word(s) of its sentence",
                path=self.path,
                line=self.line,
                mend="is the file cut off?",
            )
        self.last = 0


def _end_conllu(gathered: _Gathered, spread: _Spread) -> None:
    spread.end(gathered.words)
    place = CONLLU.index("head")
    for number, values in gathered.rows:
        head = values[place]
        if head != "_" and not (head.isascii() and head.isdigit() and int(head) <= gathered.words):
            raise DataError(
                f"the head {head!r} is none of the {gathered.words} word(s), nor 0, nor _",
                path=gathered.path,
                line=number,
            )
    gathered.end()


def _wrong_conllu_width(line: str, fields: list[str], path: Pathish, number: int) -> DataError:
    blanks = len(fields) == 1 and len(_BLANK_RUN.split(line.strip(_BLANKS))) == len(CONLLU) + 1
    return DataError(
        f"{len(fields)} tab-separated column(s) where CoNLL-U has {len(CONLLU) + 1}: {_shortened(line)}",
        path=path,
        line=number,
        mend="the columns are parted by blanks here: put tabs"
        if blanks
        else "read other formats as columns with names of their own",
    )


# -- any columns -----------------------------------------------------------------------------------


def read_columns(
    path: Pathish,
    names: Sequence[str],
    separator: str | None = None,
    *,
    comments: str | None = None,
    docstart: str | None = DOCSTART,
    encoding: str = "utf-8",
) -> Sentences:
    """Sentences of a file with a word a line, in columns called ``names`` from left to right.

    A line of nothing but blanks and tabs ends a sentence.  ``separator`` parts the columns: any run of
    blanks and tabs (``None``), or one ``"\\t"``, ``" "``, … each time.  A column named ``"_"`` is left
    out.  Lines that begin with ``docstart`` (as those between the documents of CoNLL-2003) end a
    sentence too, and are not kept; nor are lines that begin with ``comments``, of which there are none
    by default, since a word may begin with ``#``.

    Errors: DataError with file and line for a line with more or fewer columns than names, or an empty
    one.

    >>> import tempfile
    >>> from chainrule.data import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(f"{folder}/a.txt", "-DOCSTART- X O\\n\\nIn IN O\\nOslo NNP B-LOC\\n\\nYes UH O")
    ...     read_columns(f"{folder}/a.txt", ("form", "_", "ner"))["ner"]
    [['O', 'B-LOC'], ['O']]
    """
    _check_names(names)
    if separator is not None:
        _check_separator(separator)
    gathered = _Gathered(names, path)
    for number, line in enumerate(read_lines(path, encoding), start=1):
        blank = not line.strip(_BLANKS)
        if blank or (docstart and line.startswith(docstart)):
            gathered.end()
        elif not (comments and line.startswith(comments)):
            values = _BLANK_RUN.split(line.strip(_BLANKS)) if separator is None else line.split(separator)
            if len(values) != len(names):
                raise _wrong_width(line, values, names, separator, gathered, number)
            if "" in values:
                raise _empty_field(names[values.index("")], path, number)
            gathered.add(number, values)
    gathered.end()
    return gathered.sentences()


def write_columns(
    path: Pathish, sentences: Sentences, names: Sequence[str] | None = None, separator: str = "\t"
) -> None:
    """Write columns (all, or ``names`` in this order) as :func:`read_columns` reads them, as UTF-8.

    Errors: ArgumentError for what would not be read back as it was: an empty sentence, and a value that
    is empty, holds the separator or a line end, or makes its line blank; nothing is written then.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.txt")
    ...     write_columns(path, Sentences({"form": [["It", "rains"]], "pos": [["P", "V"]]}, [1], ""))
    ...     path.read_text()
    'It\\tP\\nrains\\tV\\n\\n'
    """
    _check_separator(separator)
    wanted = list(sentences.columns) if names is None else list(names)
    columns = [sentences[name] for name in wanted]
    written: list[str] = []
    for index, sentence in enumerate(zip(*columns, strict=True)):
        rows = list(zip(*sentence, strict=True))
        if not rows:
            raise ArgumentError(f"sentence {index} is empty and cannot be written in columns")
        for place, row in enumerate(rows):
            line = separator.join(row)
            if not _read_back(row, line, separator, first=not written):
                raise ArgumentError(
                    f"word {place} of sentence {index} cannot be written in columns parted by {separator!r}: "
                    + ", ".join(f"{name} {value!r}" for name, value in zip(wanted, row, strict=True)),
                    mend="replace what is empty or holds the separator, or choose another one",
                )
            written.append(line)
        written.append("")
    write_atomically(path, "".join(f"{line}\n" for line in written))


def _read_back(row: Sequence[str], line: str, separator: str, *, first: bool) -> bool:
    """Whether a line of a file, or the first one, is read as the row it was made of."""
    return (
        "" not in row
        and line.split(separator) == list(row)
        and bool(line.strip(_BLANKS))
        and not set(line) & set("\r\n")
        and not line.startswith(DOCSTART)
        and not (first and line.startswith("\ufeff"))  # would be taken for a byte-order mark
    )


def _check_separator(separator: str) -> None:
    if not separator or set(separator) & set("\r\n"):
        raise ArgumentError(f"columns cannot be parted by {separator!r}", mend="for example by '\\t'")


def _check_names(names: Sequence[str]) -> None:
    kept = [name for name in names if name != LEFT_OUT]
    if isinstance(names, str) or not kept or len(set(kept)) < len(kept):
        raise ArgumentError(
            f"columns named {names!r}", mend="give each its own name, for example ('form', 'pos', 'ner')"
        )


def _wrong_width(
    line: str,
    values: list[str],
    names: Sequence[str],
    separator: str | None,
    gathered: _Gathered,
    number: int,
) -> DataError:
    if gathered.any:  # the lines before were as expected: this one is at fault
        mend = "mend this line" + ("" if separator is None else ", or part columns by any blanks: None")
    else:
        mend = "name each column of the file ('_' leaves one out), and check what parts them"
    return DataError(
        f"{len(values)} column(s) where {len(names)} were expected ({', '.join(names)}): {_shortened(line)}",
        path=gathered.path,
        line=number,
        mend=mend,
    )


# -- both ------------------------------------------------------------------------------------------


class _Gathered:
    """The sentences read so far, and the rows of the one that is being read."""

    def __init__(self, names: Sequence[str], path: Pathish) -> None:
        self.path = path
        self.rows: list[tuple[int, list[str]]] = []
        self._lines: list[int] = []
        self._names = names
        self._columns: dict[str, list[list[str]]] = {name: [] for name in names if name != LEFT_OUT}
        self._shared: dict[str, str] = {}  # each distinct value once in memory

    @property
    def words(self) -> int:
        return len(self.rows)

    @property
    def any(self) -> bool:
        return bool(self.rows or self._lines)

    def add(self, number: int, values: list[str]) -> None:
        self.rows.append((number, values))

    def end(self) -> None:
        if not self.rows:
            return
        share = self._shared.setdefault
        by_column = zip(*(values for _, values in self.rows), strict=True)
        for name, values in zip(self._names, by_column, strict=True):
            if name != LEFT_OUT:
                self._columns[name].append([share(value, value) for value in values])
        self._lines.append(self.rows[0][0])
        self.rows = []

    def sentences(self) -> Sentences:
        return Sentences(self._columns, self._lines, self.path)


def _empty_field(name: str, path: Pathish, number: int) -> DataError:
    return DataError(
        f"the column {name!r} is empty", path=path, line=number, mend="an unknown value is written as _"
    )


def _shortened(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "…")
