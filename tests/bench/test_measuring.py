"""The measuring processes: real ones, of this library and of a framework made for the purpose."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.bench import PEERS, WORKLOADS, Figure, Machine, Plan, Way, Workload, measure, own, probe
from chainrule.bench.measuring import PEERS_SCRIPT
from chainrule.bench.ours import first_losses, version
from chainrule.errors import ChainruleError

TINY = replace(
    WORKLOADS["mlp16"], name="tiny", sizes={"dimensions": [4, 3, 2], "activation": "tanh"}, batch=2, batches=3
)
PLAN = Plan((1,), rounds=2, seconds=0.01)

#: A framework: it says right losses or wrong ones, is fast or slow, is missing, fails, or ends its process.
FAKE = """
    import os, time

    def version():
        if os.environ["FAKE"] == "missing":
            raise ImportError("No module named 'fake'")
        return "fake 1.0"

    def device(spec):
        there = os.environ.get("CUDA_VISIBLE_DEVICES") != "" and os.environ["FAKE"] != "gpuless"
        return ("Fake 9000", 2) if there else ("CPU", 1)

    def choices(spec):
        return ["slow", "fast", "broken"] if os.environ["FAKE"] == "tuned" else [""]

    def trainer(spec):
        if "broken" in (os.environ["FAKE"], spec.choice):
            raise ValueError("cannot train this\\nand that is a long story")
        if os.environ["FAKE"] == "dies":
            print("a last word", flush=True)
            os._exit(3)
        return Trainer(spec)

    class Trainer:
        chunk = 2

        def __init__(self, spec):
            self.runs, self.pause = 0, 0.01 if spec.choice == "slow" else 0.001

        def run(self, steps):
            self.runs += 1
            if os.environ["FAKE"] == "tires" and self.runs > 12:
                raise ValueError("no more of this")
            print("a framework may write what it likes to the standard output")
            time.sleep(self.pause * steps)
            return steps

        def losses(self, steps):
            return [float(loss) for loss in os.environ["LOSSES"].split()][:steps]
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    (tmp_path / "with_fake.py").write_text(dedent(FAKE), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    right = first_losses(TINY, [variable.array for variable in TINY.model().parameters()], 3)
    monkeypatch.setenv("LOSSES", " ".join(map(str, right)))
    monkeypatch.setenv("FAKE", "well")
    return Way("fake way", "fake", "way", (str(PEERS_SCRIPT), "with_fake"))


def quiet(text: str) -> None:
    """Say nothing."""


def test_ours_and_a_peer_are_measured_in_turns(fake: Way) -> None:
    said: list[str] = []
    ours, peer = measure(TINY, [own("stepper"), fake], PLAN, said.append)
    for figure in (ours, peer):
        assert (figure.problem, figure.agrees, len(figure.rounds)) == ("", True, 2)
        assert figure.best == min(figure.rounds) <= figure.step
        assert figure.cold > 0
        assert figure.processor >= 0
        assert figure.warm > 0
        assert figure.memory is None or figure.memory > 1 << 20
    if sys.platform == "linux":  # a process that holds little more than NumPy, started by one that holds much
        assert peer.memory is not None
        assert peer.memory < 70 << 20
    assert (ours.way, ours.workload, ours.threads, ours.version[:9]) == (
        "chainrule stepper",
        "tiny",
        1,
        "chainrule",
    )
    assert (peer.way, peer.version, peer.device, ours.device) == ("fake way", "fake 1.0", "CPU", "CPU")
    assert said == [
        "tiny: chainrule stepper, 1 thread",
        "tiny: fake way, 1 thread",
        "round 1 of 2",
        "round 2 of 2",
    ]


def test_the_faster_form_is_the_one_measured(fake: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE", "tuned")
    (figure,) = measure(TINY, [fake], PLAN, quiet)
    assert figure.choice == "fast"


def test_all_of_it_runs_on_a_gpu_or_is_not_measured(fake: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    plan = replace(PLAN, gpu=True)
    there, ours = measure(TINY, [fake, own("stepper")], plan, quiet)
    assert (there.device, there.problem, there.agrees) == ("Fake 9000 (1 of 2)", "", True)
    assert ours.problem == f"RuntimeError: {version()} finds no GPU"
    monkeypatch.setenv("FAKE", "gpuless")
    (none,) = measure(TINY, [fake], plan, quiet)
    assert (none.problem, none.rounds) == ("RuntimeError: fake 1.0 finds no GPU", [])


def test_other_losses_are_noticed(fake: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSES", "0.7 0.7 0.7")
    (figure,) = measure(TINY, [fake], PLAN, quiet)
    assert figure.agrees is False
    assert figure.losses == [0.7, 0.7, 0.7]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("missing", "not installed: No module named 'fake'"),
        ("broken", "ValueError: cannot train this"),
        ("dies", "the process ended with 3: a last word"),
    ],
)
def test_a_peer_that_fails_is_said_and_the_others_are_measured(
    fake: Way, monkeypatch: pytest.MonkeyPatch, state: str, problem: str
) -> None:
    monkeypatch.setenv("FAKE", state)
    figure, again = measure(TINY, [fake, fake], PLAN, quiet)
    assert (figure.problem, again.problem) == (problem, problem)
    assert (figure.rounds, figure.agrees) == ([], None)


def test_a_peer_that_fails_between_rounds_is_said(fake: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE", "tires")
    tired, ours = measure(TINY, [fake, own("stepper")], replace(PLAN, rounds=12), quiet)
    assert (tired.problem, ours.problem, len(ours.rounds)) == ("ValueError: no more of this", "", 12)
    assert 0 < len(tired.rounds) < 12


def test_an_interpreter_that_is_not_there() -> None:
    plan = replace(PLAN, pythons={"chainrule": "/no/such/python"})
    (figure,) = measure(TINY, [own("stepper")], plan, quiet)
    assert figure.problem.startswith("/no/such/python cannot be started")


def test_an_engine_that_is_not_there() -> None:
    (figure,) = measure(TINY, [own("steam")], PLAN, quiet)
    assert figure.problem == "ArgumentError: there is no engine 'steam'"


def test_a_way_is_measured_on_the_networks_that_it_is_for(fake: Way) -> None:
    assert measure(TINY, [replace(fake, only=("cnn",))], PLAN, quiet) == []


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_way_of_a_peer_has_a_form_for_every_workload(name: str) -> None:
    """Which the files say without their frameworks."""
    workload: Workload = WORKLOADS[name]
    for way in PEERS:
        for gpu in (False, True):
            network, optimizer = workload.network, workload.optimizer
            spec = SimpleNamespace(kind=way.kind, network=network, optimizer=optimizer, gpu=gpu)
            forms = import_module(f"chainrule.bench.peers.{way.script[1]}").choices(spec)
            assert forms
            assert len(set(forms)) == len(forms)


def test_the_first_losses_are_those_of_training_without_dropout() -> None:
    sizes = {
        "words": 9,
        "width": 2,
        "window": 4,
        "filters": 2,
        "filter_sizes": [2],
        "classes": 2,
        "dropout": 0.5,
    }
    small = replace(WORKLOADS["cnn"], sizes=sizes, batch=2, batches=2)
    parameters = [np.zeros_like(variable.array) for variable in small.model().parameters()]
    losses = first_losses(small, parameters, 1)
    assert losses == pytest.approx([np.log(2)])
    assert small.sizes["dropout"] == 0.5


def test_the_machine_is_measured() -> None:
    found = probe(1, [1 << 16, 1 << 22], cores=[""], seconds=0.02)
    assert (found.threads, list(found.bandwidth)) == (1, [1 << 16, 1 << 22])
    assert found.flops > 1e8
    assert min(found.bandwidth.values()) > 1e8


def test_a_kind_of_processor_that_ends_the_process_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def ran(command: list[str], *, env: dict[str, str], **more: object) -> SimpleNamespace:
        core, sizes = env.get("OPENBLAS_CORETYPE", ""), command[4:]
        speed = {"": 1e9, "Zen": 3e9, "Haswell": 2e9}
        found = {"flops": speed.get(core), "bandwidth": dict.fromkeys(sizes, 5e9)}
        return SimpleNamespace(returncode=0 if core in speed else -4, stdout=json.dumps(found))

    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr("chainrule.bench.roofline.subprocess.run", ran)
    assert probe(2, [8, 16]) == Machine(2, 3e9, {8: 5e9, 16: 5e9}, "Zen")
    with pytest.raises(ChainruleError, match="could not be measured"):
        probe(2, [8], cores=["SkylakeX"])


def test_the_better_of_two_measurements() -> None:
    first, second = Machine(1, 5.0, {8: 1.0, 16: 4.0}, "Zen"), Machine(1, 6.0, {8: 2.0}, "")
    assert first.or_better(second) == second.or_better(first) == Machine(1, 6.0, {8: 2.0, 16: 4.0}, "")


def test_figures_start_without_anything_measured() -> None:
    figure = Figure("tiny", "fake way", 1)
    assert np.isnan([figure.step, figure.best, figure.cold, figure.warm]).all()
