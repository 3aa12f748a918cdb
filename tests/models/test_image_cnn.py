from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate2d

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from chainrule.models.image_cnn import ImageCNN


def test_it_computes_what_scipy_computes() -> None:
    """Two stages and a linear head, by SciPy's correlation, one image and one filter at a time."""
    net = ImageCNN((8, 8), 3, seed=0, filters=[2, 3], window=3, hidden=[])
    images = np.random.default_rng(0).standard_normal((2, 8, 8)).astype(np.float32)
    h = images[..., None]
    for convolution in net.convolutions:
        w, b = convolution.weight.value, convolution.bias.value
        z = np.stack(
            [
                np.stack(
                    [
                        sum(correlate2d(image[..., c], w[..., c, f], "same") for c in range(w.shape[2]))
                        + b[f]
                        for f in range(w.shape[3])
                    ],
                    axis=-1,
                )
                for image in h
            ]
        )
        a = np.maximum(z, 0)
        n, height, width, channels = a.shape
        h = a.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
    (last,) = net.head.layers
    expected = h.reshape(2, -1) @ last.weight.value + last.bias.value
    np.testing.assert_allclose(net(cr.constant(images)).value, expected, rtol=1e-4, atol=1e-5)


def test_parameters_are_counted() -> None:
    net = ImageCNN((28, 28), 10, seed=0, filters=[6, 16], window=5, hidden=[120, 84])
    assert net.parameter_count() == 107_786
    convolutions = 25 * 6 + 6 + 25 * 6 * 16 + 16
    dense = 7 * 7 * 16 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10
    assert convolutions + dense == 107_786


def test_gradients_are_right() -> None:
    net = ImageCNN((4, 4, 2), 2, seed=0, filters=[2], window=3, hidden=[3], activation=cr.tanh)
    images = np.random.default_rng(2).standard_normal((2, 4, 4, 2)).astype(np.float32)
    loss = cr.cross_entropy(net(cr.constant(images)), np.array([0, 1]))
    report = cr.check_gradients(loss, wrt=net.parameters())
    assert report.worst is not None
    assert report.worst.difference < 1e-6


def test_colours_are_channels() -> None:
    assert ImageCNN((16, 12, 3), 5, seed=0)(cr.placeholder((7, 16, 12, 3))).shape == (7, 5)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"images of shape \(9, 8\); the network takes \(8, 8\)"):
        ImageCNN((8, 8), 2, seed=0)(cr.placeholder((1, 9, 8)))


@pytest.mark.parametrize(
    ("options", "text"),
    [({"filters": [2, 2, 2, 2]}, "leave nothing of images"), ({"window": 4}, "cannot be padded evenly")],
)
def test_impossible_networks(options: dict[str, object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        ImageCNN((8, 8), 2, seed=0, **options)


def test_dropout_needs_the_mode() -> None:
    net = ImageCNN((8, 8), 2, seed=0, dropout=0.5)
    x = cr.constant(np.random.default_rng(0).standard_normal((1, 8, 8)).astype(np.float32))
    np.testing.assert_array_equal(net(x).value, net(x).value)
    dropped = net(x, mode=cr.nn.training(cr.random.key(0))).value
    assert not np.array_equal(dropped, net(x).value)
