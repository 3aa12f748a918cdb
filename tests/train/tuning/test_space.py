"""Spaces: what is searched by default, what is asked for, and where settings act."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule.errors import ConfigurationError
from chainrule.tasks import TASKS
from chainrule.train.configuration import from_mapping, setting_names, to_mapping
from chainrule.train.tuning import make_space
from chainrule.train.tuning.space import CONDITIONS, changed

DIGITS = TASKS["digits"].Config()


class Ends:
    """A trial that chooses the least, or the most, of everything."""

    def __init__(self, end: int) -> None:
        self.end = end

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return choices[self.end]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return (low, high)[self.end]

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return (low, high)[self.end]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_space_that_fits_its_configuration(name: str) -> None:
    config = TASKS[name].Config()
    space = make_space(config)
    sections = {key.rpartition(".")[2] for key in space.ranges}
    assert "learning_rate" in sections
    for end in (0, -1):
        settings = space.suggest(Ends(end))
        assert to_mapping(changed(config, settings)) != to_mapping(config)
    learning = space.ranges["optimizer.learning_rate"]
    assert getattr(learning, "log", False), "rates are searched on a logarithmic scale"


@pytest.mark.parametrize("name", [name for name in TASKS if name != "word2vec"])
def test_the_first_trial_is_the_configuration_as_it_is(name: str) -> None:
    config = TASKS[name].Config()
    space = make_space(config)
    assert to_mapping(changed(config, space.settings(space.params()))) == to_mapping(config)


def test_usual_settings_of_digits() -> None:
    found = make_space(DIGITS).text()
    assert set(found) == {
        "optimizer.rule",
        "optimizer.learning_rate",
        "optimizer.momentum",
        "model.activation",
        "model.hidden",
        "model.dropout",
    }
    assert found["model.hidden"] == "1..3x4..64:log"


def test_momentum_is_searched_only_where_it_acts() -> None:
    space = make_space(DIGITS, ["optimizer.rule=adam,momentum"])
    assert "optimizer.momentum" not in space.suggest(Ends(0))
    assert "optimizer.momentum" in space.suggest(Ends(-1))
    assert "optimizer.momentum" not in make_space(DIGITS, ["optimizer.rule=adam,sgd"]).text()
    fixed = changed(DIGITS, {"optimizer.rule": "nesterov"})
    assert "optimizer.momentum" in make_space(fixed, fixed=["optimizer.rule"]).suggest(Ends(0))
    assert "optimizer.momentum" not in make_space(DIGITS, fixed=["optimizer.rule"]).text()


def test_what_decides_comes_first() -> None:
    space = make_space(DIGITS, ["model.filters=[8],[16]", "model.kind=mlp,cnn"], only=True)
    assert list(space.ranges) == ["model.kind", "model.filters"]
    assert space.suggest(Ends(0)) == {"model.kind": "mlp"}
    assert space.suggest(Ends(-1)) == {"model.kind": "cnn", "model.filters": [16]}


def test_ranges_that_are_given_replace_the_usual_ones() -> None:
    space = make_space(DIGITS, ["model.hidden=[64],[32,32]", "training.batch=16,32"])
    assert space.text()["model.hidden"] == "[64],[32,32]"
    assert space.text()["training.batch"] == "16,32"
    assert "model.dropout" in space.text()
    assert "model.dropout" not in make_space(DIGITS, ["training.batch=16,32"], only=True).text()
    assert "model.dropout" not in make_space(DIGITS, fixed=["model.dropout"]).text()


def test_one_value_is_no_search() -> None:
    space = make_space(DIGITS, ["training.batch=16", "optimizer.rule=sgd"])
    assert {"training.batch", "optimizer.rule", "optimizer.momentum"}.isdisjoint(space.text())
    tree = to_mapping(space.base)
    assert (tree["training"]["batch"], tree["optimizer"]["rule"]) == (16, "sgd")


def test_a_section_is_called_by_what_it_is() -> None:
    assert "optimizer.rule" in make_space(DIGITS, ["optimizer=adam,sgd"], only=True).text()


@pytest.mark.parametrize(
    ("given", "fixed", "what", "mend"),
    [
        (["training.bach=1,2"], [], "there is no setting 'training.bach'", "training.batch"),
        (["training=1,2"], [], "there is no setting 'training'", "it is a section"),
        (["training.batch"], [], "is no range of a setting", "section.key=range"),
        (["training.batch=0..5"], [], "training.batch: expected `int` >= 1", "training.batch=64"),
        (["model.activation=relu,tahn"], [], "invalid enum value 'tahn'", "tanh"),
        (["model.dropout=0..1.5"], [], "model.dropout: expected `float` < 1.0", "model.dropout"),
        (["training.invariants=true,2"], [], "expected `bool`, got `int`", "training.invariants"),
        (["model.hidden=[64],[-1]"], [], "model.hidden", "model.hidden"),
        (["training.batch=8,16", "training.batch=32,64"], [], "has two ranges", "give one"),
        (["training.batch=8,16"], ["training.batch"], "both set and searched", "--set or --space"),
        (
            ["optimizer.momentum=0.5..0.9", "optimizer.rule=adam,sgd"],
            [],
            "optimizer.momentum acts only where optimizer.rule is momentum or nesterov, and it is adam,sgd",
            "optimizer.rule",
        ),
        (
            ["model.window=3,5"],
            [],
            "model.window acts only where model.kind is not mlp, and it is mlp",
            "model.kind",
        ),
    ],
)
def test_mistakes_name_the_setting(given: list[str], fixed: list[str], what: str, mend: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make_space(DIGITS, given, fixed=fixed)
    assert what in raised.value.what
    assert mend in (raised.value.mend or "")


def test_nothing_to_search_is_told() -> None:
    with pytest.raises(ConfigurationError, match="there is nothing to search"):
        make_space(DIGITS, only=True)
    with pytest.raises(ConfigurationError, match="there is nothing to search"):
        make_space(DIGITS, ["training.batch=16..16"], only=True)


def test_conditions_are_of_settings_that_there_are() -> None:
    kinds = [task.Config for task in TASKS.values()]
    for condition in CONDITIONS:
        having = [kind for kind in kinds if {condition.key, condition.where} <= set(setting_names(kind))]
        assert having, f"no task has {condition.key} and {condition.where}"
        fitting = 0
        for kind in having:
            for value in condition.values:
                section, name = condition.where.split(".")
                try:
                    from_mapping(kind, {section: {name: value}})
                except ConfigurationError:
                    continue
                fitting += 1
        assert fitting, f"{condition.where} is {condition.values} in no task"
