"""What is known of words from elsewhere, as further columns: names that lists hold, and another run's tags.

A sentence's words are all that is needed, so that they are there for new text as well.  What they come from
is copied into the run folder: it can be moved, and the lists and the other run may go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..data import Sentences, TagScheme, read_bytes, read_lines, tags_of, write_atomically
from ..data.features import FORM
from ..data.sources import located
from ..errors import ConfigurationError, DataError, RunFolderError
from ..models import Gazetteer
from ..train import RunFolder
from .tagged_data import TaggedDataOptions
from .task import Say

if TYPE_CHECKING:
    from .tagging import Scorer

TAGGED = "tagged"
"""The column with the tags that another run gives."""
_LISTS, _TAGGER = "lists.json", "tagger"
_SCHEME: TagScheme = "BIOES"

LoadTagger = Callable[[RunFolder], "Scorer"]


@dataclass
class FurtherColumns:
    """Columns that are made from the words alone.

    ``lists`` gives the columns ``in NAME``, in which a word is S where it is an entry of the list by itself,
    B, I or E where it is a part of one, and O elsewhere; upper and lower case are one.  The ``tagger`` gives
    the column ``tagged``: the tag that it finds likeliest for each word by itself; ``recorded`` is the
    configuration it was trained with.

    >>> cities = Gazetteer({("oslo",): "", ("new", "york"): ""})
    >>> sentences = Sentences({"form": [["New", "York", "or", "Oslo"]]}, [1], "a.txt")
    >>> FurtherColumns({"cities": cities}).added(sentences)["in cities"]
    [['B', 'E', 'O', 'S']]
    """

    lists: Mapping[str, Gazetteer] = field(default_factory=dict)
    tagger: Scorer | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [*(f"in {name}" for name in self.lists), *([TAGGED] if self.tagger is not None else [])]

    def added(self, sentences: Sentences) -> Sentences:
        """The sentences with these columns.

        Raises ``DataError`` where they have a column of that name already.
        """
        twice = [name for name in self.names if name in sentences.columns]
        if twice:
            raise DataError(
                f"there is a column {twice[0]!r} in the data already",
                path=sentences.path,
                mend="give it another name: data.columns",
            )
        words = sentences[FORM]
        columns = {f"in {name}": [_places(own, line) for line in words] for name, own in self.lists.items()}
        if self.tagger is not None:
            scores = self.tagger.scores(self.tagger.encode(sentences))
            found = iter(self.tagger.tags.decode(scores.argmax(axis=1)))
            columns[TAGGED] = [[next(found) for _ in line] for line in words]
        return Sentences({**sentences.columns, **columns}, sentences.lines, sentences.path)

    # -- where they come from ----------------------------------------------------------------------

    @classmethod
    def gathered(cls, options: TaggedDataOptions, load: LoadTagger, say: Say) -> FurtherColumns:
        """The lists and the tagger that the options name."""
        lists: dict[str, Gazetteer] = {}
        for source in options.lists:
            say(f"reading {source}")
            path = located(source, say)
            name = path.name.removesuffix(".gz").partition(".")[0]
            if name in lists:
                raise ConfigurationError(
                    f"data.lists: two lists are called {name!r}", mend="rename the file of one of them"
                )
            lists[name] = _read(path, options.encoding)
        return cls(lists, *_tagger(options, RunFolder(options.tagger), load))

    # -- on disk -----------------------------------------------------------------------------------

    def save(self, folder: RunFolder) -> None:
        """Write the lists, and all of the tagger that tagging needs."""
        if self.lists:
            content = {name: [" ".join(phrase) for phrase in own.types] for name, own in self.lists.items()}
            write_atomically(folder.path / _LISTS, json.dumps(content) + "\n")
        if self.tagger is not None:
            own = RunFolder(folder.path / _TAGGER)
            own.create(self.recorded, replace=True)
            self.tagger.save(own)
            own.save_model(self.tagger.model.state_dict(), {})
            own.write_manifest({})

    @classmethod
    def load(cls, folder: RunFolder, options: TaggedDataOptions, load: LoadTagger) -> FurtherColumns:
        """What :meth:`save` wrote, as far as the run's options name it."""
        lists = _saved_lists(folder.path / _LISTS) if options.lists else {}
        return cls(lists, *_tagger(options, RunFolder(folder.path / _TAGGER), load))


def _tagger(
    options: TaggedDataOptions, folder: RunFolder, load: LoadTagger
) -> tuple[Scorer | None, Mapping[str, Any]]:
    """The tagger of a run and its configuration, where the options name one."""
    if not options.tagger:
        return None, {}
    if folder.task != "pos":
        raise ConfigurationError(
            f"data.tagger: {folder.path} is a run of {folder.task}", mend="name the folder of a run of pos"
        )
    return load(folder), folder.config()


def _read(path: Path, encoding: str) -> Gazetteer:
    """The names of a file, one a line; ``DataError`` where there is none."""
    found = _gazetteer(read_lines(path, encoding))
    if not len(found):
        raise DataError("there is no name in the list", path=path, mend="write one a line")
    return found


def _gazetteer(lines: Iterable[str]) -> Gazetteer:
    return Gazetteer({phrase: "" for line in lines if (phrase := tuple(line.lower().split()))})


def _places(names: Gazetteer, words: Sequence[str]) -> list[str]:
    """Where in a name of the list each word stands."""
    return tags_of(names.spans([word.lower() for word in words]), len(words), _SCHEME)


def _saved_lists(path: Path) -> dict[str, Gazetteer]:
    content = read_bytes(path)
    try:
        found = msgspec.json.decode(content, type=dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{path.name} is damaged: {error}", where=str(path), mend="restore it, or train again"
        ) from None
    return {name: _gazetteer(lines) for name, lines in found.items()}
