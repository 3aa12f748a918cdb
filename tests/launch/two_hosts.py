"""Two hosts made of network namespaces, a training job on them, and what can befall it.

Needs Linux, root, and ``ip``; :func:`refused` says what is missing.  Also used by ``benchmarks/faults.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

import chainrule
from chainrule.train import RunFolder

PORT = 5471
HEARTBEAT = 4.0
OPTIONS = ("--heartbeat", "4", "--grace", "2", "--wait", "90", "--watchdog", "60")
SETTINGS = (
    "training.epochs=3", "training.batch=64", "training.checkpoint_seconds=0.3", "training.invariants=false",
    "training.patience=0", "model.history=0", "model.width=16", "model.hidden=32", "ngram_order=0",
)  # fmt: skip
_MARK = "CHAINRULE_TEST_JOB"


def _ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True)


def refused() -> str:
    """Why no namespaces can be made here; empty where they can."""
    if not sys.platform.startswith("linux") or shutil.which("ip") is None:
        return "network namespaces need Linux and the command ip (the package iproute2)"
    name = f"crtry{os.getpid()}"
    made = _ip("netns", "add", name)
    if made.returncode:
        return f"network namespaces may not be made here (root may): {made.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


def corpus(folder: Path, sentences: int = 6000) -> Path:
    """A small folder of sentences whose next words can be learnt a little."""
    drawn = random.Random(0)
    words = ["the", "a", "cat", "dog", "bird", "sees", "hears", "likes", "small", "big", "red", "and", "then"]
    folder.mkdir()
    for name, count in (("train", sentences), ("valid", 100), ("test", 100)):
        lines = (" ".join(drawn.choices(words, k=12)) + " ." for _ in range(count))
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def command(text: Path, out: Path | str, *more: str) -> list[str]:
    """The training that all of this is about."""
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return ["train", "lm", "--data", str(text), "--out", str(out), *settings, *more]


def environment(cache: Path) -> dict[str, str]:
    """Of supervisors: what is compiled once is kept, as generations would else spend their time on it."""
    return {
        **os.environ,
        "PYTHONPATH": str(Path(chainrule.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "JAX_NUM_CPU_DEVICES": "1",  # whatever other tests of this process wanted
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


@dataclass
class Process:
    """A worker that runs."""

    number: int
    generation: int
    rank: int
    progress: Path


def processes(mark: str) -> list[int]:
    """All processes that were started on behalf of a job, in whatever way."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                if f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def workers(mark: str) -> list[Process]:
    """The workers of a job that run."""
    found = []
    for number in processes(mark):
        with contextlib.suppress(OSError):
            entries = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
            places = [e.partition(b"=")[2] for e in entries if e.startswith(b"CHAINRULE_PROCESS=")]
            if places:
                place = json.loads(places[0])
                progress = Path(place["progress"])
                found.append(Process(number, place["generation"], place["index"], progress))
    return found


