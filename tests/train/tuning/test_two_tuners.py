"""Two tuners on one study, one killed at any moment: no trial is lost, none is run twice to its end."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from chainrule.train import RunFolder
from chainrule.train.tuning import TrialRecord

from .studies import toy_study

_TUNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import studies
from chainrule.train.tuning import SilentDisplay, Tuner

folder, trials, epochs, pause = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
study = studies.toy_study(studies.Path(folder), trials=trials, pruning=False, epochs=epochs)

def hook(config, epoch):
    with open(f"{folder}.epochs", "a", encoding="ascii") as log:
        log.write("an epoch\\n")
    time.sleep(pause)

Tuner(study, studies.Toy(hook), SilentDisplay(), heartbeat=0.2).work()
"""
"""A tuner as a process of its own.  It writes a line for each epoch that it trains to ``FOLDER.epochs``."""


def tuner(folder: Path, trials: int, epochs: int, pause: float) -> subprocess.Popen[bytes]:
    arguments = map(str, (Path(__file__).parent, folder, trials, epochs, pause))
    return subprocess.Popen([sys.executable, "-W", "error", "-c", _TUNER, *arguments])


def begun(folder: Path, one: subprocess.Popen[bytes], other: subprocess.Popen[bytes], epochs: int) -> None:
    """Wait until so many epochs were trained."""
    log = Path(f"{folder}.epochs")
    while one.poll() is None or other.poll() is None:
        if log.exists() and len(log.read_text(encoding="ascii").splitlines()) >= epochs:
            return
        time.sleep(0.005)


def check(folder: Path, trials: int, epochs: int, deaths: int) -> list[TrialRecord]:
    """Every trial came to its end once, trained each of its epochs, and those it had before it once only."""
    records = toy_study(folder).records()
    done = [record for record in records if record.state == "complete"]
    assert len(done) == trials
    assert len([record for record in records if record.goes_on_from is None]) == trials
    stopped = [record for record in records if record.state == "interrupted"]
    assert len(stopped) == len(records) - trials <= deaths
    ended = Counter(record.number for record in done)
    for record in stopped:
        assert record.gone_on_as is not None
        successor = next(other for other in records if other.number == record.gone_on_as)
        # One that was killed while its parameters were drawn has but some of them, or none.
        assert record.params.items() <= successor.params.items()
        assert set(record.scores.items()) <= set(successor.scores.items())
    assert set(ended.values()) == {1}
    for record in done:
        assert list(record.scores) == list(range(1, epochs + 1))
        metrics = RunFolder(folder / "trials" / f"{record.number:04d}").metrics()
        assert [line["epoch"] for line in metrics] == list(range(1, epochs + 1))
    assert len(list((folder / "trials").iterdir())) == trials
    lines = Path(f"{folder}.epochs").read_text(encoding="ascii").splitlines()
    # What a kill may cost is the epoch at hand, or the line that tells of it.
    assert abs(len(lines) - trials * epochs) <= deaths
    return records


def test_one_of_two_tuners_is_killed(tmp_path: Path) -> None:
    folder, trials, epochs = tmp_path / "study", 4, 5
    tuners = [tuner(folder, trials, epochs, 0.1) for _ in range(2)]
    begun(folder, *tuners, epochs=6)
    tuners[0].kill()
    tuners[0].wait()
    assert tuners[1].wait(timeout=60) == 0
    records = check(folder, trials, epochs, deaths=1)
    assert len(records) in (trials, trials + 1)


def test_both_tuners_are_killed_and_another_comes(tmp_path: Path) -> None:
    folder, trials, epochs = tmp_path / "study", 3, 4
    tuners = [tuner(folder, trials, epochs, 0.1) for _ in range(2)]
    begun(folder, *tuners, epochs=3)
    for killed in tuners:
        killed.kill()
        killed.wait()
    assert tuner(folder, trials, epochs, 0.0).wait(timeout=60) == 0
    records = check(folder, trials, epochs, deaths=2)
    assert [record.state for record in records].count("interrupted") in (1, 2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_tuners_are_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    chance, folder, trials, epochs = random.Random(seed), tmp_path / "study", 12, 6
    tuners = [tuner(folder, trials, epochs, 0.02) for _ in range(3)]
    deaths = 0
    while deaths < 6 and any(one.poll() is None for one in tuners):
        time.sleep(chance.uniform(0.3, 1.5))
        place = chance.randrange(3)
        if tuners[place].poll() is None:
            tuners[place].kill()
            tuners[place].wait()
            deaths += 1
            tuners[place] = tuner(folder, trials, epochs, 0.02)
    assert [one.wait(timeout=120) for one in tuners] == [0, 0, 0]
    check(folder, trials, epochs, deaths)
