"""Figures are drawn from the library's own numbers, the same bytes each time, and leave no trace behind."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import ArgumentError
from chainrule.view import plot_activations, plot_curves, plot_loss_surface, plot_map
from chainrule.view.figures import SURFACES, activation_values, logistic_loss, neuron_loss, surface

X = np.linspace(-3.95, 3.95, 80)  # avoids the kinks
SIGMOID = special.expit(X)
CLOSED_FORMS = {
    "identity": (X, np.ones_like(X)),
    "sign": (np.sign(X), np.zeros_like(X)),
    "sigmoid": (SIGMOID, SIGMOID * (1 - SIGMOID)),
    "tanh": (np.tanh(X), 1 / np.cosh(X) ** 2),
    "hard_tanh": (np.clip(X, -1, 1), (np.abs(X) < 1) * 1.0),
    "relu": (np.maximum(X, 0), (X > 0) * 1.0),
    "leaky_relu": (np.where(X > 0, X, 0.01 * X), np.where(X > 0, 1, 0.01)),
    "elu": (np.where(X > 0, X, np.expm1(X)), np.where(X > 0, 1, np.exp(X))),
    "gelu": (
        X * special.ndtr(X),
        special.ndtr(X) + X * np.exp(-(X**2) / 2) / math.sqrt(2 * math.pi),
    ),
    "silu": (X * SIGMOID, SIGMOID * (1 + X * (1 - SIGMOID))),
    "softplus": (np.logaddexp(0, X), SIGMOID),
}

RECORDS = [
    {
        "epoch": k, "loss": 3 / k, "validation_loss": 3 / k + 0.5 if k != 3 else float("nan"),
        "validation_accuracy": 1 - 1 / (k + 1), "learning_rate": 10.0**-k, "seconds": 1.0, "best": k < 4,
    }
    for k in range(1, 7)
]  # fmt: skip


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_activations_and_their_derivatives(name: str) -> None:
    value, slope = activation_values(name, X)
    np.testing.assert_allclose(value, CLOSED_FORMS[name][0], atol=1e-12)
    np.testing.assert_allclose(slope, CLOSED_FORMS[name][1], atol=1e-12)


def comments(path: Path) -> list[str]:
    """The texts of a figure: drawn as outlines, each is preceded by a comment that spells it."""
    text = path.read_text(encoding="utf-8")
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    root = ElementTree.fromstring(text, parser)
    return [(e.text or "").strip() for e in root.iter() if e.tag is ElementTree.Comment]


def test_a_panel_for_each_activation(tmp_path: Path) -> None:
    plot_activations(tmp_path / "a.svg")
    told = comments(tmp_path / "a.svg")
    names = [name.replace("_", " ") for name in cr.functions.ACTIVATIONS if name != "gelu_tanh"]
    assert len(names) == 12
    assert [text for text in told if text in names] == names
    assert "f(x)" in told


def test_curves(tmp_path: Path) -> None:
    plot_curves(RECORDS, tmp_path / "c.svg", title="A run & more")
    told = comments(tmp_path / "c.svg")
    assert [text for text in told if text in ("loss", "accuracy", "learning rate", "seconds", "best")] == [
        "loss", "best", "accuracy", "learning rate",
    ]  # fmt: skip
    assert told.count("training") == told.count("validation") == 1
    root = ElementTree.parse(tmp_path / "c.svg").getroot()
    assert root.get("aria-label") == "A run & more"
    assert "training loss from 3 to 0.5" in (root[1].text or "")
    assert "validation accuracy from 0.5 to 0.8571" in (root[1].text or "")


def test_one_epoch_and_missing_values(tmp_path: Path) -> None:
    plot_curves([{"loss": 1.0, "validation_loss": None}], tmp_path / "one.svg")
    assert "loss" in comments(tmp_path / "one.svg")
    with pytest.raises(ArgumentError, match="hold no numbers"):
        plot_curves([{"epoch": 1, "loss": math.inf}], tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_the_surfaces_are_convex_and_not() -> None:
    points = np.random.default_rng(3).uniform(-3, 3, (40, 2))

    def smallest_curvature(fn: object) -> float:
        hessian = cr.hessian(lambda w: fn(w[:1], w[1:]))  # type: ignore[operator]
        return float(min(np.linalg.eigvalsh(hessian(point)).min() for point in points))

    assert smallest_curvature(logistic_loss) > 0
    assert smallest_curvature(neuron_loss) < -0.1
    value, slope1, slope2 = surface(neuron_loss, np.array([[1.5, -1.5]]), np.array([[1.0, -1.0]]))
    np.testing.assert_allclose([value, slope1, slope2], 0, atol=1e-15)


def test_surfaces_are_drawn(tmp_path: Path) -> None:
    plot_loss_surface(tmp_path / "s.svg")
    assert set(SURFACES) <= set(comments(tmp_path / "s.svg"))


def test_the_same_bytes_and_no_trace(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    for name in ("1.svg", "2.svg"):
        plot_curves(RECORDS, tmp_path / name)
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
    assert dict(matplotlib.rcParams) == before
    text = (tmp_path / "1.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "date" not in text.lower().replace("validation", "").replace("dated", "")
    assert "currentColor" in text


def test_png_and_other_formats(tmp_path: Path) -> None:
    plot_curves(RECORDS, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ArgumentError, match=r"\.svg or \.png"):
        plot_curves(RECORDS, tmp_path / "c.jpeg")


def test_an_unknown_activation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no activation function 'swoosh'"):
        plot_activations(tmp_path / "a.svg", ["relu", "swoosh"])


# -- maps ------------------------------------------------------------------------------------------


def test_a_map_has_the_first_labels_and_none_upon_another(tmp_path: Path) -> None:
    points = [(0.0, 0.0), (0.001, 0.0), (1.0, 1.0), (0.5, 0.9)]
    path = tmp_path / "map.svg"
    plot_map(points, ["river", "stream", "wood & field", "hill"], path, "Words")
    said = comments(path)
    assert [word for word in ("river", "stream", "hill") if word in said] == ["river", "hill"]
    assert any("field" in text for text in said)
    assert path.read_text(encoding="utf-8").count("<use") >= 4  # a dot for each
    first = path.read_bytes()
    plot_map(points, ["river", "stream", "wood & field", "hill"], path, "Words")
    assert path.read_bytes() == first


def test_a_map_of_one_place_can_be_drawn(tmp_path: Path) -> None:
    plot_map([(2.0, 2.0), (2.0, 2.0)], ["a", "b"], tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("points", "labels"), [([], []), ([(0.0, 1.0)], ["a", "b"]), ([(0.0, math.nan)], ["a"])]
)
def test_no_map_of_what_has_no_place(tmp_path: Path, points, labels) -> None:
    with pytest.raises(ArgumentError, match="plot_map"):
        plot_map(points, labels, tmp_path / "map.svg")
    assert not list(tmp_path.iterdir())
