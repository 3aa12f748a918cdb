"""The measuring itself: a process for each way to train and thread count, asked in turns.

Of each way a first process finds the fastest form, a second one says how long its first step takes with empty
caches and shows its first losses, and a third one, on filled caches, is then timed in rounds with all others.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..graph import Array
from .ours import first_losses
from .workloads import Workload

Say = Callable[[str], None]

CACHES = {
    "CHAINRULE_CACHE_DIR": "chainrule",
    "JAX_COMPILATION_CACHE_DIR": "jax",
    "TORCHINDUCTOR_CACHE_DIR": "torch",
    "TRITON_CACHE_DIR": "triton",
}
"""Where each keeps what it has compiled, and the folder that it is given here."""

_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_WITHOUT_GPU = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
_SHARED_GPU = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""All ways hold the GPU at the same time: none may take all of its memory."""
_THREADS = (
    "CHAINRULE_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Way:
    """A way to train: a framework and how it is used."""

    name: str
    framework: str
    """What the interpreter must be able to import, and the name ``--python`` knows it by."""
    kind: str
    script: tuple[str, ...]
    only: tuple[str, ...] = ()
    """The networks that it is for, all where this is empty."""


PEERS_SCRIPT = Path(__file__).parent / "peers" / "serving.py"
"""What a peer's interpreter runs, followed by the name of its file."""


def _peer(framework: str, kind: str, only: tuple[str, ...] = ()) -> Way:
    return Way(f"{framework} {kind}", framework, kind, (str(PEERS_SCRIPT), f"with_{framework}"), only)


PEERS: tuple[Way, ...] = (
    _peer("torch", "eager"),
    _peer("torch", "compile"),
    _peer("jax", "step"),
    _peer("jax", "scan"),
    _peer("jax", "rows", only=("ranking",)),
    _peer("tensorflow", "function"),
    _peer("mlx", "compile"),
)


def own(engine: str) -> Way:
    """This library on one of its engines."""
    return Way(f"chainrule {engine}", "chainrule", engine, ("-m", "chainrule.bench.ours"))


class Unavailable(Exception):
    """A way to train that this machine does not have, or cannot use for a workload: why, in a line."""


class Process:
    """A measuring process: started, asked, ended."""

    def __init__(self, way: Way, python: str, threads: int, cache: Path, *, gpu: bool = False) -> None:
        self.way, self.threads = way, threads
        environment = {
            **os.environ,
            **_SETTINGS,
            **(_SHARED_GPU if gpu else _WITHOUT_GPU),
            **{name: str(cache / folder) for name, folder in CACHES.items()},
            **dict.fromkeys(_THREADS, str(threads)),
        }
        if way.framework == "chainrule":
            source = str(Path(__file__).parents[2])
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._process = subprocess.Popen(
                [python, *way.script],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            self._complaints.close()
            raise Unavailable(f"{python} cannot be started: {error.strerror or error}") from None

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Send a command; its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            self._process.wait()
            raise Unavailable(f"the process ended with {self._process.returncode}{self._last_complaint()}")
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise Unavailable(f"not installed: {answer['missing']}")
        if "error" in answer:
            raise Unavailable(answer["error"].split("\n")[0])
        return answer

    def _last_complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return f": {last.strip()}" if last else ""

    def close(self) -> None:
        """End the process, at once."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                stream.close()


@dataclass
class Figure:
    """What one way to train came to on one workload and one thread count; seconds and bytes."""

    workload: str
    way: str
    threads: int
    version: str = ""
    choice: str = ""
    """The form that was fastest here, of those that this way has."""
    device: str = ""
    """What it ran on: ``CPU``, or a GPU's name."""
    step: float = math.nan
    """A step: the median over rounds."""
    best: float = math.nan
    """A step in the fastest round: what it takes when nothing else runs."""
    rounds: list[float] = field(default_factory=list)
    processor: float = math.nan
    """What processors spent on a step, all threads together, in the round where that was least.

    Of one thread it is the time of a step without the times when other programs had the core.
    """
    cold: float = math.nan
    """From arrays in memory to the end of the first step (the first epoch, where one call is an epoch)."""
    warm: float = math.nan
    """The same in a new process, with what the first one left on disk."""
    memory: int | None = None
    losses: list[float] = field(default_factory=list)
    agrees: bool | None = None
    """Whether the first losses are the stepper's; None where there are none."""
    problem: str = ""
    """Why there are no figures."""


@dataclass(frozen=True)
class Plan:
    """How to measure."""

    threads: tuple[int, ...]
    rounds: int = 7
    seconds: float = 0.25
    """How long each is run in a round."""
    checked: int = 4
    """How many losses are compared."""
    tolerance: float = 2e-4
    """How far losses may be apart, relatively: float32, summed in another order, a few steps long."""
    gpu: bool = False
    """Whether all of it is to run on a GPU; otherwise none of it does."""
    pythons: dict[str, str] = field(default_factory=dict)
    """The interpreter for each framework, the running one where none is named."""

    def python(self, way: Way) -> str:
        return self.pythons.get(way.framework, sys.executable)


def measure(workload: Workload, ways: Sequence[Way], plan: Plan, say: Say) -> list[Figure]:
    """The figures of every way and thread count on one workload, measured in turns.

    A way that is not there, or fails, is a figure with a problem.
    """
    fitting = [way for way in ways if not way.only or workload.network in way.only]
    figures = [(way, Figure(workload.name, way.name, threads)) for threads in plan.threads for way in fitting]
    parameters = [variable.array for variable in workload.model().parameters()]
    with tempfile.TemporaryDirectory(prefix="chainrule-bench-") as name:
        folder = Path(name)
        message = _written(workload, parameters, folder)
        running: list[tuple[Figure, Process, int]] = []
        try:
            for number, (way, figure) in enumerate(figures):
                say(f"{workload.name}: {way.name}, {_threads(figure.threads)}")
                cache = folder / f"cache-{number}"
                try:
                    _prepare(figure, way, plan, cache, message)
                    running.append(_restart(figure, way, plan, cache, message))
                except Unavailable as found:
                    figure.problem = str(found)
            _rounds(running, plan, say)
        finally:
            for _, process, _ in running:
                process.close()
    expected = first_losses(workload, parameters, plan.checked)
    for _, figure in figures:
        if figure.losses:
            figure.agrees = bool(np.allclose(figure.losses, expected, rtol=plan.tolerance, atol=0.0))
    return [figure for _, figure in figures]


def _written(workload: Workload, parameters: Sequence[Array], folder: Path) -> dict[str, Any]:
    """Data, order and initial parameters in a file; what a process is told of it."""
    path = folder / "arrays.npz"
    arrays = {f"data{i:02}": array for i, array in enumerate(workload.data())}
    arrays |= {f"parameter{i:02}": array for i, array in enumerate(parameters)}
    np.savez(path, order=workload.order(), **arrays)  # type: ignore[arg-type]  # NumPy's stub wants allow_pickle
    return {"workload": asdict(workload), "arrays": str(path)}


def _prepare(figure: Figure, way: Way, plan: Plan, cache: Path, message: dict[str, Any]) -> None:
    """The fastest form, by a process of its own; then one on empty caches: the first step, the losses."""
    with _started(figure, way, plan, cache / "tuning", message) as process:
        figure.choice = process.ask("tune", seconds=plan.seconds)["choice"]
    with _started(figure, way, plan, cache, message) as process:
        figure.cold = process.ask("first")["seconds"]
        steps = min(plan.checked, message["workload"]["batches"])
        figure.losses = process.ask("losses", steps=steps)["losses"]


def _restart(
    figure: Figure, way: Way, plan: Plan, cache: Path, message: dict[str, Any]
) -> tuple[Figure, Process, int]:
    """A process on filled caches, ready to be timed, and the steps that fill a round."""
    with _started(figure, way, plan, cache, message, keep=True) as process:
        found = process.ask("first")
        figure.warm, steps = found["seconds"], found["chunk"]
        while (taken := process.ask("run", steps=steps)["seconds"]) < plan.seconds / 2:
            # One slow call must not pass for slow steps: come near the length of a round by and by.
            steps *= math.ceil(min(8.0, max(2.0, plan.seconds / taken)))
        return figure, process, steps


@contextmanager
def _started(
    figure: Figure, way: Way, plan: Plan, cache: Path, message: dict[str, Any], *, keep: bool = False
) -> Iterator[Process]:
    """A process that has imported what it needs; it ends with the block, unless kept and all was well."""
    process = Process(way, plan.python(way), figure.threads, cache, gpu=plan.gpu)
    try:
        own = {"kind": way.kind, "choice": figure.choice, "threads": figure.threads, "gpu": plan.gpu}
        found = process.ask("import", spec={**message, **own})
        figure.version, figure.device = found["version"], found["device"]
        yield process
    except BaseException:
        process.close()
        raise
    if not keep:
        process.close()


def _rounds(running: Sequence[tuple[Figure, Process, int]], plan: Plan, say: Say) -> None:
    """All in turns, the first to go another one in each round."""
    for number in range(plan.rounds):
        say(f"round {number + 1} of {plan.rounds}")
        for offset in range(len(running)):
            figure, process, steps = running[(number + offset) % len(running)]
            if not figure.problem:
                try:
                    ran = process.ask("run", steps=steps)
                    figure.rounds.append(ran["seconds"] / steps)
                    figure.processor = float(np.fmin(figure.processor, ran["processor"] / steps))
                    figure.memory = process.ask("memory")["bytes"]
                except Unavailable as found:
                    figure.problem = str(found)
    for figure, _, _ in running:
        if figure.rounds:
            figure.step, figure.best = statistics.median(figure.rounds), min(figure.rounds)


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