@dataclass
class Hosts:
    """Two namespaces with a wire between them; a supervisor in each."""

    folder: Path
    mark: str = field(default_factory=lambda: os.urandom(6).hex())
    supervisors: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Hosts:
        self.names = [f"cr{self.mark[:6]}{host}" for host in "ab"]
        wires = [f"v{self.mark[:6]}{host}" for host in "ab"]
        self._steps(["netns", "add", name] for name in self.names)
        a, b = self.names
        self._steps(
            [["link", "add", wires[0], "netns", a, "type", "veth", "peer", "name", wires[1], "netns", b]]
        )
        for name, wire, address in zip(self.names, wires, ("10.77.0.1", "10.77.0.2"), strict=True):
            self._steps(
                [
                    ["-n", name, "addr", "add", f"{address}/24", "dev", wire],
                    ["-n", name, "link", "set", "lo", "up"],
                    ["-n", name, "link", "set", wire, "up"],
                ]
            )
        self._wire = wires[1]
        return self

    def _steps(self, steps: Any) -> None:
        for words in steps:
            done = _ip(*words)
            assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"

    def __exit__(self, *_: object) -> None:
        for supervisor in self.supervisors:
            supervisor.kill()
            supervisor.wait()
        for name in self.names:
            _ip("netns", "del", name)

    def start(self, text: Path, cache: Path, *options: str) -> None:
        """The job, on both hosts; each has a disk of its own."""
        for host in (0, 1):
            home = self.folder / f"host{host}"
            home.mkdir()
            words = ["launch", "--coordinator", f"10.77.0.1:{PORT}", "--hosts", "2", "--host", str(host)]
            with open(home / "screen", "wb") as screen:
                self.supervisors.append(
                    subprocess.Popen(
                        ["ip", "netns", "exec", self.names[host], sys.executable, "-m", "chainrule",
                         *words, *OPTIONS, *options, "--", *command(text, "run")],
                        stdout=screen, stderr=screen, cwd=home,
                        env={**environment(cache), _MARK: self.mark},
                    )
                )  # fmt: skip

    def link(self, up: bool) -> None:
        """Plug the wire in, or pull it out."""
        self._steps([["-n", self.names[1], "link", "set", self._wire, "up" if up else "down"]])

    @property
    def run(self) -> Path:
        """The run folder, which is on host 0."""
        return self.folder / "host0" / "run"

    def screen(self, host: int) -> str:
        return (self.folder / f"host{host}" / "screen").read_text(errors="replace")

    def until(self, condition: Callable[[], Any], what: str, patience: float = 180.0) -> Any:
        """Wait for something; an error with all that was said where it does not come."""
        end = time.monotonic() + patience
        while not (found := condition()):
            dead = [supervisor.poll() for supervisor in self.supervisors]
            if time.monotonic() > end or (None not in dead and not condition()):
                raise AssertionError(f"{what}: no\n{self.screen(0)}\n--- host 1\n{self.screen(1)}")
            time.sleep(0.005)
        return found

    # -- what can be seen of training ----------------------------------------------------------------

    def saved(self) -> int:
        """How many batches the last checkpoint has behind it."""
        folder = RunFolder(self.run)
        if not folder.has_state:
            return 0
        position = folder.load_state()[2]["position"]
        return self._batches(position["epoch"], position["batch"])

    def shown(self, generation: int) -> int | None:
        """How far rank 0 says it is; None before it trains."""
        for process in workers(self.mark):
            if process.rank == 0 and process.generation == generation:
                with contextlib.suppress(OSError):
                    words = process.progress.read_text().replace(",", "").split()
                    if words[:1] == ["epoch"]:
                        return self._batches(int(words[1]) - 1, int(words[3]))
        return None

    def _batches(self, epoch: int, batch: int) -> int:
        return epoch * 1_000_000 + batch  # in the order of training, whatever the epoch's length

    def worker(self, rank: int) -> int:
        return next(process.number for process in workers(self.mark) if process.rank == rank)

    # -- what can befall it --------------------------------------------------------------------------

    def kill_worker(self) -> None:
        os.kill(self.worker(1), signal.SIGKILL)

    def stop_worker(self) -> None:
        os.kill(self.worker(1), signal.SIGSTOP)

    def kill_coordinator(self) -> None:
        os.kill(self.worker(0), signal.SIGKILL)

    def stop_coordinator(self) -> None:
        os.kill(self.worker(0), signal.SIGSTOP)

    def cut_link(self) -> None:
        """Down until both sides have noticed and ended their workers; then up again."""
        self.link(up=False)
        self.until(lambda: not workers(self.mark), "workers end on both sides of a link that is down", 60)
        self.link(up=True)


FAULTS: dict[str, Callable[[Hosts], None]] = {
    "a worker killed": Hosts.kill_worker,
    "a worker stopped": Hosts.stop_worker,
    "the link down and up": Hosts.cut_link,
    "the coordinator killed": Hosts.kill_coordinator,
    "the coordinator stopped": Hosts.stop_coordinator,
}


@dataclass
class Story:
    """What became of one fault."""

    fault: str
    saved: int
    """The checkpoint that was there when all had ended."""
    resumed: int
    """The first that was seen of training after it."""
    seconds: float
    """From the fault to training again."""


def befall(hosts: Hosts, fault: str, generation: int) -> Story:
    """Wait for a checkpoint of this generation, let the fault happen, and wait for training to go on."""
    first = hosts.until(lambda: hosts.shown(generation), f"generation {generation} trains")
    hosts.until(lambda: hosts.saved() > first + 20, f"generation {generation} saves its state")
    began = time.monotonic()
    FAULTS[fault](hosts)

    def next_generation() -> bool:
        return any(process.generation > generation for process in workers(hosts.mark))

    hosts.until(next_generation, f"another start after {fault}")
    saved = hosts.saved()
    resumed = hosts.until(lambda: hosts.shown(generation + 1), f"training goes on after {fault}")
    return Story(fault, saved, resumed, time.monotonic() - began)


def finish(hosts: Hosts, patience: float = 300.0) -> list[int]:
    """The exit codes of both supervisors, after which no process of the job may be left."""
    codes = [supervisor.wait(timeout=patience) for supervisor in hosts.supervisors]
    end = time.monotonic() + 5
    while processes(hosts.mark) and time.monotonic() < end:
        time.sleep(0.05)
    return codes


def weights(run: Path) -> dict[str, NDArray[np.float32]]:
    """What was learnt."""
    return dict(load_file(run / "model.safetensors"))


def uninterrupted(folder: Path, text: Path, cache: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of two processes on one host that nothing befalls."""
    words = ["launch", "--processes", "2", "--", *command(text, folder / "undisturbed")]
    subprocess.run([sys.executable, "-m", "chainrule", *words], env=environment(cache), check=True,
                   capture_output=True, cwd=folder)  # fmt: skip
    return weights(folder / "undisturbed")
