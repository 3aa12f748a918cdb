"""Whose trials are, and what is done with those of the dead: none is lost, none is run twice to its end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from chainrule.train.tuning.claims import MOST_DEATHS, Claims, _successor
from chainrule.train.tuning.ledger import BEAT, DEATHS, FROM, REASON, WORKER, Ledger
from chainrule.train.tuning.locks import this_machine

from .studies import toy_study

BEATS = 0.05


def claims_of(folder: Path, **facts: Any) -> Claims:
    study = toy_study(folder, **facts)
    return Claims(study.optuna, study.storage, study.folder, heartbeat=BEATS)


def states(claims: Claims) -> list[str]:
    return [trial.state.name for trial in claims.ledger().trials]


def test_trials_are_handed_out_until_there_are_enough(tmp_path: Path) -> None:
    with claims_of(tmp_path) as one, claims_of(tmp_path) as other:
        taken = [claims.next(3) for claims in (one, other, one)]
        assert [trial.number for trial in taken] == [0, 1, 2]
        assert one.next(3) is other.next(3) is None
        other.fail(taken[1], "it diverged")
        assert one.next(3) is None, "what failed counts"
        assert one.next(4).number == 3


def test_the_dead_of_this_machine_are_found_at_once(tmp_path: Path) -> None:
    with claims_of(tmp_path) as one:
        dead = claims_of(tmp_path)
        dead.__enter__()
        trial = dead.next(1)
        trial.suggest_float("model.width", 0.1, 10, log=True)
        trial.report(0.5, 1)
        assert one.next(1) is None
        dead._lock.release()  # as the operating system does for a process that was killed
        again = one.next(1)
        assert again.number == 1
        assert again.params == trial.params
        frozen = one.ledger().trials[1]
        assert (frozen.user_attrs[FROM], frozen.user_attrs[DEATHS]) == (0, 1)
        assert frozen.intermediate_values == {1: 0.5}
        assert states(one) == ["FAIL", "RUNNING"]
        assert one.next(1) is None
        assert len(list((tmp_path / "workers").iterdir())) == 1


def elsewhere(trial: Any) -> None:
    """As if its tuner were on another machine."""
    trial.set_user_attr(WORKER, ["another machine", "/nowhere/worker"])


def test_the_dead_of_other_machines_fall_silent(tmp_path: Path) -> None:
    with claims_of(tmp_path) as far, claims_of(tmp_path) as here:
        trial = far.next(1)
        elsewhere(trial)
        for count in range(8):  # it lives, and is slow
            trial.set_user_attr(BEAT, count)
            assert here.next(1) is None
            time.sleep(BEATS)
        until = time.monotonic() + 20
        while (again := here.next(1)) is None and time.monotonic() < until:
            time.sleep(BEATS)
        assert again is not None
        assert (again.number, again.user_attrs[FROM]) == (1, 0)


def test_signs_of_life_are_given(tmp_path: Path) -> None:
    with claims_of(tmp_path) as claims:
        trial = claims.next(1)
        with claims.alive(trial):
            until = time.monotonic() + 20
            while BEAT not in claims.ledger().trials[0].user_attrs and time.monotonic() < until:
                time.sleep(BEATS)
        assert claims.ledger().trials[0].user_attrs[BEAT] >= 1
        assert claims.ledger().trials[0].user_attrs[WORKER][0] == this_machine()


def test_clocks_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claims_of(tmp_path) as far, claims_of(tmp_path) as here:
        elsewhere(far.next(1))
        assert here.next(1) is None
        monkeypatch.setattr(time, "time", lambda: 4e9)  # this machine thinks it is 2096
        assert here.next(1) is None
        assert states(here) == ["RUNNING"]


def test_a_trial_without_an_owner_is_waited_for(tmp_path: Path) -> None:
    """Its tuner was killed between taking it and saying so, or is just about to say it."""
    with claims_of(tmp_path) as claims:
        claims.study.ask()
        assert claims.next(1) is None
        until = time.monotonic() + 20
        while (again := claims.next(1)) is None and time.monotonic() < until:
            time.sleep(BEATS)
        assert again is not None
        assert again.number == 1


def test_of_two_that_queue_a_trial_one_counts(tmp_path: Path) -> None:
    with claims_of(tmp_path) as one, claims_of(tmp_path) as other:
        trial = one.next(1)
        one._fail(trial, {})
        lost = one.ledger().trials[0]
        assert one.ledger().is_lost(lost)
        for claims in (one, other):  # both have seen it, and nobody has queued it yet
            claims.study.add_trial(_queued(lost, claims))
        assert other.next(1).number == 1
        assert one.next(1) is None
        assert Ledger(one.study.trials).copies == {2}
        one._fail(one.study.ask(), {})  # somebody took the copy all the same, and died
        assert states(one) == ["FAIL", "RUNNING", "FAIL"]
        assert one.next(1) is None
        assert len(one.ledger().trials) == 3, "a copy is not queued again"


def _queued(trial: Any, claims: Claims) -> Any:
    return _successor(trial, claims._states.WAITING)


def test_a_copy_that_is_taken_is_put_aside(tmp_path: Path) -> None:
    with claims_of(tmp_path) as one, claims_of(tmp_path) as other:
        trial = one.next(2)
        one._fail(trial, {})
        lost = one.ledger().trials[0]
        for claims in (one, other):
            claims.study.add_trial(_queued(lost, claims))
        assert [one.next(2).number, other.next(2).number] == [1, 3]
        assert states(one) == ["FAIL", "RUNNING", "FAIL", "RUNNING"]
        assert one.ledger().trials[2].user_attrs[REASON] == "another was quicker to queue it"
        assert [record.number for record in one.ledger().records(higher=False)] == [0, 1, 3]


def test_what_kills_every_tuner_is_given_up(tmp_path: Path) -> None:
    with claims_of(tmp_path) as claims:
        for death in range(MOST_DEATHS):
            dead = claims_of(tmp_path)
            dead.__enter__()
            assert dead.next(1).number == death
            dead._lock.release()
        assert claims.next(1) is None
        assert states(claims) == ["FAIL"] * MOST_DEATHS
        assert "3 tuners died" in claims.ledger().trials[-1].user_attrs[REASON]
        assert claims.ledger().open == []


def test_what_is_stopped_often_is_not_given_up(tmp_path: Path) -> None:
    with claims_of(tmp_path) as claims:
        for _ in range(2 * MOST_DEATHS):
            claims.give_back(claims.next(1))
        trial = claims.next(1)
        assert trial.number == 2 * MOST_DEATHS
        assert trial.user_attrs[DEATHS] == 0
        assert claims.ledger().ancestors(claims.ledger().trials[-1]) == list(reversed(range(trial.number)))


def test_the_last_trial_is_not_begun_twice(tmp_path: Path) -> None:
    """Two tuners that see at once that one more is wanted: who gets the higher number lets it be."""
    with claims_of(tmp_path) as one, claims_of(tmp_path) as other:
        one.next(2)
        real, seen = other.ledger, one.ledger()
        answers = [seen, seen]  # of before the other tuner has begun its last one
        one.ledger = lambda: answers.pop() if answers else real()  # type: ignore[method-assign]
        other.next(2)
        assert one.next(2) is None
        assert len(real().begun) == 2
        assert [record.state for record in real().records(higher=False)] == ["running", "running"]


def test_a_result_that_comes_too_late_is_not_taken(tmp_path: Path) -> None:
    with claims_of(tmp_path) as one, claims_of(tmp_path) as other:
        trial = one.next(1)
        other._fail(other.ledger().trials[0], {})
        with pytest.raises(one._finished_already):
            trial.report(0.5, 1)
        one.give_back(trial)
        assert other.next(1).number == 1
        assert len(other.ledger().trials) == 2
