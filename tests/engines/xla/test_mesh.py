"""On a mesh of devices a network learns what it learns on one: batches are split, large matrices too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compile import Program
from chainrule.data import Batches, BucketedBatches, ContextBatches
from chainrule.engines.xla import Mesh, Share
from chainrule.engines.xla.processes import VARIABLE
from chainrule.errors import ConfigurationError, NonFiniteError
from chainrule.graph import Node, placeholder
from chainrule.train import EpochLoop, RunFolder, Settings, Training, TrainingStep, split_epochs
from chainrule.train.split_epochs import SplitEpochLoop

pytestmark = pytest.mark.xla

WORDS, CONTEXT, WIDE = 1500, 4, 64
MESHES = ["data=4", "data=2,model=2", "model=4", "data=8", "data=1"]


class Language(cr.nn.Module):
    """Tables that are large enough to be split, dropout, and a layer between."""

    def __init__(self) -> None:
        seeds = cr.nn.Seeds(0)
        self.table = cr.nn.Embedding(WORDS, WIDE, seed=seeds)
        self.hidden = cr.nn.Linear(CONTEXT * WIDE, WIDE, seed=seeds)
        self.drop = cr.nn.Dropout(0.2)
        self.out = cr.nn.Linear(WIDE, WORDS, seed=seeds)

    def forward(self, words: Node, mode: cr.nn.Mode = cr.nn.EVALUATE) -> Node:
        inside = cr.tanh(self.hidden(self.table(words).reshape(-1, CONTEXT * WIDE)))
        return self.out(self.drop(inside, mode=mode))  # type: ignore[no-any-return]


def documents() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(1, WORDS, length).astype(np.int32) for length in (150, 61, 90)]


def training(engine: str, *, size: int = 16, epochs: int = 3, **more: Any) -> Training:
    net = Language()

    def loss(words: Node, following: Node, mode: cr.nn.Mode) -> Node:
        return cr.cross_entropy(net(words, mode=mode), cr.astype(following, "int64"))

    data = ContextBatches(documents(), CONTEXT, size, padding=0, seed=1)
    optimizer = cr.optim.Momentum(net.parameters(), 0.3, momentum=0.9)  # Adam makes much of a rounding
    settings = Settings(epochs=epochs, engine=engine, invariants=False, **more.pop("settings", {}))
    return Training(net, loss, data, optimizer, settings, **more)


def outcome(run: Training) -> tuple[list[float], dict[str, np.ndarray]]:
    return [record["loss"] for record in run.run().records], run.model.state_dict()


@pytest.fixture(scope="module")
def alone() -> tuple[list[float], dict[str, np.ndarray]]:
    return outcome(training("stepper"))


@pytest.mark.parametrize("mesh", MESHES)
def test_the_losses_and_weights_are_those_of_one_device(mesh: str, alone: Any) -> None:
    losses, weights = outcome(training(f"xla:{mesh}"))
    np.testing.assert_allclose(losses, alone[0], rtol=1e-5)
    for name, weight in weights.items():
        np.testing.assert_allclose(weight, alone[1][name], atol=1e-5, err_msg=name)


def test_an_epoch_that_is_sent_in_pieces_is_the_same(alone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_epochs, "SENT_BYTES", 16 * (CONTEXT + 1) * 4 * 5)  # five batches
    losses, _ = outcome(training("xla:data=4"))
    np.testing.assert_allclose(losses, alone[0], rtol=1e-5)


def test_a_run_goes_on_from_its_state_on_another_mesh(tmp_path: Path, alone: Any) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    training("xla:data=4", epochs=2, folder=folder).run()
    again = training("xla:data=2,model=2", epochs=3, folder=folder)
    again.resume()
    losses, _ = outcome(again)
    np.testing.assert_allclose(losses, alone[0], rtol=1e-5)


def test_batches_that_are_no_rows_of_arrays_are_split_as_well() -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.integers(1, 50, length).astype(np.int32) for length in rng.integers(3, 9, 40)]

    def losses(engine: str) -> list[float]:
        table = cr.nn.Embedding(50, 8, seed=cr.nn.Seeds(0))

        def loss(ids: Node) -> Node:
            return (table(ids).mean(axis=1) ** 2).sum(axis=-1).mean()

        data = [batch.ids for batch in BucketedBatches(sequences, 8, buckets=2, seed=0).epoch(0)]
        step = TrainingStep(loss, cr.optim.SGD(table.parameters(), 0.5), engine=engine)
        return [step(batch) for batch in data]

    np.testing.assert_allclose(losses("xla:data=4,model=2"), losses("stepper"), rtol=1e-5)


# ── where things lie ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        ((WORDS, WIDE), (WORDS // 2, WIDE)),
        ((WIDE, WORDS), (WIDE, WORDS // 2)),
        ((WORDS + 1, WIDE), (WORDS + 1, WIDE // 2)),
        ((WORDS + 1, WIDE + 1), (WORDS + 1, WIDE + 1)),
        ((WIDE, WIDE), (WIDE, WIDE)),
        ((WORDS * WIDE,), (WORDS * WIDE,)),
    ],
)
def test_large_matrices_are_split_along_their_longest_even_axis(
    shape: tuple[int, ...], parts: tuple[int, ...]
) -> None:
    mesh = Mesh.parse("data=2,model=2")
    held = mesh.keep(np.zeros(shape, np.float32))
    assert {shard.data.shape for shard in held.addressable_shards} == {parts}


def test_each_device_gets_its_rows_of_a_batch() -> None:
    mesh = Mesh.parse("data=4,model=2")
    batch = mesh.send(placeholder((8, 3)), np.arange(24, dtype=np.float32).reshape(8, 3))
    assert {shard.data.shape for shard in batch.addressable_shards} == {(2, 3)}
    assert mesh.share(8) == slice(0, 8), "all devices are of this process"
    odd = mesh.send(placeholder((7, 3)), np.zeros((7, 3), np.float32))
    assert {shard.data.shape for shard in odd.addressable_shards} == {(7, 3)}


def test_what_is_sent_is_a_copy() -> None:
    mesh, mine = Mesh.parse("data=2"), np.ones((1 << 16,), np.float32)
    for held in (mesh.keep(mine), mesh.send(placeholder((1 << 16,)), mine)):
        mine[:] = 7
        assert (np.asarray(held) == 1).all()
        mine[:] = 1


def test_a_share_of_an_array_stands_for_the_whole() -> None:
    x = placeholder((8,), name="x")
    program = Program([x], [x * 2], engine="xla:data=4")
    values = np.arange(8, dtype=np.float32)
    np.testing.assert_array_equal(program(Share(values, 0, 8))[0], values * 2)


def test_whoever_watches_a_process_sees_that_it_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores of much data may take longer than a watchdog waits, and the loop is silent meanwhile."""
    file = tmp_path / "progress"
    file.touch()
    os.utime(file, (0, 0))
    place = {"coordinator": "localhost:1", "processes": 1, "index": 0, "progress": str(file)}
    monkeypatch.setenv(VARIABLE, json.dumps(place))
    x = placeholder((8,), name="x")
    Program([x], [x * 2], engine="xla:data=4")(np.zeros(8))
    assert file.stat().st_mtime > 0


