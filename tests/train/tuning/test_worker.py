"""One tuner: its trials, their scores, what it does about bad ones, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chainrule.errors import DataError, NonFiniteError, RunFolderError, TuningError
from chainrule.train import RunFolder
from chainrule.train.configuration import resolve
from chainrule.train.tuning.ledger import REASON

from .studies import Config, Notes, Toy, loss_of, toy_study, tune


def test_each_trial_is_a_run_of_its_own(tmp_path: Path) -> None:
    study = toy_study(tmp_path, trials=4, pruning=False)
    toy = tune(study)
    assert toy.ran == [(f"{number:04d}", [1, 2, 3, 4], False) for number in range(4)]
    records = study.records()
    assert [(record.number, record.state) for record in records] == [(n, "complete") for n in range(4)]
    assert records[0].params == {"model.width": 1.0, "model.depth": 2}, "first the configuration as it is"
    for record in records:
        folder = RunFolder(tmp_path / "trials" / f"{record.number:04d}")
        tree = folder.config()
        assert tree["model"]["width"] == record.params["model.width"]
        assert tree["linear_epochs"] == 0, "no comparison with each trial"
        losses = [line["validation_loss"] for line in folder.metrics()]
        assert record.value == min(losses)
        assert list(record.scores.values()) == losses
    best = study.best()
    assert best is not None
    assert best.value == min(record.value for record in records if record.value is not None)


def test_the_best_configuration_is_whole(tmp_path: Path) -> None:
    study = toy_study(tmp_path, trials=6)
    assert study.best_toml() == ""
    tune(study)
    study.write({"best.toml": study.best_toml})
    config: Any = resolve(Config, file=tmp_path / "best.toml", task="toy")
    best = study.best()
    assert best is not None
    assert (config.model.width, config.model.depth) == tuple(best.params.values())
    assert config.linear_epochs == 7, "comparisons are as they were asked for"
    assert best.value == loss_of(config, 4)


def test_a_study_comes_out_the_same_however_often_it_is_interrupted(tmp_path: Path) -> None:
    def outcome(folder: Path, stops: tuple[tuple[int, int], ...]) -> list[Any]:
        waiting = list(stops)

        def hook(config: Any, epoch: int) -> None:
            if waiting and (len(toy.ran), epoch) == waiting[0]:
                waiting.pop(0)
                raise KeyboardInterrupt

        toy = Toy(hook)
        for _ in range(len(stops)):
            with pytest.raises(KeyboardInterrupt):
                tune(toy_study(folder, trials=12, seed=3), toy)
        tune(toy_study(folder, trials=12, seed=3), toy)
        assert not waiting
        done = [r for r in toy_study(folder).records() if r.state in ("complete", "pruned")]
        return [(record.state, record.value, record.params, record.scores) for record in done]

    # Stopped before there is anything to learn from: the numbers of later trials decide what these draw.
    whole = outcome(tmp_path / "whole", ())
    assert len(whole) == 12
    assert outcome(tmp_path / "again", ()) == whole
    first = outcome(tmp_path / "stopped", ((1, 2),))
    assert first[0] == whole[0]
    assert len(first) == 12


def test_an_interrupted_trial_goes_on_from_its_last_epoch(tmp_path: Path) -> None:
    def hook(config: Any, epoch: int) -> None:
        if len(toy.ran) == 2 and epoch == 3:
            raise KeyboardInterrupt

    toy, notes = Toy(hook), Notes()
    with pytest.raises(KeyboardInterrupt):
        tune(toy_study(tmp_path, trials=3), toy)
    tune(toy_study(tmp_path), toy, notes)
    assert toy.ran == [
        ("0000", [1, 2, 3, 4], False),
        ("0001", [1, 2, 3], False),
        ("0002", [4], True),
        ("0003", [1, 2, 3, 4], False),
    ]
    records = toy_study(tmp_path).records()
    assert [record.state for record in records] == ["complete", "interrupted", "complete", "complete"]
    assert (records[1].gone_on_as, records[2].goes_on_from) == (2, 1)
    assert records[1].params == records[2].params
    assert list(records[2].scores) == [1, 2, 3, 4]
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == ["0000", "0002", "0003"]


def test_the_first_trial_may_be_interrupted_before_its_first_epoch(tmp_path: Path) -> None:
    def hook(config: Any, epoch: int) -> None:
        if len(toy.ran) == 1:
            raise KeyboardInterrupt

    toy = Toy(hook)
    with pytest.raises(KeyboardInterrupt):
        tune(toy_study(tmp_path, trials=1), toy)
    study = toy_study(tmp_path)
    tune(study, toy)
    assert [(r.state, r.params) for r in study.records()] == [
        ("interrupted", {"model.width": 1.0, "model.depth": 2}),
        ("complete", {"model.width": 1.0, "model.depth": 2}),
    ]


def test_bad_trials_are_given_up_early(tmp_path: Path) -> None:
    study = toy_study(tmp_path, trials=14, space=("model.width=0.01..100:log",))
    toy = tune(study)
    pruned = [record for record in study.records() if record.state == "pruned"]
    assert pruned
    assert all(len(record.scores) < 4 for record in pruned)
    assert all(record.number >= 5 for record in pruned)
    assert sum(len(epochs) for _, epochs, _ in toy.ran) == sum(len(r.scores) for r in study.records())
    whole = toy_study(tmp_path / "whole", trials=14, space=("model.width=0.01..100:log",), pruning=False)
    tune(whole)
    assert {record.state for record in whole.records()} == {"complete"}


def test_a_trial_that_diverges_is_not_the_end(tmp_path: Path) -> None:
    def hook(config: Any, epoch: int) -> None:
        if len(toy.ran) in (2, 4):
            raise NonFiniteError("the loss is NaN", where="step 3", mend="a smaller rate")

    toy, notes = Toy(hook), Notes()
    study = toy_study(tmp_path, trials=5)
    tune(study, toy, notes)
    records = study.records()
    states = [record.state for record in records]
    assert states == ["complete", "failed", "complete", "failed", "complete"]
    assert records[1].reason == "NonFiniteError: the loss is NaN"
    assert notes.states == list(enumerate(states))
    tune(toy_study(tmp_path), toy)
    assert len(toy.ran) == 5, "what failed for a reason is not tried again"


def test_where_all_fail_it_ends(tmp_path: Path) -> None:
    def hook(config: Any, epoch: int) -> None:
        raise NonFiniteError("the loss is NaN")

    toy = Toy(hook)
    with pytest.raises(TuningError, match=r"the first 5 trials have all failed.*the loss is NaN"):
        tune(toy_study(tmp_path, trials=30), toy)
    assert len(toy.ran) == 5


def test_what_no_trial_can_help_ends_it_and_keeps_the_trial(tmp_path: Path) -> None:
    full = True

    def hook(config: Any, epoch: int) -> None:
        if full and len(toy.ran) == 2 and epoch == 2:
            raise DataError("cannot be written: No space left on device", path="state")

    toy = Toy(hook)
    with pytest.raises(DataError, match="No space left"):
        tune(toy_study(tmp_path, trials=3), toy)
    full = False
    tune(toy_study(tmp_path), toy)
    assert toy.ran[2] == ("0002", [3, 4], True)
    assert [r.state for r in toy_study(tmp_path).records()].count("complete") == 3


def test_runs_without_a_validation_score_are_told(tmp_path: Path) -> None:
    def run(config: Any, folder: RunFolder, resume: bool, reporter: Any) -> None:
        reporter.start(1, 1, 0)
        reporter.epoch({"epoch": 1, "loss": 1.0})

    with pytest.raises(TuningError, match="the runs have no validation loss to be compared by") as raised:
        tune(toy_study(tmp_path), run)  # type: ignore[arg-type]
    assert "validation part" in str(raised.value)


def test_a_score_that_is_never_finite_is_a_failure(tmp_path: Path) -> None:
    def run(config: Any, folder: RunFolder, resume: bool, reporter: Any) -> None:
        score = 1.0 if folder.path.name == "0000" else float("nan")
        folder.path.mkdir(parents=True)
        folder.write_metrics([{"epoch": 1, "loss": 1.0, "validation_loss": score}])
        reporter.epoch({"epoch": 1, "loss": 1.0, "validation_loss": score})

    study = toy_study(tmp_path, trials=2)
    tune(study, run)  # type: ignore[arg-type]
    assert [record.state for record in study.records()] == ["complete", "failed"]
    assert "no validation loss was a finite number" in study.records()[1].reason


def test_a_damaged_state_is_trained_anew(tmp_path: Path) -> None:
    damaged = False

    def hook(config: Any, epoch: int) -> None:
        if len(toy.ran) == 1 and epoch == 2:
            raise KeyboardInterrupt
        if damaged and toy.ran[-1][2]:
            raise RunFolderError("state.safetensors is damaged")

    toy, notes = Toy(hook), Notes()
    with pytest.raises(KeyboardInterrupt):
        tune(toy_study(tmp_path, trials=1), toy)
    damaged = True
    tune(toy_study(tmp_path), toy, notes)
    assert toy.ran[1:] == [("0001", [3], True), ("0001", [1, 2, 3, 4], False)]
    assert any("trained anew" in note for note in notes.notes)


def test_time_ends_it_between_trials(tmp_path: Path) -> None:
    toy = tune(toy_study(tmp_path, trials=5), seconds=0.0)
    assert toy.ran == []
    assert len(tune(toy_study(tmp_path)).ran) == 5


def test_a_trial_that_was_given_away_is_let_go(tmp_path: Path) -> None:
    study = toy_study(tmp_path, trials=2)

    def hook(config: Any, epoch: int) -> None:
        if len(toy.ran) == 1 and epoch == 2:  # as another tuner does that has heard nothing for long
            number = study.storage.get_trial_id_from_study_id_trial_number(0, 0)
            study.storage.set_trial_state_values(number, state=study.optuna.trials[0].state.__class__.FAIL)

    toy, notes = Toy(hook), Notes()
    tune(study, toy, notes)
    assert notes.notes[0] == "trial 0 was given to another tuner"
    assert toy.ran[0] == ("0000", [1, 2], False)
    assert toy.ran[1] == ("0001", [3, 4], True)
    states = [record.state for record in study.records()]
    assert states == ["interrupted", "complete", "complete"]
    assert REASON not in study.optuna.trials[0].user_attrs
