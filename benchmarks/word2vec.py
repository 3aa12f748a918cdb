"""How fast are word vectors learned, beside gensim?

Both learn from the same sentences with the same settings (100 numbers, window 5, 5 negatives, subsampling
10⁻³), one thread each, an epoch at a time, in turns; the best epoch counts.  CPU seconds, which other
programs on the machine disturb least, stand beside those of the clock.  Words are those of the text
before it is thinned out.  gensim may live in an environment of its own.

    python benchmarks/word2vec.py [--text FILE] [--python ~/gensim/bin/python] [--kind cbow] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter, process_time

from machine import machine

os.environ["CHAINRULE_THREADS"] = "1"  # before the engine is loaded

import numpy as np

import chainrule as cr
from chainrule.data import ContextPairs, Ragged, WordPairs, python_docs, read_text
from chainrule.models import CBOW, NegativeSampler, SkipGram, negative_sampling_loss, with_negatives
from chainrule.tasks.corpus import TextOptions, make_tokenizer

GENSIM = """
import sys
from time import perf_counter, process_time
from gensim import __version__
from gensim.models import Word2Vec
sentences = [line.split() for line in open(sys.argv[1], encoding="utf-8")]
settings = dict(vector_size=100, window=5, negative=5, sample=1e-3, min_count=5, workers=1)
model = Word2Vec(**settings, sg=int(sys.argv[2]))
model.build_vocab(sentences)
print("gensim", __version__, flush=True)
for _ in sys.stdin:
    clock, cpu = perf_counter(), process_time()
    model.train(sentences, total_examples=model.corpus_count, epochs=1)
    print(perf_counter() - clock, process_time() - cpu, flush=True)
"""


class Ours:
    """Epochs of this library, called one at a time."""

    name = f"chainrule {cr.__version__}"

    def __init__(self, sentences: list[list[str]], kind: str, batch: int) -> None:
        found = Counter(word for sentence in sentences for word in sentence)
        words = ["", *(word for word, count in found.most_common() if count >= 5)]
        index = {word: number for number, word in enumerate(words) if number}
        ids = Ragged([[index[word] for word in sentence if word in index] for sentence in sentences])
        counts = [0, *(found[word] for word in words[1:])]
        skip_gram = kind == "skip-gram"
        self.data = (WordPairs if skip_gram else ContextPairs)(ids, counts, size=batch)
        self.model = (SkipGram if skip_gram else CBOW)(len(words), 100, seed=0)
        sampler = NegativeSampler(counts)

        def loss(given: cr.Node, asked: cr.Node, mode: cr.nn.Mode) -> cr.Node:
            candidates = with_negatives(asked, sampler, 5, mode.key_here())
            return negative_sampling_loss(self.model(given, candidates), candidates)

        optimizer = cr.optim.SGD(self.model.parameters(), 0.025 * self.data.size)
        settings = cr.train.Settings(epochs=0)
        self.training = cr.train.Training(self.model, loss, self.data, optimizer, settings)

    def epoch(self) -> tuple[float, float]:
        """Seconds by the clock and of the processor, the drawing of pairs included."""
        clock, cpu = perf_counter(), process_time()
        self.training.settings.epochs += 1
        self.training.run()
        return perf_counter() - clock, process_time() - cpu


class Gensim:
    """The same in a process of its own."""

    def __init__(self, python: str, path: str, kind: str) -> None:
        command = [python, "-c", GENSIM, path, str(int(kind == "skip-gram"))]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | one)
        self.name = self._line() or sys.exit("gensim is not there: name its Python with --python")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def epoch(self) -> tuple[float, float]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        clock, cpu = map(float, self._line().split())
        return clock, cpu


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--text", help="a sentence a line, words between blanks; by default Python's documentation"
    )
    parser.add_argument("--python", default=sys.executable, help="a Python that has gensim")
    parser.add_argument("--kind", choices=["skip-gram", "cbow"], action="append")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    text = read_text(options.text).lower() if options.text else "\n".join(d.text for d in python_docs())
    tokenizer = make_tokenizer(TextOptions(tokens="spaces" if options.text else "words"))
    sentences = [words for line in text.split("\n") if (words := tokenizer.tokenize(line))]
    total = sum(map(len, sentences))
    print(machine())
    print(f"{total:,} words, one thread each, the best of {options.rounds} epochs in turns")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sentences.txt")
        path.write_text("\n".join(map(" ".join, sentences)), encoding="utf-8")
        for kind in options.kind or ["skip-gram", "cbow"]:
            both = Ours(sentences, kind, options.batch), Gensim(options.python, str(path), kind)
            both[0].epoch()  # compiles
            taken = np.array([[way.epoch() for way in both] for _ in range(options.rounds)]).min(axis=0)
            for way, (clock, cpu) in zip(both, taken, strict=True):
                speeds = f"{total / clock:12,.0f} words/s {total / cpu:12,.0f} a CPU second"
                print(f"{kind:10} {way.name:16} {speeds}")
            clock, cpu = taken[1] / taken[0]
            print(f"{kind:10} {'gensim / ours':16} {clock:12.2f} {cpu:20.2f}")


if __name__ == "__main__":
    main()
