"""Write trajectories.json: where PyTorch's optimizers and schedules go on a small problem.

Run with a Python that has torch 2.13 (the tests do not need it):

    python tests/optim/reference/make_trajectories.py

The problem is a logistic loss on two layers plus a small least-squares term that uses the first matrix
again.  One column of the data is 0, so one row of the matrix has a gradient of exactly 0; hidden units
are rectified, so others have one at times.  The data is small enough that no rule leaps about the minimum,
where two correct programs part company.  Everything is float64 and made of sines: no generator.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

STEPS = (1, 2, 10, 50, 100, 200, 300)
SCHEDULE_STEPS = 40


def waves(count: int, frequency: float, scale: float) -> list[float]:
    return [round(scale * math.sin(frequency * (index + 1)), 6) for index in range(count)]


def rows(values: list[float], width: int) -> list[list[float]]:
    return [values[start : start + width] for start in range(0, len(values), width)]


PROBLEM = {
    "X": [[*row, 0.0] for row in rows(waves(24, 1.7, 0.7), 3)],
    "y": [1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0],
    "T": rows(waves(24, 2.9, 1.0), 3),
    "W": rows(waves(12, 0.9, 0.8), 3),
    "v": waves(3, 1.3, 0.7),
    "c": 0.1,
}


def loss_of(torch: Any, data: dict[str, Any], W: Any, v: Any, c: Any) -> Any:
    hidden = data["X"] @ W
    margin = data["y"] * (torch.relu(hidden) @ v + c)
    return torch.nn.functional.softplus(-margin).mean() + 0.05 * ((hidden - data["T"]) ** 2).mean()


class Case:
    """One run: an optimizer, and what happens around its step."""

    def __init__(
        self,
        optimizer: Any,
        scheduler: Callable[[Any], Any] | None = None,
        penalty: Callable[[Any], Any] | None = None,
        clip: Callable[[list[Any]], None] | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.scheduler = scheduler(optimizer) if scheduler else None
        self.penalty, self.clip = penalty, clip


def shorten(torch: Any, parameters: Iterable[Any], limit: float) -> None:
    """Clip the common norm without the small number that torch's own function adds to it."""
    grads = [p.grad for p in parameters]
    norm = torch.nn.utils.get_total_norm(grads).item()
    if norm > limit:
        for grad in grads:
            grad.mul_(limit / norm)


