"""Slurm's way of writing many host names: ``n[001-003,7],gpu-2``."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ConfigurationError

_MOST = 1 << 20  # hosts; more is a slip of the pen


def expand(text: str) -> list[str]:
    """All names of a list, in order; numbers keep their leading zeros, and several brackets multiply.

    Source: Slurm, scontrol(1), "show hostnames".

    Raises: ``ConfigurationError`` where the list is damaged.

    >>> expand("n[001-003,7],gpu-2")
    ['n001', 'n002', 'n003', 'n7', 'gpu-2']
    >>> expand("rack[0-1]n[8-9]")
    ['rack0n8', 'rack0n9', 'rack1n8', 'rack1n9']
    """
    names = [name for part in _parts(text) for name in _names(part, text)]
    if not names:
        raise _damaged(text)
    return names


def first_node(text: str) -> str:
    """The first name of a list.

    >>> first_node("n[001-512]")
    'n001'
    """
    return expand(text)[0]


def _damaged(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"{text!r} is no list of nodes", mend="it is written like n[001-003,7],gpu-2; or say --coordinator"
    )


def _parts(text: str) -> Iterator[str]:
    """Split at the commas outside brackets."""
    begin, inside = 0, False
    for position, letter in enumerate(text):
        if letter in "[]":
            if inside == (letter == "["):
                raise _damaged(text)
            inside = not inside
        elif letter == "," and not inside:
            yield text[begin:position]
            begin = position + 1
    if inside:
        raise _damaged(text)
    yield text[begin:]


def _names(part: str, text: str) -> list[str]:
    """One part of a list with its brackets multiplied out."""
    names = [""]
    while part:
        before, bracket, rest = part.partition("[")
        inner, _, part = rest.partition("]")
        choices = _numbers(inner, text) if bracket else [""]
        if len(names) * len(choices) > _MOST:
            raise _damaged(text)
        names = [name + before + choice for name in names for choice in choices]
    if names == [""]:
        raise _damaged(text)
    return names


def _numbers(inner: str, text: str) -> list[str]:
    found: list[str] = []
    for piece in inner.split(","):
        low, dash, high = piece.partition("-")
        high = high if dash else low
        if not (_is_number(low) and _is_number(high)) or not int(low) <= int(high) < int(low) + _MOST:
            raise _damaged(text)
        found += [str(number).zfill(len(low)) for number in range(int(low), int(high) + 1)]
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
