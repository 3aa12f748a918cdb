"""Makes ``torch.json``, figures to compare losses, convolutions, pooling and attention with.

Run once, with torch 2.13.0 and NumPy installed: ``python make_reference.py``.  Inputs are stored beside
the figures, so that the tests need neither torch nor the generator that drew them.  Channels are first
in torch and last here; the arrays in the file have channels last.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(20260)


def rounded(x: Any) -> Any:
    """Nested lists of numbers, to ten figures."""
    array = x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    if array.dtype.kind in "iub":
        return array.tolist()
    return np.vectorize(lambda v: float(f"{v:.10g}"), otypes=[float])(array).tolist()


def leaf(array: Any) -> torch.Tensor:
    return torch.tensor(array, requires_grad=True)


def draw(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).round(3)


def weighted(y: torch.Tensor, x: list[torch.Tensor]) -> list[Any]:
    """The gradients of Σ y·cos(0, 1, 2, …), an upstream that differs from place to place."""
    upstream = torch.cos(torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)
    return [rounded(g) for g in torch.autograd.grad(y, x, upstream)]


def cross_entropies() -> list[dict[str, Any]]:
    rows = []
    logits = draw(5, 4) * 2
    indices = np.array([0, 3, 1, 3, 2])
    ignored = np.array([0, -100, 1, 3, -100])
    soft = np.abs(draw(5, 4)) + 0.1
    soft = (soft / soft.sum(1, keepdims=True)).round(3)
    weights = np.array([0.5, 2.0, 1.0, 0.25])
    for reduction in ("mean", "sum", "none"):
        for smoothing in (0.0, 0.1):
            for weight in (None, weights):
                for targets, ignore in ((indices, None), (ignored, -100), (soft, None)):
                    z = leaf(logits)
                    loss = F.cross_entropy(
                        z,
                        torch.tensor(targets),
                        weight=None if weight is None else torch.tensor(weight),
                        ignore_index=-100,
                        label_smoothing=smoothing,
                        reduction=reduction,
                    )
                    upstream = torch.cos(torch.arange(loss.numel(), dtype=torch.float64)).reshape(loss.shape)
                    (gradient,) = torch.autograd.grad(loss, z, upstream)
                    rows.append(
                        {
                            "logits": rounded(logits),
                            "targets": rounded(targets),
                            "options": {
                                "reduction": reduction,
                                "label_smoothing": smoothing,
                                "class_weights": None if weight is None else rounded(weight),
                                "ignore_index": ignore,
                            },
                            "loss": rounded(loss),
                            "gradient": rounded(gradient),
                        }
                    )
    return rows


def other_losses() -> list[dict[str, Any]]:
    x, t = draw(3, 4) * 2, draw(3, 4)
    labels = (rng.uniform(size=(3, 4)) > 0.5).astype(float)
    signs = 2 * labels - 1
    logp = np.log(np.abs(draw(3, 4)) + 0.1)
    p = np.abs(draw(3, 4)) + 0.1
    p = p / p.sum(1, keepdims=True)
    weight = np.array([1.0, 2.0, 0.5, 3.0])
    cases = [
        ("mse_loss", x, t, {}, lambda a, b: F.mse_loss(a, b)),
        ("l1_loss", x, t, {}, lambda a, b: F.l1_loss(a, b)),
        ("huber_loss", x, t, {"delta": 0.7}, lambda a, b: F.huber_loss(a, b, delta=0.7)),
        ("binary_cross_entropy_with_logits", x, labels, {}, F.binary_cross_entropy_with_logits),
        (
            "binary_cross_entropy_with_logits",
            x,
            labels,
            {"pos_weight": rounded(weight)},
            lambda a, b: F.binary_cross_entropy_with_logits(a, b, pos_weight=torch.tensor(weight)),
        ),
        ("kl_divergence", logp, p, {}, lambda a, b: F.kl_div(a, b, reduction="batchmean")),
        ("hinge_loss", x, signs, {}, lambda a, b: torch.clamp(1 - a * b, min=0).mean()),
        ("max_margin", x, t, {"margin": 0.5}, lambda a, b: torch.clamp(0.5 + b - a, min=0).mean()),
    ]
    rows = []
    for name, first, second, options, function in cases:
        a = leaf(first)
        loss = function(a, torch.tensor(second))
        (gradient,) = torch.autograd.grad(loss, a)
        rows.append(
            {
                "name": name,
                "x": rounded(first),
                "targets": rounded(second),
                "options": options,
                "loss": rounded(loss),
                "gradient": rounded(gradient),
            }
        )
    return rows


def convolutions() -> list[dict[str, Any]]:
    rows = []
    for options in (
        {},
        {"padding": 1},
        {"stride": 2, "padding": 2},
        {"dilation": 2, "padding": 1},
        {"groups": 2},
        {"stride": 2, "dilation": 2, "padding": 3, "groups": 2},
    ):
        for spatial in ((7,), (4, 5)):
            groups = options.get("groups", 1)
            kernel = (3,) if len(spatial) == 1 else (3, 2)
            x, w, b = draw(2 if len(spatial) == 1 else 1, *spatial, 4), draw(*kernel, 4 // groups, 2), draw(2)
            a, k, c = leaf(x), leaf(w), leaf(b)
            function = F.conv1d if len(spatial) == 1 else F.conv2d
            y = function(a.movedim(-1, 1), k.movedim((-1, -2), (0, 1)), c, **options).movedim(1, -1)
            rows.append(
                {
                    "x": rounded(x),
                    "weight": rounded(w),
                    "bias": rounded(b),
                    "options": options,
                    "out": rounded(y),
                    "gradients": weighted(y, [a, k, c]),
                }
            )
    return rows


def poolings() -> list[dict[str, Any]]:
    sequence, image = draw(2, 7, 2), draw(1, 5, 6, 2)
    cases = [
        ("max_pool1d", sequence, {"size": 3}, lambda a: F.max_pool1d(a, 3)),
        ("max_pool1d", sequence, {"size": 3, "stride": 2, "padding": 1}, lambda a: F.max_pool1d(a, 3, 2, 1)),
        ("max_pool2d", image, {"size": 2}, lambda a: F.max_pool2d(a, 2)),
        (
            "max_pool2d",
            image,
            {"size": [3, 2], "stride": [2, 1], "padding": [1, 0]},
            lambda a: F.max_pool2d(a, (3, 2), (2, 1), (1, 0)),
        ),
        ("average_pool1d", sequence, {"size": 3, "stride": 2}, lambda a: F.avg_pool1d(a, 3, 2)),
        (
            "average_pool1d",
            sequence,
            {"size": 3, "stride": 2, "padding": 1, "count_padding": True},
            lambda a: F.avg_pool1d(a, 3, 2, 1),
        ),
        (
            "average_pool2d",
            image,
            {"size": 3, "stride": 2, "padding": 1},
            lambda a: F.avg_pool2d(a, 3, 2, 1, count_include_pad=False),
        ),
        ("adaptive_average_pool1d", sequence, {"size": 3}, lambda a: F.adaptive_avg_pool1d(a, 3)),
        ("adaptive_average_pool1d", sequence, {"size": 9}, lambda a: F.adaptive_avg_pool1d(a, 9)),
        ("adaptive_average_pool2d", image, {"size": [2, 4]}, lambda a: F.adaptive_avg_pool2d(a, (2, 4))),
        ("adaptive_max_pool1d", sequence, {"size": 4}, lambda a: F.adaptive_max_pool1d(a, 4)),
        ("adaptive_max_pool2d", image, {"size": [3, 4]}, lambda a: F.adaptive_max_pool2d(a, (3, 4))),
    ]
    rows = []
    for name, x, options, function in cases:
        a = leaf(x)
        y = function(a.movedim(-1, 1)).movedim(1, -1)
        rows.append(
            {
                "name": name,
                "x": rounded(x),
                "options": options,
                "out": rounded(y),
                "gradients": weighted(y, [a]),
            }
        )
    return rows


def attentions() -> list[dict[str, Any]]:
    q, k, v = draw(2, 3, 4), draw(2, 5, 4), draw(2, 5, 3)
    allowed = rng.uniform(size=(3, 5)) > 0.4
    allowed[:, 0] = True
    added = draw(2, 3, 5)
    rows = []
    for mask, options in (
        (None, {}),
        (None, {"causal": True}),
        (None, {"scale": 0.3}),
        (allowed, {}),
        (added, {}),
    ):
        leaves = [leaf(q), leaf(k), leaf(v)]
        y = F.scaled_dot_product_attention(
            *leaves,
            attn_mask=None if mask is None else torch.tensor(mask),
            is_causal=options.get("causal", False),
            scale=options.get("scale"),
        )
        rows.append(
            {
                "inputs": [rounded(q), rounded(k), rounded(v)],
                "mask": None if mask is None else rounded(mask),
                "options": options,
                "out": rounded(y),
                "gradients": weighted(y, leaves),
            }
        )
    return rows


def activations() -> list[dict[str, Any]]:
    x = np.array([-1e4, -30.0, -5.5, -1.0, -0.3, 0.0, 0.4, 1.0, 3.0, 25.0, 1e4])
    functions = {
        "hard_tanh": F.hardtanh,
        "relu": F.relu,
        "leaky_relu": F.leaky_relu,
        "elu": F.elu,
        "selu": F.selu,
        "gelu": F.gelu,
        "gelu_tanh": lambda a: F.gelu(a, approximate="tanh"),
        "silu": F.silu,
        "softplus": lambda a: torch.logaddexp(a, torch.zeros(())),
    }
    rows = []
    for name, function in functions.items():
        a = leaf(x)
        y = function(a)
        rows.append(
            {
                "name": name,
                "x": rounded(x),
                "out": rounded(y),
                "slope": rounded(torch.autograd.grad(y.sum(), a)[0]),
            }
        )
    return rows


def similarities() -> list[dict[str, Any]]:
    x, y = draw(3, 4), draw(3, 4)
    x[0] = 0.0
    a, b = leaf(x), leaf(y)
    out = F.cosine_similarity(a, b, dim=-1)
    return [{"x": rounded(x), "y": rounded(y), "out": rounded(out), "gradients": weighted(out, [a, b])}]


def main() -> None:
    tables = {
        "torch": torch.__version__.split("+")[0],
        "activations": activations(),
        "cross_entropy": cross_entropies(),
        "losses": other_losses(),
        "convolution": convolutions(),
        "pooling": poolings(),
        "attention": attentions(),
        "cosine_similarity": similarities(),
    }
    path = Path(__file__).with_name("torch.json")
    path.write_text(json.dumps(tables, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