def cases(torch: Any) -> dict[str, Callable[[list[Any]], Case]]:
    """Name → the run, on fresh parameters [W, v, c]."""
    o, s = torch.optim, torch.optim.lr_scheduler

    def l1(ps: list[Any]) -> Any:
        return sum(0.01 * p.abs().sum() for p in ps)

    def l2(ps: list[Any]) -> Any:
        return sum(0.02 * (p**2).sum() for p in ps)

    def groups(ps: list[Any]) -> list[dict[str, Any]]:
        return [{"params": ps[:1]}, {"params": ps[1:], "lr": 0.01, "weight_decay": 0.1}]

    def warm(optimizer: Any) -> Any:
        rise = s.LinearLR(optimizer, start_factor=0.1, total_iters=20)
        fall = s.CosineAnnealingLR(optimizer, T_max=280, eta_min=0.001)
        return s.SequentialLR(optimizer, [rise, fall], milestones=[20])

    return {
        "sgd": lambda ps: Case(o.SGD(ps, lr=0.3)),
        "sgd weight_decay": lambda ps: Case(o.SGD(ps, lr=0.3, weight_decay=0.05)),
        "sgd l1": lambda ps: Case(o.SGD(ps, lr=0.1), penalty=l1),
        "sgd l2": lambda ps: Case(o.SGD(ps, lr=0.3), penalty=l2),
        "sgd elastic": lambda ps: Case(o.SGD(ps, lr=0.1), penalty=lambda ps: l1(ps) + l2(ps)),
        "sgd clip value": lambda ps: Case(
            o.SGD(ps, lr=0.3), clip=lambda ps: torch.nn.utils.clip_grad_value_(ps, 0.05)
        ),
        "sgd clip norm": lambda ps: Case(
            o.SGD(ps, lr=0.3), clip=lambda ps: [shorten(torch, [p], 0.1) for p in ps] and None
        ),
        "sgd clip global_norm": lambda ps: Case(
            o.SGD(ps, lr=0.3, weight_decay=0.05), clip=lambda ps: shorten(torch, ps, 0.1)
        ),
        "sgd groups": lambda ps: Case(o.SGD(groups(ps), lr=0.3)),
        "sgd step_decay": lambda ps: Case(
            o.SGD(ps, lr=0.3), lambda opt: s.StepLR(opt, step_size=70, gamma=0.5)
        ),
        "momentum": lambda ps: Case(o.SGD(ps, lr=0.05, momentum=0.9)),
        "momentum weight_decay": lambda ps: Case(o.SGD(ps, lr=0.05, momentum=0.8, weight_decay=0.02)),
        "momentum exponential": lambda ps: Case(
            o.SGD(ps, lr=0.1, momentum=0.9), lambda opt: s.ExponentialLR(opt, gamma=0.99)
        ),
        "nesterov": lambda ps: Case(o.SGD(ps, lr=0.05, momentum=0.9, nesterov=True)),
        "nesterov exponential": lambda ps: Case(
            o.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
            lambda opt: s.ExponentialLR(opt, gamma=0.99),
        ),
        "adagrad": lambda ps: Case(o.Adagrad(ps, lr=0.1)),
        "adagrad initial decay": lambda ps: Case(
            o.Adagrad(ps, lr=0.2, lr_decay=0.01, initial_accumulator_value=0.1, weight_decay=0.01, eps=1e-8)
        ),
        "adadelta": lambda ps: Case(o.Adadelta(ps)),
        "adadelta options": lambda ps: Case(o.Adadelta(ps, lr=0.5, rho=0.95, eps=1e-5, weight_decay=0.01)),
        "rmsprop": lambda ps: Case(o.RMSprop(ps, lr=0.01)),
        "rmsprop centered": lambda ps: Case(o.RMSprop(ps, lr=0.005, alpha=0.9, eps=1e-4, centered=True)),
        "rmsprop momentum": lambda ps: Case(o.RMSprop(ps, lr=0.002, momentum=0.9, weight_decay=0.01)),
        "rmsprop centered momentum": lambda ps: Case(
            o.RMSprop(ps, lr=0.002, alpha=0.95, eps=1e-3, momentum=0.5, centered=True)
        ),
        "adam": lambda ps: Case(o.Adam(ps, lr=0.01)),
        "adam betas": lambda ps: Case(o.Adam(ps, lr=0.01, betas=(0.0, 0.9), eps=1e-3)),
        "adam amsgrad": lambda ps: Case(o.Adam(ps, lr=0.02, betas=(0.9, 0.95), amsgrad=True)),
        "adam weight_decay": lambda ps: Case(o.Adam(ps, lr=0.01, weight_decay=0.05)),
        "adam groups": lambda ps: Case(o.Adam(groups(ps), lr=0.02)),
        "adam l1": lambda ps: Case(o.Adam(ps, lr=0.01), penalty=l1),
        "adam warmup cosine": lambda ps: Case(o.Adam(ps, lr=0.02), warm),
        "adamw": lambda ps: Case(o.AdamW(ps, lr=0.01)),
        "adamw amsgrad": lambda ps: Case(o.AdamW(ps, lr=0.02, weight_decay=0.1, amsgrad=True)),
        "adamw linear": lambda ps: Case(
            o.AdamW(ps, lr=0.02, weight_decay=0.1), lambda opt: s.PolynomialLR(opt, total_iters=300)
        ),
        "adamw global_norm": lambda ps: Case(
            o.AdamW(ps, lr=0.01, weight_decay=0.1), clip=lambda ps: shorten(torch, ps, 0.05)
        ),
        "adafactor": lambda ps: Case(o.Adafactor(ps)),
        "adafactor relative": lambda ps: Case(o.Adafactor(ps, lr=0.1, beta2_decay=-0.5)),
        "adafactor options": lambda ps: Case(
            o.Adafactor(ps, lr=0.05, eps=(1e-4, 1e-2), d=2.0, weight_decay=0.1)
        ),
    }


