"""A study: what is searched and how, kept beside its trials, so that anyone can go on with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from ...data import read_text, write_atomically
from ...errors import ConfigurationError, DataError, TuningError
from ...version import __version__
from ..configuration import Options, from_mapping, leaves, merged, setting_names, to_mapping, type_of
from ..early_stopping import Monitor
from ..recorded import before
from ..run_folder import to_toml
from .ledger import Ledger, TrialRecord
from .locks import FileLock
from .ranges import read_range
from .sampling import seeded
from .space import Space, changed
from .storage import JOURNAL, PROXY, connect, open_journal, optuna, read_address, told

_FACTS = "chainrule"
_NAME = "study"
"""Of the one study in a journal."""
_WAIT = 2.0
"""Seconds that another tuner may take between making a study and saying what it is."""
_NEVER_PRUNED = 5
"""So many trials at the beginning: before that a median says little."""
_SPARED: Mapping[str, Any] = {
    "linear_epochs": 0, "baseline": False, "ngram_order": 2, "data.folds": 0, "model.refit": False,
}  # fmt: skip
"""What a finished run does beside training its network: comparisons, folds.  Trials leave it out."""
_LOCK, _MARK = "study.lock", "study.id"
"""In a study's folder: held while results are written; which study its trials are of."""


class Facts(msgspec.Struct, frozen=True):
    """What a study is; the same for all who work on it."""

    task: str
    monitor: Monitor
    config: dict[str, Any]
    """The configuration around which is searched."""
    space: dict[str, str]
    trials: int
    """How many there are to be."""
    id: str
    """Tells the study from others that had its name before."""
    pruning: bool = True
    version: str = __version__


