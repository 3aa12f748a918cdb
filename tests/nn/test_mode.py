"""Modes: which random numbers a module draws, by step and place."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError


class Draws(nn.Module):
    """Keeps the keys it draws."""

    depends_on_mode = True

    def __init__(self):
        self.keys = ()

    def forward(self, x, mode=nn.EVALUATE):
        self.keys += (tuple(mode.key_here().value.tolist()),)
        return x


def test_places_and_calls_have_keys_of_their_own_the_same_from_run_to_run():
    def keys(seed):
        shared = Draws()
        parts = [Draws() for _ in range(20)]
        model = nn.Sequential(*parts, shared, nn.Sequential(shared, Draws()), shared)
        mode = nn.training(cr.random.key(seed))
        model(cr.placeholder((1,)), mode=mode)
        model(cr.placeholder((1,)), mode=mode)
        return [
            key for _, module in model.named_modules() if isinstance(module, Draws) for key in module.keys
        ]

    first, second, other = keys(1), keys(1), keys(2)
    assert len(first) == len(set(first)) == 2 * (20 + 3 + 1)
    assert first == second
    assert not set(first) & set(other)


def test_modules_of_another_model_in_the_same_pass_draw_other_numbers():
    one, other = nn.Sequential(Draws()), nn.Sequential(Draws())
    mode = nn.training(cr.random.key(0))
    for model in (one, other):
        model(cr.placeholder((1,)), mode=mode)
    assert one[0].keys != other[0].keys


def test_masks_are_the_same_in_another_process():
    code = (
        "import chainrule as cr\n"
        "drop = cr.nn.Sequential(cr.nn.Tanh(), cr.nn.Dropout(0.5))\n"
        "y = drop(cr.constant([1.0] * 64), mode=cr.nn.training(cr.random.key(3))).value\n"
        "print(''.join('1' if v else '0' for v in y))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    drop = nn.Sequential(nn.Tanh(), nn.Dropout(0.5))
    here = drop(cr.constant([1.0] * 64), mode=nn.training(cr.random.key(3))).value
    assert found == ["".join("1" if value else "0" for value in here)] * 2


def test_masks_differ_from_step_to_step_and_place_to_place_and_begin_again_with_the_seed():
    def masks(seed, steps):
        """What the two dropouts let through at each step: its input is 1, so the loss's gradient shows it."""
        w = cr.variable(np.ones((2, 200), "f"))
        first, second = nn.Dropout(0.5), nn.Dropout(0.5)

        class Net(nn.Module):
            def __init__(self):
                self.w, self.first, self.second = w, first, second

            def forward(self, mode=nn.EVALUATE):
                return cr.stack([first(self.w[0], mode=mode), second(self.w[1], mode=mode)])

        net = Net()
        optimizer = cr.optim.SGD([w], 1.0)
        step = cr.train.TrainingStep(lambda x, mode: net(mode=mode).sum() + x.sum() * 0, optimizer, seed=seed)
        found = []
        for _ in range(steps):
            before = w.array
            step((np.zeros(1, "f"),))
            found.append((before - w.array) != 0)
        return np.stack(found)

    one = masks(0, 3)
    flat = {row.tobytes() for row in one.reshape(6, 200)}
    assert len(flat) == 6
    assert 0.4 < one.mean() < 0.6
    assert np.array_equal(one, masks(0, 3))
    assert not np.array_equal(one, masks(1, 3))


def test_a_mode_without_a_key_draws_nothing():
    model = nn.Sequential(nn.Dropout(0.5))
    with pytest.raises(ArgumentError) as caught:
        model(cr.placeholder((2,)), mode=nn.training())
    assert caught.value.what == "layers.0 draws random numbers in training and was given no key"
    assert caught.value.mend == "run it with mode=cr.nn.training(cr.random.key(seed))"
    assert "test_mode.py" in caught.value.where


def test_threads_draw_what_one_thread_draws():
    def draw(seed):
        model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
        return model(cr.constant(np.ones(500, "f")), mode=nn.training(cr.random.key(seed))).value

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, range(8)))
    assert all(np.array_equal(found, draw(seed)) for seed, found in enumerate(together))