def trajectory(torch: Any, make: Callable[[list[Any]], Case]) -> dict[str, list[float]]:
    """The parameters W, v, c in one row at each of STEPS."""
    data = {name: torch.tensor(PROBLEM[name], dtype=torch.float64) for name in ("X", "y", "T")}
    parameters = [
        torch.tensor(PROBLEM[name], dtype=torch.float64, requires_grad=True) for name in ("W", "v", "c")
    ]
    case = make(parameters)
    found = {}
    for step in range(1, max(STEPS) + 1):
        case.optimizer.zero_grad()
        loss = loss_of(torch, data, *parameters)
        if case.penalty:
            loss = loss + case.penalty(parameters)
        loss.backward()
        if case.clip:
            case.clip(parameters)
        case.optimizer.step()
        if case.scheduler:
            case.scheduler.step()
        if step in STEPS:
            flat = torch.cat([p.detach().reshape(-1) for p in parameters])
            found[str(step)] = [float(f"{value:.12g}") for value in flat.tolist()]
    return found


def schedules(torch: Any) -> dict[str, list[float]]:
    """Name → the rates of the first steps."""
    s = torch.optim.lr_scheduler

    def sequence(optimizer: Any) -> Any:
        rise = s.LinearLR(optimizer, start_factor=0.2, total_iters=8)
        fall = s.CosineAnnealingLR(optimizer, T_max=SCHEDULE_STEPS - 8, eta_min=0.01)
        return s.SequentialLR(optimizer, [rise, fall], milestones=[8])

    made = {
        "constant": lambda opt: s.ConstantLR(opt, factor=1.0),
        "step_decay": lambda opt: s.StepLR(opt, step_size=7, gamma=0.3),
        "exponential": lambda opt: s.ExponentialLR(opt, gamma=0.93),
        "linear": lambda opt: s.LinearLR(opt, start_factor=1.0, end_factor=0.1, total_iters=25),
        "polynomial": lambda opt: s.PolynomialLR(opt, total_iters=30, power=2.5),
        "cosine": lambda opt: s.CosineAnnealingLR(opt, T_max=SCHEDULE_STEPS, eta_min=0.02),
        "warmup": sequence,
    }
    found = {}
    for name, make in made.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        scheduler = make(optimizer)
        rates = []
        for _ in range(SCHEDULE_STEPS):
            rates.append(float(f"{optimizer.param_groups[0]['lr']:.12g}"))
            optimizer.step()
            scheduler.step()
        found[name] = rates
    return found


METRICS = [
    3.0,
    2.0,
    2.5,
    2.1,
    1.9999,
    2.2,
    1.0,
    1.1,
    1.2,
    1.3,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    1.0,
    1.1,
    1.2,
    0.4,
    0.5,
]
PLATEAUS: list[dict[str, Any]] = [
    {"patience": 2, "factor": 0.5},
    {"patience": 0, "factor": 0.1, "minimum": 0.001},
    {"patience": 1, "factor": 0.5, "cooldown": 2},
    {"patience": 1, "factor": 0.5, "threshold": 0.1},
    {"patience": 3, "factor": 0.5, "mode": "max"},
]


def plateaus(torch: Any) -> Iterator[dict[str, Any]]:
    """The rate after each of METRICS, for some options; the rate is 1 at first."""
    for options in PLATEAUS:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        theirs = {"min_lr" if name == "minimum" else name: value for name, value in options.items()}
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, eps=0.0, **theirs)
        rates = []
        for metric in METRICS:
            plateau.step(metric)
            rates.append(optimizer.param_groups[0]["lr"])
        yield {"options": options, "rates": rates}


def main() -> None:
    import torch

    figures = {
        "made by": f"tests/optim/reference/make_trajectories.py with torch {torch.__version__.split('+')[0]}",
        "problem": PROBLEM,
        "trajectories": {name: trajectory(torch, make) for name, make in cases(torch).items()},
        "schedules": schedules(torch),
        "metrics": METRICS,
        "plateaus": list(plateaus(torch)),
    }
    text = json.dumps(figures, indent=1)
    innermost = re.compile(r"\[[^\[\]{}]*\]")  # lists of numbers: one line each
    text = innermost.sub(lambda found: " ".join(found[0].split()), text)
    Path(__file__).with_name("trajectories.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
