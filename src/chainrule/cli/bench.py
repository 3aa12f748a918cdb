"""``chainrule bench``: what a training step costs here and in other frameworks."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Sequence

import click

from ..bench import (
    LARGE,
    ON_GPU,
    PEERS,
    WORKLOADS,
    Machine,
    Plan,
    Results,
    Way,
    at_least,
    check_page,
    cores,
    measure,
    own,
    probe,
    work,
    workload_named,
    write_page,
)
from ..bench.results import BUSY
from ..compile import DEFAULT_ENGINE, ENGINES
from .command import Command, FiniteFloat, json_option, unknown
from .output import emit_json, print_table, say

_FRAMEWORKS = list(dict.fromkeys(way.framework for way in PEERS))
_HOW = "\n".join(f"  {name:<7} {workload.about}" for name, workload in (WORKLOADS | LARGE).items())


@click.command(
    cls=Command,
    short_help="The cost of a training step, beside other frameworks.",
    epilog=f"""\b
Examples:
  chainrule bench                                    every workload, every framework there is
  chainrule bench -w mlp16 -w pos --threads 1
  chainrule bench --python torch=~/torch/bin/python  a framework that lives elsewhere
  chainrule bench --no-peers --engine stepper        this library alone
  chainrule bench --json > figures.json
  chainrule bench --gpu                              nlm, cnn and lm32k, engine xla, PyTorch, JAX

\b
Workloads:
{_HOW}
""",
)
@click.option(
    "-w", "--workload", "workloads", multiple=True, metavar="NAME", help="Which; all but lm32k unless given."
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME",
    help=f"Of this library; {DEFAULT_ENGINE} unless given. The first is compared with the others.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="NAME",
    help=f"{', '.join(_FRAMEWORKS)}, or one way such as 'torch eager'; all that are there.",
)
@click.option("--no-peers", is_flag=True, help="This library alone.")
@click.option(
    "--python", "pythons", multiple=True, metavar="PEER=PATH", help="The interpreter that has a framework."
)
@click.option("--gpu", is_flag=True, help="On a GPU, and what is large enough for one.")
@click.option("--threads", metavar="N[,N]", help="Thread counts; 1 and all cores unless given.")
@click.option(
    "--rounds", type=click.IntRange(1), default=7, show_default=True, help="How often each has its turn."
)
@click.option(
    "--seconds",
    type=FiniteFloat(0.001),
    default=0.25,
    show_default=True,
    help="How long each is run in a round.",
)
@click.option("--write", "page", metavar="FILE", help="Write the tables to a page (Markdown) as well.")
@json_option
def bench(
    workloads: Sequence[str],
    engines: Sequence[str],
    peers: Sequence[str],
    no_peers: bool,
    pythons: Sequence[str],
    gpu: bool,
    threads: str | None,
    rounds: int,
    seconds: float,
    page: str | None,
    as_json: bool,
) -> int:
    """Time training steps of small networks: all ways in turns, each in a process of its own.

    A step is to gather a batch, to run forward and backward, and to update. All ways must have the same
    first losses. The roofline is the share of what the machine could do at most; cold and warm are the
    seconds until the first step is done, with empty caches and with filled ones. Without --gpu everything
    runs on the processor; with it everything on a GPU, and products are of float32 without rounding.
    """
    names = list(dict.fromkeys(workloads)) or list(ON_GPU if gpu else WORKLOADS)
    for name in names:
        _chosen("workload", [name], [*WORKLOADS, *LARGE])
    wanted = [] if no_peers else _peers(peers)
    chosen_engines = _chosen("engine", engines or ("xla" if gpu else DEFAULT_ENGINE,), list(ENGINES))
    counts = (cores(),) if gpu and threads is None else _thread_counts(threads)
    plan = Plan(counts, rounds, seconds, gpu=gpu, pythons=_interpreters(pythons))
    if page is not None:
        check_page(page)
    frameworks = dict.fromkeys(way.framework for way in wanted)
    missing = {name: why for name in frameworks if (why := _why_missing(name, plan))}
    for name, why in missing.items():
        say(f"{name} is left out: {why}")
    ways = [own(engine) for engine in chosen_engines]
    ways += [way for way in wanted if way.framework not in missing]
    works = {name: work(workload_named(name)) for name in names}
    machines: dict[int, Machine] = {}
    if not gpu:
        say("measuring what the machine can do")
        machines = at_least({n: probe(n, [w.bytes for w in works.values()]) for n in plan.threads})
    results = Results(ways[0].name, machines, works, missing)
    for name in names:
        results.figures += measure(workload_named(name), ways, plan, say)
        for count, before in machines.items():  # others may have kept the cores busy the first time
            machines[count] = before.or_better(probe(count, [works[name].bytes], cores=[before.core]))
        results.machines = machines = at_least(machines)
        if not as_json:
            print_table(results.table(name))
            click.echo()
    if as_json:
        emit_json(results.mapping())
    else:
        if not gpu:
            print_table(results.peaks())
            click.echo()
        print_table(results.verdict())
    if page is not None:
        write_page(results, page)
        say(f"written to {page}")
    if results.unrest > BUSY:
        say(f"the machine was busy: rounds took {results.unrest:.2f} times as long as the fastest ones")
    for figure in results.wrong:
        problem = figure.problem or "its first losses are not those of the stepper"
        say(f"{figure.workload}, {figure.way}, {figure.threads} threads: {problem}")
    return 1 if results.wrong else 0


def _chosen(kind: str, given: Sequence[str], known: list[str]) -> list[str]:
    """What was named, each once, or all there is."""
    for name in given:
        if name not in known:
            raise click.UsageError(unknown(kind, name, known))
    return list(dict.fromkeys(given)) or known


def _peers(given: Sequence[str]) -> list[Way]:
    """The ways to train that were named, or whose frameworks were; all there are where none was."""
    names = _chosen("peer", given, [*_FRAMEWORKS, *[way.name for way in PEERS]])
    return [way for way in PEERS if way.name in names or way.framework in names]


def _thread_counts(text: str | None) -> tuple[int, ...]:
    most = cores()
    if text is None:
        return (1, most) if most > 1 else (1,)
    try:
        counts = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise click.UsageError(f"--threads {text}: give numbers, as in --threads 1,2") from None
    if min(counts) < 1 or max(counts) > most:
        raise click.UsageError(f"--threads {text}: this process may use 1 to {most}")
    return counts


def _interpreters(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise click.UsageError(
                f"--python {text}: give a framework and a path, as in torch=/usr/bin/python3"
            )
        if name not in _FRAMEWORKS:
            raise click.UsageError(unknown("peer", name, _FRAMEWORKS))
        found[name] = os.path.expanduser(path)
    return found


def _why_missing(framework: str, plan: Plan) -> str:
    """Why a framework cannot be measured; empty where it can."""
    python = plan.pythons.get(framework)
    if python is None:
        there = importlib.util.find_spec(framework) is not None
        return "" if there else f"not installed here; --python {framework}=PATH names another interpreter"
    look = f"import importlib.util as u, sys; sys.exit(u.find_spec({framework!r}) is None)"
    try:
        ran = subprocess.run([python, "-c", look], capture_output=True, check=False)
    except OSError as error:
        return f"{python} cannot be started: {error.strerror or error}"
    return "" if ran.returncode == 0 else f"not installed for {python}"
