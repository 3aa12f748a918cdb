"""One example's loss as a graph, of each kind of system: what ``loss_of`` is made of.

The arrays that training would show the network are fed to placeholders with names that say what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from ..data import Encoded, WindowBatches
from ..errors import ArgumentError, DataError
from ..graph import Array, Node, placeholder
from ..nn import EVALUATE, Mode
from .task import Example

Loss = Callable[..., Node]


def example_of(arrays: Mapping[str, Array], build: Callable[..., Node], title: str, about: str) -> Example:
    """The loss that ``build`` makes of placeholders for the arrays, in their order, and what they are fed."""
    leaves = [placeholder(array.shape, array.dtype, name=name) for name, array in arrays.items()]
    feed: dict[Node, Array] = dict(zip(leaves, arrays.values(), strict=True))
    return Example(build(*leaves), feed, title, about)


def words_of(words: Sequence[str]) -> Sequence[str]:
    """The words; ``DataError`` where there is none."""
    if not words:
        raise DataError("the text has no word", mend="give a sentence")
    return words


def gold_tags(
    gold: str | None, words: Sequence[str], found: Sequence[str], known: Sequence[str]
) -> list[str]:
    """A tag for each word: those of ``gold``, or those found.

    Raises ``DataError`` for another number of tags than of words, and for tags that training never saw.
    """
    if gold is None:
        return list(found)
    tags = gold.split()
    if len(tags) != len(words):
        raise DataError(
            f"{len(tags)} tags for {len(words)} words",
            mend=f"one tag for each of: {' '.join(words)}",
        )
    unknown = [tag for tag in dict.fromkeys(tags) if tag not in frozenset(known)]
    if unknown:
        raise DataError(
            f"training never saw the tag {', '.join(unknown)}", mend=f"the tags are: {', '.join(known)}"
        )
    return tags


def tags_told(words: Sequence[str], tags: Sequence[str], found: Sequence[str], *, given: bool) -> str:
    """Each word with its tag, and where the tagger finds another one, that as well."""
    told = [
        f"{word}/{tag}" + ("" if tag == own else f" (found: {own})")
        for word, tag, own in zip(words, tags, found, strict=True)
    ]
    return " ".join(told) + ("" if given else " — the tags are those that the network finds")


def windows_loss(encoded: Encoded, radius: int, tags: Array, loss: Loss, title: str, about: str) -> Example:
    """The loss of all words of some sentences, each seen in its window, in their order."""
    batches = WindowBatches(encoded, radius, max(encoded.tokens, 1), tags=tags, shuffle=False)
    return batch_loss(next(iter(batches.epoch(0))), list(encoded.ids), loss, title, about)


def batch_loss(
    batch: Sequence[Array], channels: Sequence[str], loss: Loss, title: str, about: str
) -> Example:
    """The loss of a batch of windows of these channels, tags, and a mask where there is one."""
    names = [*channels, "tags", "mask"][: len(batch)]

    def build(*leaves: Node, mode: Mode = EVALUATE) -> Node:
        return loss(*leaves, mode=mode)

    return example_of(dict(zip(names, batch, strict=True)), build, title, about)


def class_of(gold: str | None, found: str, known: Sequence[str]) -> str:
    """The class that is right: ``gold``, or what was found; ``DataError`` for one that training never saw."""
    if gold is None:
        return found
    if gold not in known:
        raise DataError(f"training never saw the class {gold!r}", mend=f"the classes are: {', '.join(known)}")
    return gold


def class_told(right: str, found: str, probability: float, *, given: bool) -> str:
    """What is right and what the network says."""
    says = f"the network says {found} ({probability:.1%})"
    return f"right is {right}; {says}" if given else f"{says}, which is taken for right"


def refuse_gold(gold: str | None, why: str) -> None:
    """Raise ``DataError`` where something was given that the example says itself."""
    if gold is not None:
        raise DataError(f"there is no use for {gold!r} as what is right: {why}", mend="leave it out")


def first_batch(batches: Any, why: str) -> tuple[Array, ...]:
    """The first batch of an epoch; ``DataError`` with the reason where the data gives none."""
    try:
        found: tuple[Array, ...] = next(iter(batches().epoch(0)))
    except (ArgumentError, StopIteration):
        raise DataError(why) from None
    return found


def flat(lines: Sequence[Sequence[str]]) -> list[str]:
    """All items of the lines, end to end."""
    return list(chain.from_iterable(lines))
