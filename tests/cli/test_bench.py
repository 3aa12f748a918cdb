"""chainrule bench, on a network so small that it takes a moment."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chainrule.bench import LARGE, PEERS, WORKLOADS, Machine
from chainrule.cli.bench import _peers, _thread_counts

from .conftest import Run

QUICK = ("--rounds", "2", "--seconds", "0.01", "--threads", "1")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first workload a hundredth of its size; a machine of round numbers."""
    sizes = {"dimensions": [8, 4, 2], "activation": "tanh"}
    monkeypatch.setitem(WORKLOADS, "mlp16", replace(WORKLOADS["mlp16"], sizes=sizes, batch=2, batches=3))
    known = {"flops": 1e9, "core": ""}

    def probe(threads: int, sizes: list[int], **more: Any) -> Machine:
        return Machine(threads, bandwidth=dict.fromkeys(sizes, 1e9), **known)

    monkeypatch.setattr("chainrule.cli.bench.probe", probe)


def test_a_table_for_people(run: Run) -> None:
    ran = run("bench", "-w", "mlp16", "--no-peers", "--engine", "stepper", *QUICK)
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0].startswith("mlp16: ")
    assert (
        " ".join(lines[1].split())
        == "way threads device µs a step × ours roofline µs CPU cold s warm s MB form"
    )
    assert lines[3].split()[:4] == ["chainrule", "stepper", "1", "CPU"]
    assert lines[3].split()[5] == "1.00"
    assert "What a step cannot go below" in ran.out
    assert "round 2 of 2" in ran.err


def test_one_object_for_machines_and_a_page(run: Run) -> None:
    ran = run(
        "bench", "-w", "mlp16", "--no-peers", "--engine", "stepper", *QUICK, "--json", "--write", "page.md"
    )
    found = json.loads(ran.out)
    (figure,) = found["figures"]
    assert ran.code == 0
    assert (figure["way"], figure["threads"], figure["agrees"], figure["ratio"]) == (
        "chainrule stepper",
        1,
        True,
        1.0,
    )
    work = found["workloads"][0]
    assert figure["roofline"] == pytest.approx(max(work["flops"], work["bytes"]) / 1e9 / figure["step"])
    assert len(figure["rounds"]) == 2
    assert "| chainrule stepper | 1 |" in Path("page.md").read_text(encoding="utf-8")


def test_a_peer_that_is_not_there_is_said_and_no_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.cli.bench.importlib.util.find_spec", lambda name: None)
    options = ("--peer", "torch", "--peer", "jax", "--python", "torch=/no/such/python", "--engine", "stepper")
    ran = run("bench", "-w", "mlp16", *options, *QUICK, "--json")
    found = json.loads(ran.out)
    assert ran.code == 0
    assert "torch is left out: /no/such/python cannot be started: No such file or directory\n" in ran.err
    assert "jax is left out: not installed here; --python jax=PATH names another interpreter\n" in ran.err
    assert list(found["not_measured"]) == ["torch", "jax"]
    assert len(found["figures"]) == 1


def test_losses_that_differ_are_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.bench.measuring.first_losses", lambda *given: [0.0, 0.0, 0.0])
    ran = run("bench", "-w", "mlp16", "--no-peers", "--engine", "stepper", *QUICK)
    assert ran.code == 1
    assert "OTHER LOSSES: not the same network" in ran.out
    assert "mlp16, chainrule stepper, 1 threads: its first losses are not those of the stepper" in ran.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-w", "mpl16"], "error: there is no workload 'mpl16'\n  mend:  did you mean mlp16"),
        (["--engine", "steper"], "error: there is no engine 'steper'\n  mend:  did you mean stepper?"),
        (["--peer", "pytorch"], "error: there is no peer 'pytorch'\n  mend:  did you mean torch"),
        (["--python", "torch"], "error: --python torch: give a framework and a path"),
        (["--python", "torhc=/usr/bin/python3"], "error: there is no peer 'torhc'"),
        (["--threads", "two"], "error: --threads two: give numbers"),
        (["--threads", "0"], "error: --threads 0: this process may use 1 to "),
        (["--threads", "1,100000"], "error: --threads 1,100000: this process may use 1 to "),
        (["--rounds", "0"], "error: invalid value for '--rounds'"),
        (["--seconds", "nan"], "error: invalid value for '--seconds'"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], text: str) -> None:
    ran = run("bench", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(text)


def test_a_page_that_cannot_be_written_is_said_before_anything_is_measured(run: Run) -> None:
    Path("notes.md").write_text("mine", encoding="utf-8")
    ran = run("bench", "--no-peers", "--write", "notes.md")
    assert (ran.code, ran.out) == (3, "")
    assert "the file has no place for the figures" in ran.err
    assert Path("notes.md").read_text(encoding="utf-8") == "mine"


def test_peers_are_named_by_framework_or_by_way() -> None:
    names = [way.name for way in _peers(["torch eager", "jax"])]
    assert names == ["torch eager", "jax step", "jax scan", "jax rows"]
    assert _peers([]) == list(PEERS)


def test_thread_counts_are_one_and_all_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.cli.bench.cores", lambda: 4)
    assert (_thread_counts(None), _thread_counts("3,1,3")) == ((1, 4), (3, 1))
    monkeypatch.setattr("chainrule.cli.bench.cores", lambda: 1)
    assert _thread_counts(None) == (1,)


def test_without_a_gpu_nothing_is_measured_on_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.cli.bench.ON_GPU", ("mlp16",))
    ran = run("bench", "--gpu", "--engine", "stepper", "--no-peers", "--rounds", "1", "--seconds", "0.01")
    assert ran.code == 1
    assert "finds no GPU" in ran.err
    assert "What a step cannot go below" not in ran.out, "the processor's roofline is not the GPU's"


def test_the_large_workload_is_run_by_name_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = LARGE["lm32k"].sizes | {"words": 30, "classes": 30, "width": 4, "hidden": 3}
    monkeypatch.setitem(LARGE, "lm32k", replace(LARGE["lm32k"], sizes=sizes, batch=2, batches=2))
    for name in list(WORKLOADS)[1:]:
        monkeypatch.delitem(WORKLOADS, name)
    options = ("--no-peers", "--engine", "stepper", *QUICK, "--json")
    assert [f["workload"] for f in json.loads(run("bench", *options).out)["figures"]] == ["mlp16"]
    found = json.loads(run("bench", "-w", "lm32k", *options).out)
    assert [(f["workload"], f["device"], f["agrees"]) for f in found["figures"]] == [("lm32k", "CPU", True)]
    assert "32,000 words" in found["workloads"][0]["about"]