@dataclass
class Study:
    """A study that is open."""

    where: str
    folder: Path
    """Of the results, and of the run folders of those trials that run here."""
    facts: Facts
    space: Space
    storage: Any
    optuna: Any

    @property
    def shared(self) -> bool:
        """Whether it is kept elsewhere, behind a proxy."""
        return self.where.startswith(PROXY)

    def ledger(self) -> Ledger:
        """The trials as they stand."""
        return Ledger(self.optuna.get_trials(deepcopy=False))

    def records(self) -> list[TrialRecord]:
        """The trials as they stand, their parameters as the runs had them."""
        found = self.ledger().records(higher=self.facts.monitor.higher)
        return [replace(record, params=self._shown(record.params)) for record in found]

    def _shown(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """As the runs had them, in the order of the space."""
        settings = self.space.settings(params)
        plain = {key: value for key, value in settings.items() if not isinstance(value, list)}
        order = list(self.space.ranges)
        names = sorted(
            params, key=lambda name: next(k for k, key in enumerate(order) if name.startswith(key))
        )
        return {name: plain.get(name, params[name]) for name in names}

    def best(self) -> TrialRecord | None:
        """The best of the finished trials, of equal ones the first."""
        done = [r for r in self.records() if r.state == "complete" and r.value is not None]
        sign = -1.0 if self.facts.monitor.higher else 1.0
        return min(done, key=lambda record: (sign * (record.value or 0.0), record.number), default=None)

    def configuration(self, params: Mapping[str, Any]) -> Options:
        """The whole configuration that goes with a trial's parameters."""
        return changed(self.space.base, self.space.settings(params))

    def of_trial(self, params: Mapping[str, Any]) -> Options:
        """The same as a trial runs with it: its network, and no comparisons."""
        known = setting_names(type(self.space.base))
        spared = {key: value for key, value in _SPARED.items() if key in known}
        return changed(self.configuration(params), spared)

    def importances(self) -> dict[str, float]:
        """How much of what tells good trials from others each parameter accounts for, the most telling first.

        PED-ANOVA: Watanabe, Bansal, Hutter, *PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
        Arbitrary Subspaces*, IJCAI 2023.  Empty for fewer than ten finished trials.
        """
        done = [r for r in self.records() if r.state == "complete" and r.value is not None]
        if len(done) < _ENOUGH or len({record.value for record in done}) == 1:
            return {}
        shares = optuna().importance.get_param_importances(self.optuna)
        return {name: float(share) for name, share in shares.items()}

    def write(self, files: Mapping[str, Callable[[], str]]) -> None:
        """Write files of results; two tuners do not write an older state over a newer one."""
        with FileLock(self.folder / _LOCK):
            for name, text in files.items():
                if content := text():
                    write_atomically(self.folder / name, content)

    def best_toml(self) -> str:
        """The configuration of the best trial as a file has it; nothing where there is none."""
        best = self.best()
        if best is None:
            return ""
        return to_toml({"task": self.facts.task, **to_mapping(self.configuration(best.params))})


_ENOUGH = 10
"""Finished trials that it takes to say what mattered."""


def prepare(folder: Path) -> None:
    """Make the folder of a study, or see that the one that is there is one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise DataError(f"the folder cannot be made: {error.strerror or error}", path=folder) from None
    if found - {_LOCK} and not found & {JOURNAL, _MARK}:
        raise ConfigurationError(
            "the folder has no study in it, and is not empty", where=str(folder), mend="choose another folder"
        )


def _check_mark(folder: Path, facts: Facts) -> None:
    """Raise where the trials in the folder are those of another study: they would be taken for its own."""
    mark = folder / _MARK
    if mark.is_file() and read_text(mark).strip() != facts.id:
        raise ConfigurationError(
            "the folder has the trials of another study in it",
            where=str(folder),
            mend="choose another folder",
        )


def open_study(
    where: str,
    folder: Path,
    kind: type[Options],
    begin: Callable[[], Facts],
    check: Callable[[Facts], Facts],
) -> Study:
    """The study at ``where``, a folder or the address of one behind a proxy.

    ``begin()`` says what a new one is to be; ``check(facts)`` raises where the one that is there is another,
    and gives what it is from now on.
    """
    prepare(folder)
    with told(where), FileLock(folder / _LOCK):
        storage = connect(read_address(where)) if where.startswith(PROXY) else open_journal(folder)
        name = read_address(where).name if where.startswith(PROXY) else _NAME
        facts = None
        if new := not _exists(storage, name):
            found = begin()
            space = _space(where, kind, found)  # checked before anything is made
            _check_mark(folder, found)
            try:
                study = _optuna_study(storage, name, found, new=True)
            except optuna().exceptions.DuplicatedStudyError:
                new = False  # another tuner was quicker
        if not new:
            facts = _found(where, storage, name, _WAIT)
            found = begin() if facts is None else check(facts)
            space = _space(where, kind, found)
            _check_mark(folder, found)
            study = _optuna_study(storage, name, found, new=False)
        if facts is None and (params := space.params()):
            study.enqueue_trial(params, skip_if_exists=True)  # first of all the configuration as it is
        if found != facts:
            study.set_user_attr(_FACTS, msgspec.to_builtins(found))
        write_atomically(folder / _MARK, f"{found.id}\n")
    return Study(where, folder, found, space, storage, study)


def _exists(storage: Any, name: str) -> bool:
    try:
        storage.get_study_id_from_name(name)
    except KeyError:
        return False
    return True


def _optuna_study(storage: Any, name: str, facts: Facts, *, new: bool) -> Any:
    return optuna().create_study(
        study_name=name,
        storage=storage,
        direction="maximize" if facts.monitor.higher else "minimize",
        load_if_exists=not new,
        sampler=seeded(int(facts.config["training"]["seed"])),
        pruner=_pruner(facts),
    )


def _found(where: str, storage: Any, name: str, seconds: float) -> Facts | None:
    """What the study that is there is; None if nothing is said of it in so many seconds.

    It is being begun elsewhere, then, or its maker was killed.
    """
    until = time.monotonic() + seconds
    number = storage.get_study_id_from_name(name)
    while _FACTS not in (attributes := storage.get_study_user_attrs(number)):
        if time.monotonic() > until:
            return None
        time.sleep(seconds / 10)
    try:
        return msgspec.convert(attributes[_FACTS], Facts)
    except msgspec.ValidationError as error:
        raise TuningError(f"this is no study of chainrule's: {error}", where=where) from None


def _space(where: str, kind: type[Options], facts: Facts) -> Space:
    try:
        config = from_mapping(kind, merged(before(kind), facts.config))
        ranges = {key: read_range(key, text, type_of(kind, key)) for key, text in facts.space.items()}
        return Space(config, ranges)
    except (ConfigurationError, StopIteration) as error:
        raise TuningError(
            f"the study was made by version {facts.version}, and does not fit {__version__}: {error}",
            where=where,
            mend="begin another study",
        ) from None


def _pruner(facts: Facts) -> Any:
    """Trials below the median of those before them, at the same epoch, are given up."""
    pruners = optuna().pruners
    if not facts.pruning:
        return pruners.NopPruner()
    epochs = int(facts.config["training"]["epochs"])
    return pruners.MedianPruner(n_startup_trials=_NEVER_PRUNED, n_warmup_steps=max(epochs // 4, 1))


def difference(recorded: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Where two mappings of settings first differ, in words; empty where they agree.

    >>> difference({"training": {"epochs": 5}}, {"training": {"epochs": 6}})
    'training.epochs is 5 there, and 6 here'
    """
    there, here = dict(leaves(recorded)), dict(leaves(given))
    for key in dict.fromkeys([*there, *here]):
        old, new = (_plainly(values.get(key)) for values in (there, here))
        if old != new:
            return f"{key} is {'not there' if key not in there else f'{old} there'}, and " + (
                "not here" if key not in here else f"{new} here"
            )
    return ""


def _plainly(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
