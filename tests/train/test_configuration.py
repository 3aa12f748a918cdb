from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ConfigurationError, DataError
from chainrule.train.configuration import (
    OptimizerOptions,
    Options,
    TrainingOptions,
    make_optimizer,
    make_plateau,
    make_schedule,
    resolve,
    to_mapping,
)


class Example(Options):
    name: str = "plain"
    sizes: tuple[int, ...] = (1, 2)
    optimizer: OptimizerOptions = msgspec.field(default_factory=OptimizerOptions)
    training: TrainingOptions = msgspec.field(default_factory=lambda: TrainingOptions(epochs=7, batch=5))


def test_the_order_of_precedence(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('task = "example"\nname = "file"\n[training]\nbatch = 6\nseed = 1\n', encoding="utf-8")
    found = resolve(Example, file=path, settings=["training.seed=2", "name=line"], task="example")
    assert (found.training.epochs, found.training.batch, found.training.seed) == (7, 6, 2)
    assert found.name == "line"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("sizes=[3,4]", (3, 4)),
        ("sizes=[]", ()),
        ("name=two words", "two words"),
        ('name="3"', "3"),
        ("name=", ""),
        ("name=a=b", "a=b"),
        (" name = x ", "x"),
    ],
)
def test_values_are_toml_or_text(setting: str, value: Any) -> None:
    assert getattr(resolve(Example, settings=[setting]), setting.partition("=")[0].strip()) == value


def test_a_section_is_called_by_what_says_what_it_is(tmp_path: Path) -> None:
    found = resolve(Example, settings=["optimizer.l1=0.5", "optimizer=sgd", "optimizer.l2=0.25"]).optimizer
    assert (found.rule, found.l1, found.l2) == ("sgd", 0.5, 0.25)
    path = tmp_path / "a.toml"
    path.write_text('optimizer = "adagrad"\nname = "file"\n[training]\nbatch = 6\n', encoding="utf-8")
    config = resolve(Example, file=path, settings=["optimizer.l1=0.5"])
    assert (config.optimizer.rule, config.optimizer.l1, config.name) == ("adagrad", 0.5, "file")
    with pytest.raises(ConfigurationError, match=r"optimizer\.rule: invalid enum value 'sgdd'") as caught:
        resolve(Example, settings=["optimizer=sgdd"])
    assert caught.value.mend == "did you mean sgd?"
    with pytest.raises(ConfigurationError, match="there is no setting 'training'"):
        resolve(Example, settings=["training=9"])


