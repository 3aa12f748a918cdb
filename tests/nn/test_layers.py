"""Layers with parameters, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.train import TrainingStep

RULES = [
    cr.optim.SGD,
    cr.optim.Momentum,
    cr.optim.Adagrad,
    cr.optim.Adadelta,
    cr.optim.RMSProp,
    cr.optim.Adam,
    cr.optim.AdamW,
    cr.optim.Adafactor,
]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f")


# -- linear ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(7,), (2, 3), (), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(lead, bias):
    layer = nn.Linear(4, 3, seed=0, bias=bias)
    x = random(*lead, 4)
    expected = x @ layer.weight.value
    if bias:
        assert not layer.bias.value.any()
        layer.bias.assign([1.0, 2.0, 3.0])
        expected = expected + np.array([1, 2, 3])
    assert np.allclose(layer(cr.constant(x)).value, expected, atol=1e-6)
    assert layer.parameter_count() == 12 + 3 * bias


def test_linear_starts_from_xavier_unless_told():
    bound = np.sqrt(6 / 300)
    weight = nn.Linear(100, 200, seed=0).weight.value
    assert bound * 0.99 < np.abs(weight).max() <= bound
    assert not nn.Linear(100, 200, seed=0, initial=nn.initialisers.zeros).weight.value.any()


def test_linear_names_the_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"inputs of shape \(2, 5\) and a weight of shape \(4, 3\)"):
        nn.Linear(4, 3, seed=0)(cr.placeholder((2, 5)))


# -- embedding -------------------------------------------------------------------------------------


def test_embedding_is_one_hot_times_matrix():
    table = nn.Embedding(6, 3, seed=0)
    ids = np.array([[1, 5], [0, 1]])
    assert np.array_equal(table(ids).value, np.eye(6, dtype="f")[ids] @ table.weight.value)
    assert np.abs(table.weight.value).max() <= 0.1
    with pytest.raises(IndexRangeError):
        table(np.array([6])).value  # noqa: B018  # evaluated


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled": True}, {"l1": 0.01, "l2": 0.01}]
)
def test_the_padding_row_stays_zero_whatever_trains_it(rule, options):
    table = nn.Embedding(5, 3, seed=0, padding=2)
    if rule is cr.optim.AdamW:
        options = {key: value for key, value in options.items() if key != "decoupled"}
    step = TrainingStep(
        lambda ids, mode: cr.sum((table(ids) - 1) ** 2), rule(table.parameters(), 0.05, **options)
    )
    before = table.weight.value
    for _ in range(4):
        step((np.array([[0, 2, 1], [2, 2, 4]]),))
    after = table.weight.value
    assert not after[2].any()
    assert not np.signbit(after[2]).any()
    assert (after[[0, 1, 4]] != before[[0, 1, 4]]).all()


def test_the_padding_row_gets_no_gradient_and_repeated_rows_get_the_sum():
    table = nn.Embedding(4, 2, seed=0, padding=0)
    loss = cr.sum(table(np.array([0, 1, 1, 3])))
    assert cr.gradients(loss, table.weight).value.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


def test_a_padding_row_must_be_one_of_the_rows():
    with pytest.raises(ArgumentError, match="the padding row 4 is not among the 4 rows"):
        nn.Embedding(4, 2, seed=0, padding=4)


def test_a_frozen_embedding_is_used_and_not_trained():
    vectors = random(4, 3)
    net = nn.Sequential(
        nn.Embedding(4, 3, seed=0, frozen=True, initial=nn.initialisers.from_array(vectors)),
        nn.Linear(3, 1, seed=1),
    )
    step = TrainingStep(lambda ids, mode: cr.mean(net(ids, mode=mode)), cr.optim.Adam(net.parameters(), 0.1))
    before = net[1].weight.value
    step((np.array([0, 1]),))
    assert np.array_equal(net[0].weight.value, vectors)
    assert (net[1].weight.value != before).all()


# -- convolutions ----------------------------------------------------------------------------------


def correlate(x, weight, stride, padding, dilation):
    """One example, channels last, by SciPy: each filter's correlation with every channel, added up."""
    axes = weight.ndim - 2
    spread = np.zeros(
        [(k - 1) * d + 1 for k, d in zip(weight.shape, dilation, strict=False)] + [*weight.shape[-2:]]
    )
    spread[tuple(slice(None, None, d) for d in dilation)] = weight
    padded = np.pad(x, [(p, p) for p in padding] + [(0, 0)])
    whole = np.stack(
        [
            sum(signal.correlate(padded[..., c], spread[..., c, f], mode="valid") for c in range(x.shape[-1]))
            for f in range(weight.shape[-1])
        ],
        axis=-1,
    )
    return whole[tuple(slice(None, None, s) for s in stride[:axes])]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv1d(stride, padding, dilation, groups):
    layer = nn.Conv1d(4, 6, 3, seed=0, stride=stride, padding=padding, dilation=dilation, groups=groups)
    layer.bias.assign(np.arange(6.0))
    x = random(2, 11, 4)
    found = layer(cr.constant(x)).value
    weight = layer.weight.value
    assert weight.shape == (3, 4 // groups, 6)
    parts = [
        [
            correlate(example, w, (stride,), (padding,), (dilation,))
            for example, w in zip(np.split(row, groups, -1), np.split(weight, groups, -1), strict=True)
        ]
        for row in x
    ]
    expected = np.stack([np.concatenate(row, -1) for row in parts]) + np.arange(6)
    assert found.shape == expected.shape == (2, (11 + 2 * padding - 2 * dilation - 1) // stride + 1, 6)
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (3, {}),
        ((2, 3), {"stride": (2, 1), "padding": (1, 0)}),
        (2, {"dilation": 2, "padding": 2}),
        ((1, 2), {"stride": 3, "groups": 3}),
    ],
)
def test_conv2d(size, options):
    layer = nn.Conv2d(3, 6, size, seed=0, bias=False, **options)
    x = random(2, 8, 7, 3)

    def both(name, usual):
        value = options.get(name, usual)
        return (value, value) if isinstance(value, int) else value

    groups = options.get("groups", 1)
    geometry = both("stride", 1), both("padding", 0), both("dilation", 1)
    expected = np.stack(
        [
            np.concatenate(
                [
                    correlate(part, w, *geometry)
                    for part, w in zip(
                        np.split(row, groups, -1), np.split(layer.weight.value, groups, -1), strict=True
                    )
                ],
                -1,
            )
            for row in x
        ]
    )
    found = layer(cr.constant(x)).value
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-5)
    assert layer.bias is None


