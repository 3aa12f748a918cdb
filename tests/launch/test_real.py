"""Real training by several processes: on one host, and on two in network namespaces that faults befall."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from . import two_hosts
from .two_hosts import FAULTS, Hosts, befall, command, environment, finish, processes, uninterrupted, weights

pytestmark = pytest.mark.xla


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_hosts.corpus(tmp_path_factory.mktemp("text") / "corpus")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, text: Path, cache: Path) -> dict[str, Any]:
    return uninterrupted(tmp_path_factory.mktemp("undisturbed"), text, cache)


@pytest.fixture
def hosts(tmp_path: Path) -> Any:
    if why := two_hosts.refused():
        pytest.skip(why)  # said at the end of the run: not everybody may make hosts
    with Hosts(tmp_path) as made:
        yield made


def same(run: Path, expected: dict[str, Any]) -> None:
    found = weights(run)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


def launched(*words: str, cache: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chainrule", "launch", *words],
        env=environment(cache), cwd=folder, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def test_two_processes_learn_what_one_learns(
    text: Path, undisturbed: Any, cache: Path, tmp_path: Path
) -> None:
    one = subprocess.run(
        [sys.executable, "-m", "chainrule", *command(text, tmp_path / "one", "--engine", "xla")],
        env=environment(cache), capture_output=True,
    )  # fmt: skip
    assert one.returncode == 0
    alone = weights(tmp_path / "one")
    for name, array in undisturbed.items():
        np.testing.assert_allclose(array, alone[name], atol=1e-5, err_msg=name)


def test_results_are_the_standard_output(text: Path, cache: Path, tmp_path: Path) -> None:
    more = ("--json", "--set", "training.epochs=1", "--set", "data.max_size=8")
    done = launched("--processes", "2", "--", *command(text, "run", *more), cache=cache, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == "run"


def test_errors_of_users_are_told_once_and_not_tried_again(text: Path, cache: Path, tmp_path: Path) -> None:
    done = launched(
        "--processes", "2", "--", "train", "lm", "--data", "missing", cache=cache, folder=tmp_path
    )
    assert done.returncode == 3
    assert done.stderr.count("no such file") == 1
    assert "generation 1" not in done.stderr
    assert not (tmp_path / "runs" / "lm-1").exists()


def test_ctrl_c_saves_the_state_and_launching_again_goes_on(
    text: Path, undisturbed: Any, cache: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "chainrule", "launch", "--processes", "2", "--", *command(text, "run")]
    mark = os.urandom(6).hex()
    begun = subprocess.Popen(
        words, env={**environment(cache), "CHAINRULE_TEST_JOB": mark}, cwd=tmp_path, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    state = tmp_path / "run" / "state.safetensors"
    while not state.exists():
        assert begun.poll() is None
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=60)
    assert begun.returncode == 130, said
    assert "the state is saved" in said
    assert processes(mark) == []
    again = subprocess.run(words, env=environment(cache), cwd=tmp_path, capture_output=True, timeout=240)
    assert again.returncode == 0
    same(tmp_path / "run", undisturbed)


def test_a_job_survives_all_faults(hosts: Hosts, text: Path, undisturbed: Any, cache: Path) -> None:
    """One after the other in one run, which ends with the bits of the run that nothing befell."""
    hosts.start(text, cache)
    for generation, fault in enumerate(FAULTS):
        story = befall(hosts, fault, generation)
        assert story.resumed > story.saved > 0, story  # no step lost beyond the last checkpoint
    assert finish(hosts) == [0, 0], hosts.screen(0) + hosts.screen(1)
    assert processes(hosts.mark) == []
    same(hosts.run, undisturbed)
    for host in (0, 1):
        assert f"(restart {len(FAULTS)} of 10)" in hosts.screen(host)


def test_a_link_that_stays_down_is_told_on_both_sides(hosts: Hosts, text: Path, cache: Path) -> None:
    hosts.start(text, cache, "--wait", "5")
    hosts.until(lambda: hosts.shown(0), "training begins")
    hosts.link(up=False)
    assert finish(hosts, 60) == [1, 1]
    assert "host 1 did not come back within 5.0 s" in hosts.screen(0)
    assert "host 0 was not reached within 5.0 s" in hosts.screen(1)
    assert processes(hosts.mark) == []