def test_a_configuration_survives_its_own_mapping() -> None:
    config = resolve(Example, settings=["sizes=[9]", "optimizer.rule=sgd", "optimizer.l1=0.5"])
    assert msgspec.convert(to_mapping(config), Example) == config


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (["trainin.epochs=3"], "there is no setting 'trainin.epochs'\n  mend:  did you mean training.epochs"),
        (["epochs=3"], "there is no setting 'epochs'\n  mend:  did you mean training.epochs"),
        (["zzz=3"], "there is no setting 'zzz'\n  mend:  the settings are: name, sizes, optimizer.rule"),
        (["training=3"], "there is no setting 'training'\n  mend:  it is a section: training.epochs"),
        (["name.first=x"], "there is no setting 'name.first'"),
        (["training.epochs.more=3"], "there is no setting 'training.epochs.more'"),
        (["=3"], "'=3' is no setting\n  mend:  write section.key=value"),
        (
            ["training.epochs=0"],
            "training.epochs: expected `int` >= 1\n  mend:  for example --set training.epochs=7",
        ),
        (["training.epochs=2.5"], "training.epochs: expected `int`, got `float`"),
        (["optimizer.momentum=1"], "optimizer.momentum: expected `float` < 1.0"),
        (["optimizer.learning_rate=inf"], "optimizer.learning_rate: inf is not finite"),
        (["optimizer.l2=nan"], "optimizer.l2: nan is not finite"),
        (["training.seed=9223372036854775808"], "training.seed: "),
        (["name=3"], 'name: expected `str`, got `int`\n  mend:  for example --set name="plain"'),
        (["sizes=['a']"], "sizes[0]: expected `int`, got `str`\n  mend:  for example --set 'sizes=[1,2]'"),
        (
            ["optimizer.rule=adamm"],
            "optimizer.rule: invalid enum value 'adamm'\n  mend:  did you mean adam or adamw?",
        ),
        (
            ["training.engine=nativ"],
            "training.engine: invalid enum value 'nativ'\n  mend:  did you mean native?",
        ),
        (["optimizer.rule=x"], "optimizer.rule: invalid enum value 'x'\n  mend:  choose one of: sgd, "),
        (["training.epochs=3", "training.epochs.x=4"], "'training.epochs.x': 'epochs' is no section"),
    ],
)
def test_errors_name_the_key(settings: list[str], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(Example, settings=settings)
    assert str(caught.value).startswith(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (None, DataError, "the configuration cannot be read: No such file or directory"),
        (b"a = = 3\n", ConfigurationError, "the configuration is no TOML: "),
        (b"a = '\xff'\n", ConfigurationError, "the configuration is no TOML: "),
        (b"task = 'other'\n", ConfigurationError, "the configuration is for the task 'other', not 'example'"),
        (b"[training]\nepoch = 3\n", ConfigurationError, "there is no setting 'training.epoch'"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes | None, kind: type[Exception], text: str) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kind) as caught:
        resolve(Example, file=path, task="example")
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, lambda t: 0.1),
        ({"schedule": "linear"}, lambda t: 0.1 * (1 - t / 40)),
        ({"schedule": "cosine"}, lambda t: 0.05 * (1 + np.cos(np.pi * t / 40))),
        ({"schedule": "step", "decay": 0.5, "decay_epochs": 2}, lambda t: 0.1 * 0.5 ** (t // 20)),
        ({"schedule": "exponential", "decay": 0.5}, lambda t: 0.1 * 0.5 ** (t / 10)),
        ({"schedule": "inverse_time", "decay": 0.5}, lambda t: 0.1 / (1 + 0.5 * t / 10)),
    ],
)
def test_schedules_over_four_epochs_of_ten_steps(options: dict[str, Any], expected: Any) -> None:
    schedule = make_schedule(OptimizerOptions(learning_rate=0.1, **options), steps_per_epoch=10, epochs=4)
    steps = np.arange(0, 40, 1.0)
    found = np.broadcast_to(cr.evaluate(cr.constant(schedule(cr.constant(steps)))), steps.shape)
    np.testing.assert_allclose(found, [expected(t) for t in steps], rtol=1e-6, atol=1e-9)


def test_warm_up_comes_before_the_schedule() -> None:
    schedule = make_schedule(OptimizerOptions(learning_rate=0.1, schedule="linear", warmup=10), 10, 4)
    found = cr.evaluate(schedule(cr.constant(np.arange(0, 41, 1.0))))
    assert found.argmax() == 10
    assert found[10] == pytest.approx(0.1)
    assert found[40] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    "rule", ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "adafactor"]
)
def test_every_rule_can_be_asked_for(rule: str) -> None:
    w = cr.variable([[1.0, -2.0], [3.0, 4.0]])
    options = OptimizerOptions(rule=rule, learning_rate=0.01, weight_decay=0.1, l1=0.1, l2=0.1, clip_norm=1.0)
    optimizer = make_optimizer(options, [w], steps_per_epoch=10, epochs=2)
    before = float((w * w).sum())
    step = cr.train.TrainingStep(lambda x, mode: (w * w).sum() + 0 * x.sum(), optimizer)
    for _ in range(3):
        step(np.zeros(1, np.float32))
    assert float((w * w).sum()) < before


def test_a_plateau_halves_the_rate_after_so_many_epochs() -> None:
    optimizer = cr.optim.SGD([cr.variable(1.0)], 1.0)
    assert make_plateau(TrainingOptions(plateau=0), optimizer) is None
    plateau = make_plateau(TrainingOptions(plateau=2), optimizer, higher=True)
    assert plateau is not None
    rates = []
    for score in (0.5, 0.6, 0.6, 0.6, 0.60001, 0.1, 0.1):
        plateau.observe(score)
        rates.append(float(optimizer.learning_rate()))
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
