"""English prose out of documentation: examples, grammars, tables, signatures and markup left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_BULLET = re.compile(r"(?:[*\-+•o]|\d{1,2}[.)]|\[\d+\]|\(\w\)|-{2})\s+(?=\S)")
_UNDERLINE = re.compile(r"([=\-~*^#+\"'`.:_])\1{2,}$")

# Whole blocks that are not prose, whatever words they hold: prompts, shell lines, directives, field
# lists, comments, grammar, option lists, Python statements, addresses of people, tracebacks.
_NOT_PROSE = re.compile(
    r""">>> | \.\.\.[ ] | \$[ ] | \.\.[ ] | :\w+[^:]*: | @\w | \#
      | --?\w[\w-]*([ ,=]|$)
      | (def|class|import|from|for|while|if|with|try|except|elif|else|return|raise|async|lambda)\b.*:$
      | (from[ ]\S+[ ])?import[ ]\w+ | \w+[ ]*=[ ]* \S | Traceback[ ] | File[ ]"
      | Copyright | Author | Written[ ]by
    """,
    re.VERBOSE,
)
_COLUMNS = re.compile(r"\S(?: {3,}|\t+|\s\|\s)\S")
_MARKUP = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        (r"[‘’]", "'"),
        (r"…", "..."),
        (r"[–—]", "-"),
        (r":[a-z:]+:`~?([^`<]*?)(?:\s*<[^`]*>)?`", r"\1"),  # :func:`len`
        (r"`{1,2}([^`]+)['`]{1,2}_{0,2}", r"\1"),  # ``code``, `name', `link`_
        (r"\*{1,2}([\w(](?:[^*\n]*[\w).])?)\*{1,2}", r"\1"),  # *argument*, **strong**
        (r'"([^\s"]+)"', r"\1"),  # "code" without blanks, as the topics quote it
        (r"\s*\[#?\d+\]_?", ""),  # footnote marks
        (r"\b(?:New|Added|Changed|Deprecated)[\w ]* in version [\d.]+(?:, [^:]*?)?(?::|\.(?=\s|$))\s*", ""),
        (r"::(?=\s|$)", ":"),
        (r"[“”]", '"'),
        (r"\s+", " "),
    )
)
_WORD = re.compile(r"[(\"']*[A-Za-z]+(?:[-'][A-Za-z]+)*[)\"']*[.,;:!?]*[)\"']*")
_FUNCTION_WORDS = frozenset(
    str.split(
        "the a an of to is are be in on and or for with that this it by as from not if can will when which "
        "at was has have must should may its all any no but than then into"
    )
)
_SENTENCE = re.compile(r"[.!?:][)\"']*$")


class _Block(NamedTuple):
    """Lines that belong together, without their bullet: where the first began, where its text does."""

    column: int
    indent: int
    lines: list[str]


def prose(text: str) -> list[str]:
    """The paragraphs of ``text`` that are English sentences, each on one line, inline markup removed.

    Left out are doctests, literal blocks (indented, after ``::``), grammars, tables, headings, option
    and field lists, and signatures.  List items and definitions are paragraphs of their own.

    >>> prose('''Title
    ... =====
    ...
    ... Return the *first* item that ``key`` finds::
    ...
    ...     first(items, key)
    ...
    ... - an item of the list.
    ...
    ... >>> first([1, 2], bool)
    ... 1
    ... ''')
    ['Return the first item that key finds:', 'an item of the list.']
    """
    paragraphs: list[str] = []
    literal: int | None = None  # the indentation of the paragraph that ended in ::
    for block in _blocks(text):
        if literal is not None and block.column > literal:
            continue
        literal = block.column if block.lines[-1].endswith("::") else None
        paragraph = " ".join(block.lines)
        if _NOT_PROSE.match(paragraph) or "::=" in paragraph or _is_table(block.lines):
            continue
        for pattern, by in _MARKUP:
            paragraph = pattern.sub(by, paragraph)
        paragraph = paragraph.strip()
        if _is_prose(paragraph):
            paragraphs.append(paragraph)
    return paragraphs


def _blocks(text: str) -> Iterator[_Block]:
    """Split at blank lines, at list items, at changes of indentation and at underlines."""
    block: _Block | None = None
    skipping = False  # within a doctest, which ends with a blank line
    for raw in text.expandtabs().split("\n"):
        line = raw.strip()
        if not line or _UNDERLINE.match(line):
            if block is not None and not line:
                yield block
            block, skipping = None, False  # an underlined line is a heading: dropped with its underline
            continue
        if line.startswith(">>>"):
            skipping = True
        if skipping:
            continue
        column = indent = len(raw) - len(raw.lstrip())
        bullet = _BULLET.match(line)
        if block is not None and (bullet or indent != block.indent):
            yield block
            block = None
        if bullet:
            indent += bullet.end()
            line = line[bullet.end() :]
        if block is None:
            block = _Block(column, indent, [])
        block.lines.append(line)
    if block is not None:
        yield block


def _is_table(lines: list[str]) -> bool:
    return 2 * sum(_COLUMNS.search(line) is not None for line in lines) >= len(lines)


def _is_prose(paragraph: str) -> bool:
    """Mostly plain words, some of them the small words of English, and a whole sentence or a long one."""
    chunks = paragraph.split()
    if len(chunks) < 3 or not (_SENTENCE.search(paragraph) or len(chunks) >= 8):
        return False
    plain = sum(_WORD.fullmatch(c) is not None for c in chunks)
    if plain < 0.7 * len(chunks):
        return False
    return any(c in _FUNCTION_WORDS for c in paragraph.lower().split())
