"""``chainrule generate``: text written by a trained language model."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import click

from ..errors import ConfigurationError
from ..tasks.sampling import Sampling
from .command import Command, FiniteFloat, check_text, json_option, open_run
from .output import emit_json


@runtime_checkable
class Writer(Protocol):
    """A system that writes text."""

    def generate(self, prompt: str, *, words: int, sampling: Sampling) -> str:
        """Text that goes on from ``prompt``."""


@click.command(
    cls=Command,
    short_help="Text written by a trained language model.",
    epilog="""\b
Examples:
  chainrule generate runs/lm-1
  chainrule generate runs/lm-1 --prompt "the function returns" --words 40 --temperature 0.7
  chainrule generate runs/lm-1 --top-p 0.9 --seed 3
""",
)
@click.argument("run", metavar="RUN")
@click.option("--prompt", default="", help="Text to go on from.")
@click.option(
    "--words", type=click.IntRange(1, 100_000), default=60, show_default=True, help="How many to write."
)
@click.option(
    "--temperature", type=FiniteFloat(min=0), default=1.0, show_default=True,
    help="Below 1 safer, above 1 bolder; 0 takes the likeliest word.",
)  # fmt: skip
@click.option(
    "--top-k", type=click.IntRange(min=0), default=0, help="Draw from the K likeliest words; 0 from all."
)
@click.option(
    "--top-p",
    type=FiniteFloat(0, 1, min_open=True),
    default=1.0,
    help="Draw from the likeliest words that make up P.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same text for the same seed.",
)
@json_option
def generate(
    run: str, prompt: str, words: int, temperature: float, top_k: int, top_p: float, seed: int, as_json: bool
) -> None:
    """Write text with the language model in the run folder RUN."""
    check_text("--prompt", prompt)
    name, folder, system = open_run(run)
    if not isinstance(system, Writer):
        raise ConfigurationError(
            f"a run of {name} writes no text",
            where=str(folder.path),
            mend="name the run of a language model (chainrule train lm)",
        )
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    text = system.generate(prompt, words=words, sampling=sampling)
    if as_json:
        emit_json({"task": name, "run": str(folder.path), "prompt": prompt, "seed": seed, "text": text})
    else:
        click.echo(text)
