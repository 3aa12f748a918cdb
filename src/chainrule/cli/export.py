"""``chainrule export``: what a run has learned, in a file that other programs read."""

from __future__ import annotations

import click

from ..data import write_vectors
from ..data.files import possible_path
from ..data.vector_files import FORMATS
from ..errors import ConfigurationError, DataError
from ..tasks import HasWordVectors
from .command import Command, json_option, open_run
from .output import emit_json, say


@click.command(
    cls=Command,
    short_help="Word vectors of a run, in a file that other programs read.",
    epilog="""\b
Examples:
  chainrule export runs/word2vec-1
  chainrule export runs/word2vec-1 --format glove --out vectors.txt.gz
  chainrule export runs/lm-1 --format word2vec-binary --out vectors.bin
""",
)
@click.argument("run", metavar="RUN")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="word2vec",
    show_default=True,
    help="word2vec has a first line with the sizes, glove has none.",
)
@click.option("--out", metavar="FILE", help="Where to; .gz is packed.  [default: RUN/vectors.txt or .bin]")
@json_option
def export(run: str, form: str, out: str | None, as_json: bool) -> None:
    """Write the word vectors of RUN: of word2vec, or those that lm, pos or textcnn has learned."""
    name, folder, system = open_run(run)
    vectors = system.word_vectors() if isinstance(system, HasWordVectors) else None
    if vectors is None:
        raise ConfigurationError(
            f"a run of {name} has no word vectors",
            where=str(folder.path),
            mend="name a run of word2vec, lm, pos or textcnn",
        )
    ending = "bin" if form == "word2vec-binary" else "txt"
    path = folder.path / f"vectors.{ending}" if out is None else possible_path(out)
    if not path.parent.is_dir():
        raise DataError("no such folder", path=path.parent, mend="make it, or choose another --out")
    write_vectors(path, vectors, form)
    if as_json:
        found = {"words": len(vectors), "dimension": vectors.dimension, "format": form, "path": str(path)}
        emit_json({"task": name, "run": str(folder.path), **found})
    else:
        say(f"{len(vectors):,} words, {vectors.dimension} numbers each, written to {path}")
