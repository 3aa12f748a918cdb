"""A measuring process: it builds one trainer, and runs steps of it when told to.

    python …/bench/peers/serving.py with_torch

It needs the standard library, NumPy and the one framework, so that it runs under any interpreter that has
them.  Commands come as lines of JSON on the standard input, and each is answered with one line of JSON on
what was the standard output (what a framework prints goes to the standard error):

``{"do": "import", "spec": {…}}``   import the framework; its version, and the device that it runs on
``{"do": "first"}``                 build the trainer and run it once; seconds
``{"do": "run", "steps": n}``       n steps, each from the rows of a batch to new parameters: seconds, and the
                                  seconds that processors spent
``{"do": "losses", "steps": n}``    the first n losses from the initial parameters, without dropout
``{"do": "tune", "seconds": s}``    which of the framework's choices has the fastest step
``{"do": "memory"}``                the most bytes this process has held
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

resource: Any
try:
    import resource
except ImportError:  # as on Windows
    resource = None


class Spec:
    """What is to be trained: the numbers of the workload, its data, order and initial parameters."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.kind: str = message["kind"]
        """Which of the framework's ways to train: ``eager``, ``compile``, ``step``, ``scan``, …"""
        self.choice: str = message["choice"]
        """Which of the forms that way has, as :meth:`Framework.choices` names them; empty for the first."""
        self.threads: int = message["threads"]
        self.gpu: bool = message.get("gpu", False)
        """Whether it must run on a GPU."""
        self.workload: dict[str, Any] = message["workload"]
        with np.load(message["arrays"], allow_pickle=False) as held:
            self.data: list[NDArray[Any]] = [held[name] for name in sorted(held) if name.startswith("data")]
            self.parameters: list[NDArray[Any]] = [
                held[name] for name in sorted(held) if name.startswith("parameter")
            ]
            self.order: NDArray[np.int32] = held["order"]
            """The rows of each batch of an epoch, (batches, batch); every epoch has them in this order."""

    @property
    def network(self) -> str:
        """``mlp``, ``window``, ``ranking`` or ``cnn``."""
        return str(self.workload["network"])

    @property
    def sizes(self) -> dict[str, Any]:
        """The network's numbers by name."""
        return dict(self.workload["sizes"])

    @property
    def dropout(self) -> float:
        """The share of features that become 0."""
        return float(self.sizes.get("dropout", 0.0))

    @property
    def optimizer(self) -> str:
        """``sgd``, ``adam`` or ``adadelta``."""
        return str(self.workload["optimizer"])

    @property
    def options(self) -> dict[str, float]:
        """The optimizer's numbers: ``learning_rate``, ``beta1``, ``beta2``, ``rho``, ``epsilon``."""
        return dict(self.workload["options"])


class Trainer(Protocol):
    """One way to train one workload."""

    chunk: int
    """``run`` does a multiple of so many steps."""

    def run(self, steps: int) -> Any:
        """Train on the next ``steps`` batches and wait until that is done."""

    def losses(self, steps: int) -> list[float]:
        """Train on the first ``steps`` batches; the loss of each."""


class Framework(Protocol):
    """What a ``with_….py`` offers."""

    def version(self) -> str:
        """Import the framework, and say which it is."""

    def device(self, spec: Spec) -> tuple[str, int]:
        """What it runs on: ``CPU``, or a GPU's name; and how many of them there are."""

    def choices(self, spec: Spec) -> list[str]:
        """The forms of this way to train, of which the fastest is measured; the likeliest first."""

    def trainer(self, spec: Spec) -> Trainer:
        """From arrays in memory to a trainer that has run nothing yet."""


CPU = "CPU"


def one_of(name: str, count: int) -> str:
    """A device's name, and how many there are where it is not the only one.

    >>> one_of("H200", 1), one_of("H200", 8)
    ('H200', 'H200 (1 of 8)')
    """
    return name if count == 1 else f"{name} (1 of {count})"


def without_dropout(sizes: dict[str, Any]) -> dict[str, Any]:
    """The sizes of a network to be compared: every framework draws other masks."""
    return {**sizes, "dropout": 0.0} if "dropout" in sizes else sizes


def peak_memory() -> int | None:
    """The most memory this process has held, in bytes; None where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            held = next(line for line in status if line.startswith("VmHWM:"))
        return int(held.split()[1]) * 1024
    except (OSError, StopIteration):  # elsewhere than on Linux, where ru_maxrss may be what the parent held
        unit = 1 if sys.platform == "darwin" else 1024
        return None if resource is None else int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def keep_to(threads: int) -> None:
    """Confine this process to so many cores where the system can: the one limit that everything obeys."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-threads:])


class _Server:
    """What the commands do."""

    spec: Spec
    trainer: Trainer

    def __init__(self, framework: Framework) -> None:
        self.framework = framework

    def start(self, message: dict[str, Any]) -> dict[str, Any]:
        keep_to(message["spec"]["threads"])
        self.spec = Spec(message["spec"])
        version, (device, count) = self.framework.version(), self.framework.device(self.spec)
        if self.spec.gpu and device == CPU:
            raise RuntimeError(f"{version} finds no GPU")
        return {"version": version, "device": one_of(device, count)}

    def first(self, message: dict[str, Any]) -> dict[str, Any]:
        self.spec.choice = self.spec.choice or self.framework.choices(self.spec)[0]
        began = time.perf_counter()
        self.trainer = self.framework.trainer(self.spec)
        self.trainer.run(self.trainer.chunk)
        return {"seconds": time.perf_counter() - began, "chunk": self.trainer.chunk}

    def run(self, message: dict[str, Any]) -> dict[str, Any]:
        began, spent = time.perf_counter(), time.process_time()
        self.trainer.run(message["steps"])
        return {"seconds": time.perf_counter() - began, "processor": time.process_time() - spent}

    def losses(self, message: dict[str, Any]) -> dict[str, Any]:
        self.spec.workload["sizes"] = without_dropout(self.spec.sizes)
        self.spec.order = self.spec.order[: message["steps"]]
        return {"losses": self.framework.trainer(self.spec).losses(len(self.spec.order))}

    def tune(self, message: dict[str, Any]) -> dict[str, Any]:
        best: dict[str, float] = {}
        choices = self.framework.choices(self.spec)
        for choice in choices if len(choices) > 1 else []:
            self.spec.choice = choice
            try:
                best[choice] = self._best(message["seconds"])
            except Exception:  # a form that does not work here; if none does, that is told when one must
                traceback.print_exc()
        return {"choice": min(best, key=best.__getitem__, default=choices[0]), "seconds": best}

    def _best(self, seconds: float) -> float:
        """The shortest step in so many seconds."""
        trainer = self.framework.trainer(self.spec)
        trainer.run(trainer.chunk)
        times: list[float] = []
        began = time.perf_counter()
        while time.perf_counter() - began < seconds or len(times) < 3:
            since = time.perf_counter()
            trainer.run(trainer.chunk)
            times.append(time.perf_counter() - since)
        return min(times) / trainer.chunk

    def memory(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"bytes": peak_memory()}


def serve(framework: Framework) -> None:
    """Answer commands until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = _Server(framework)
    commands: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "import": server.start,
        "first": server.first,
        "run": server.run,
        "losses": server.losses,
        "tune": server.tune,
        "memory": server.memory,
    }
    for line in sys.stdin:
        message = json.loads(line)
        try:
            answer = commands[message["do"]](message)
        except ImportError as error:
            answer = {"missing": str(error)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    framework: Any = import_module(sys.argv[1])
    serve(framework)
