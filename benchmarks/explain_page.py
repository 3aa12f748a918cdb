"""How large is the step-through page, how long does it take to make, and when is it ready in a browser?

`made` is the record, its checks and the text; `ready` is from the call for the file until both the graph and
the panel are drawn and all controls answer, in a headless Chromium (CHROMIUM, or the first on the PATH).

    python benchmarks/explain_page.py [--rounds 5] [graph ...]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from machine import machine
from playwright.sync_api import sync_playwright

import chainrule as cr
from chainrule.models import TextCNN
from chainrule.view.page import explain

Made = tuple[cr.Node, dict[Any, Any]]


def expression() -> Made:
    a, b, c = (cr.variable(value, name=name) for name, value in [("a", 3.0), ("b", 1.0), ("c", -2.0)])
    return c * (a + 2 * b), {}


def digits() -> Made:
    rng = np.random.default_rng(0)
    x, y = cr.placeholder((32, 784), name="X"), cr.placeholder((32,), "int64", name="y")
    first, second, third = (cr.nn.Linear(*s, seed=0) for s in [(784, 16), (16, 16), (16, 10)])
    net = cr.nn.Sequential(first, cr.nn.Tanh(), second, cr.nn.Tanh(), third)
    feed = {x: rng.random((32, 784), np.float32), y: rng.integers(0, 10, 32)}
    return cr.nn.cross_entropy(net(x), y), feed


def text_cnn() -> Made:
    rng = np.random.default_rng(0)
    net = TextCNN(2000, 50, 2, seed=0, filters=20)
    words, y = cr.placeholder((1, 20), "int32", name="words"), cr.placeholder((1,), "int64", name="y")
    return cr.nn.cross_entropy(net(words), y), {words: rng.integers(1, 2000, (1, 20), np.int32), y: [1]}


def thousand() -> Made:
    rng = np.random.default_rng(0)
    made: list[Any] = [cr.variable(0.5, name="x")]
    while len(made) < 1000:
        other = made[int(rng.integers(max(0, len(made) - 9), len(made)))]
        made.append(
            [cr.add, lambda a, b: cr.tanh(a), lambda a, b: cr.sin(a * b)][len(made) % 3](made[-1], other)
        )
    return made[-1], {}


GRAPHS: dict[str, Callable[[], Made]] = {
    "expression": expression, "digits": digits, "text_cnn": text_cnn, "thousand": thousand,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graphs", nargs="*", default=list(GRAPHS), metavar="graph")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    print(f"{'graph':12}{'nodes':>7}{'made, s':>9}{'size, kB':>10}{'ready, ms':>11}")
    own = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=own, args=["--no-sandbox", "--disable-gpu"])
        for name in options.graphs:
            output, feed = GRAPHS[name]()
            file = Path(folder, f"{name}.html")
            began = perf_counter()
            found = explain(output, feed, path=file)
            made = perf_counter() - began
            ready = []
            for _ in range(options.rounds):
                page = browser.new_page()
                began = perf_counter()
                page.goto(file.as_uri())
                page.wait_for_selector("html[data-ready]", state="attached")
                ready.append(perf_counter() - began)
                page.close()
            size, nodes = file.stat().st_size / 1000, len(found.record["nodes"])
            print(f"{name:12}{nodes:>7}{made:>9.2f}{size:>10.0f}{1000 * median(ready):>11.0f}")
        browser.close()


if __name__ == "__main__":
    main()