def test_explain_says_where_it_runs() -> None:
    x = placeholder((8,), name="x")
    assert "8 × cpu (data=4,model=2)" in Program([x], [x * 2], engine="xla:data=4,model=2").explain()


# ── what cannot be ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mesh", "says"),
    [
        ("data=0", "gives data the size '0'"),
        ("data=-2", "gives data the size '-2'"),
        ("data", "gives data the size ''"),
        ("data=2,data=2", "has the axis data twice"),
        ("depth=2", "has an axis 'depth'"),
        ("", "has an axis ''"),
        ("data=4,model=4", "is of 16 devices, and there are 8"),
        ("data=99999", "is of 99999 devices"),
    ],
)
def test_a_mesh_that_cannot_be_is_told(mesh: str, says: str) -> None:
    x = placeholder((8,), name="x")
    with pytest.raises(ConfigurationError, match=says):
        Program([x], [x * 2], engine=f"xla:{mesh}")([1.0] * 8)


def test_a_mesh_is_for_the_engine_xla() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)runs on no mesh.*'xla:data=2' or --engine xla"):
        cr.compile(lambda x: x, engine="native:data=2")


@pytest.mark.parametrize(("size", "mend"), [(15, "12 or 16"), (3, "training.batch=4,")])
def test_an_uneven_batch_is_told_before_the_first_step(size: int, mend: str) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s)batch of {size} rows cannot be split.*{mend}"):
        training("xla:data=4", size=size).run()


LOOPS: dict[str, Callable[[TrainingStep, Batches], EpochLoop]] = {
    "stepper": EpochLoop,
    "xla:data=4": lambda step, data: SplitEpochLoop(step, data, Mesh.parse("data=4")),
}


def test_a_refused_step_is_told_and_undone_as_on_one_device() -> None:
    rows = np.ones((12, 2), np.float32)
    rows[9] = np.nan

    def told(engine: str) -> tuple[str, int, float]:
        w = cr.variable(np.ones(2, np.float32), name="w")
        step = TrainingStep(lambda x: (x * w).sum(), cr.optim.SGD([w], 0.1), engine=engine)
        loop = LOOPS[engine](step, Batches(rows, 4, shuffle=False))
        loop.begin(0)
        with pytest.raises(NonFiniteError) as error:
            loop.run(3)
        return str(error.value), loop.batch, float(w.value.sum())

    assert told("xla:data=4") == told("stepper")