def test_groups_must_divide_channels_and_filters():
    for make in (nn.Conv1d, nn.Conv2d):
        with pytest.raises(ArgumentError, match="2 groups do not divide 3 channels and 4 filters"):
            make(3, 4, 2, seed=0, groups=2)


# -- normalisation ---------------------------------------------------------------------------------


def test_layer_norm():
    layer, x = nn.LayerNorm(5), random(3, 2, 5) * 4 + 1
    layer.scale.assign(np.arange(1.0, 6.0))
    layer.shift.assign(np.arange(5.0))
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * np.arange(1, 6) + np.arange(5)
    assert np.allclose(layer(cr.constant(x)).value, expected, atol=1e-5)


def test_rms_norm():
    layer, x = nn.RMSNorm(5), random(3, 2, 5) * 4 + 1
    layer.scale.assign(np.arange(1.0, 6.0))
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * np.arange(1, 6)
    assert np.allclose(layer(cr.constant(x)).value, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 3), (2, 4, 3), (2, 2, 2, 3)])
def test_batch_norm_in_training_uses_the_batch_and_in_evaluation_the_averages(shape):
    layer, x = nn.BatchNorm(3), random(*shape) * 2 + 5
    layer.scale.assign([1.0, 2.0, 3.0])
    layer.shift.assign([0.0, 1.0, 2.0])
    layer.mean.assign([1.0, 2.0, 3.0])
    layer.variance.assign([4.0, 5.0, 6.0])

    def normalised(mean, variance):
        return (x - mean) / np.sqrt(variance + 1e-5) * [1, 2, 3] + [0, 1, 2]

    axes = tuple(range(len(shape) - 1))
    trained = layer(cr.constant(x), mode=nn.training()).value
    assert np.allclose(trained, normalised(x.mean(axes), x.var(axes)), atol=1e-4)
    evaluated = layer(cr.constant(x)).value
    assert np.allclose(evaluated, normalised(np.array([1, 2, 3]), np.array([4, 5, 6])), atol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
def test_batch_norm_averages_over_training_steps(momentum):
    net = nn.Sequential(nn.Linear(2, 3, seed=0), nn.BatchNorm(3, momentum=momentum))
    optimizer = cr.optim.Adam(net.parameters(), 0.01)
    step = TrainingStep(lambda x, mode: cr.mean(net(x, mode=mode) ** 3), optimizer)
    mean, variance = np.zeros(3), np.ones(3)
    for seed in range(5):
        x = random(4 + seed, 2, seed=seed)  # batches of several sizes: n/(n - 1) differs
        h = x @ net[0].weight.value + net[0].bias.value
        step((x,))
        mean = (1 - momentum) * mean + momentum * h.mean(0)
        variance = (1 - momentum) * variance + momentum * h.var(0, ddof=1)
        assert np.allclose(net[1].mean.value, mean, atol=1e-5)
        assert np.allclose(net[1].variance.value, variance, atol=1e-5)
    assert net[1].scale.value.tolist() != [1, 1, 1]  # trained as well
    x = random(1, 2, seed=9)
    h = x @ net[0].weight.value + net[0].bias.value
    expected = (h - mean) / np.sqrt(variance + 1e-5) * net[1].scale.value + net[1].shift.value
    assert np.allclose(net(cr.constant(x)).value, expected, atol=1e-4)


def test_a_batch_norm_called_twice_in_a_step_averages_twice():
    norm = nn.BatchNorm(1, momentum=0.5)
    mode = nn.training()
    for value in (4.0, 8.0):
        norm(cr.constant([[value], [value]]), mode=mode)
    assert mode.updates[norm.mean].value.tolist() == [0.5 * (0.5 * 0 + 0.5 * 4) + 0.5 * 8]


def test_batch_norm_of_one_example_has_a_variance_of_zero_and_no_nan():
    norm = nn.BatchNorm(2, momentum=0.5)
    mode = nn.training()
    assert norm(cr.constant([[3.0, 4.0]]), mode=mode).value.tolist() == [[0, 0]]
    assert mode.updates[norm.variance].value.tolist() == [0.5, 0.5]


def test_batch_norm_keeps_its_averages_in_their_own_dtype():
    norm = nn.BatchNorm(2)
    mode = nn.training()
    norm(cr.constant(np.ones((3, 2))), mode=mode)
    assert {update.dtype.name for update in mode.updates.values()} == {"float32"}


def test_gradients_flow_through_the_batchs_statistics():
    norm, x = nn.BatchNorm(2), random(5, 2)
    cr.check_gradients(lambda x: cr.sum(norm(x, mode=nn.training()) ** 3), x)


def test_the_momentum_of_batch_norm_is_a_share():
    with pytest.raises(ArgumentError, match=r"lies in \[0, 1\], not 1.5"):
        nn.BatchNorm(2, momentum=1.5)


# -- dropout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    x = cr.constant(np.full(100_000, 3.0, "f"))
    y = nn.Dropout(rate)(x, mode=nn.training(cr.random.key(0))).value
    kept = y != 0
    assert abs((~kept).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / y.size)
    assert np.allclose(y[kept], 3 / (1 - rate))
    runs = np.corrcoef(kept[:-1], kept[1:])[0, 1]  # neighbours are dropped independently
    assert abs(runs) < 4 / np.sqrt(y.size)


def test_dropout_of_rate_zero_and_evaluation_are_the_identity():
    x = cr.placeholder((3,))
    assert nn.Dropout(0.0)(x, mode=nn.training()) is x  # it needs no key either
    assert nn.Dropout(0.5)(x) is x


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_dropout_refuses_rates_that_are_no_share(rate):
    with pytest.raises(ArgumentError, match=r"the rate of a dropout lies in \[0, 1\)"):
        nn.Dropout(rate)
