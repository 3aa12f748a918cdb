"""The workloads in MLX: the whole step as one ``mx.compile``\\ d function, evaluated once a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def version() -> str:
    import mlx.core as mx

    return f"mlx {mx.__version__}"


def device(spec: Any) -> tuple[str, int]:
    return "CPU", 1  # as ``trainer`` says


def choices(spec: Any) -> list[str]:
    return ["shifted products", "convolution"] if spec.network == "cnn" else [""]


def trainer(spec: Any) -> Any:
    import mlx.core as mx

    mx.set_default_device(mx.cpu)
    return Step(spec)


def network(spec: Any) -> Callable[..., Any]:
    """The loss of parameters, a random key and a batch."""
    import mlx.core as mx

    activation: Any = {
        "sigmoid": mx.sigmoid,
        "relu": lambda x: mx.maximum(x, 0.0),
        "tanh": mx.tanh,
    }.get(spec.sizes.get("activation"))
    rate = spec.dropout

    def cross_entropy(scores: Any, labels: Any) -> Any:
        right = mx.take_along_axis(scores, labels[:, None], 1)[:, 0]
        return (mx.logsumexp(scores, axis=1) - right).mean()

    def mlp(p: list[Any], key: Any, x: Any, labels: Any) -> Any:
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            x = activation(mx.addmm(b, x, w))
        return cross_entropy(mx.addmm(p[-1], x, p[-2]), labels)

    def hidden(p: list[Any], words: Any) -> Any:
        return activation(mx.addmm(p[2], p[0][words].reshape(-1, p[1].shape[0]), p[1]))

    def window(p: list[Any], key: Any, words: Any, labels: Any) -> Any:
        return cross_entropy(mx.addmm(p[4], hidden(p, words), p[3]), labels)

    def ranking(p: list[Any], key: Any, pairs: Any) -> Any:
        scores = (hidden(p, pairs) @ p[3]).reshape(-1, 2)
        return mx.maximum(1 + scores[:, 1] - scores[:, 0], 0.0).mean()

    def convolve(x: Any, kernel: Any) -> Any:
        if spec.choice == "convolution":
            return mx.conv1d(x, kernel.transpose(2, 0, 1))
        windows = x.shape[1] - kernel.shape[0] + 1
        return sum(x[:, i : i + windows] @ kernel[i] for i in range(kernel.shape[0]))

    def cnn(p: list[Any], key: Any, words: Any, labels: Any) -> Any:
        x = p[0][words]
        convolved = [convolve(x, k) + b for k, b in zip(p[1:-2:2], p[2:-2:2], strict=True)]
        features = mx.concatenate([mx.maximum(c.max(axis=1), 0.0) for c in convolved], axis=1)
        if rate:
            features = features * mx.random.bernoulli(1 - rate, features.shape, key=key) / (1 - rate)
        return cross_entropy(mx.addmm(p[-1], features, p[-2]), labels)

    networks: dict[str, Callable[..., Any]] = {"mlp": mlp, "window": window, "ranking": ranking, "cnn": cnn}
    return networks[spec.network]


class Step:
    """One call and one evaluation a step."""

    chunk = 1

    def __init__(self, spec: Any) -> None:
        import mlx.core as mx

        self.evaluate = mx.eval
        self.data = [mx.array(array) for array in spec.data]
        self.rows = [mx.array(rows) for rows in spec.order]
        self.at = 0
        parameters = [mx.array(array) for array in spec.parameters]
        slots = 0 if spec.optimizer == "sgd" else 2
        state = [[mx.zeros_like(p) for p in parameters] for _ in range(slots)]
        self.carry: Any = (parameters, state, mx.array(0.0), mx.random.key(0))
        value_and_gradient = mx.value_and_grad(network(spec))
        update = UPDATES[spec.optimizer]
        options = spec.options

        def step(carry: Any, data: Any, rows: Any) -> Any:
            parameters, state, count, key = carry
            key, own = mx.random.split(key)
            loss, gradients = value_and_gradient(parameters, own, *[array[rows] for array in data])
            count = count + 1
            found = [
                update(p, g, [slot[place] for slot in state], count, **options)
                for place, (p, g) in enumerate(zip(parameters, gradients, strict=True))
            ]
            new = [[item[number] for item in found] for number in range(1 + len(state))]
            return (new[0], new[1:], count, key), loss

        self.call = mx.compile(step)

    def run(self, steps: int) -> Any:
        found = []
        for _ in range(steps):
            self.carry, loss = self.call(self.carry, self.data, self.rows[self.at])
            self.evaluate(self.carry, loss)
            found.append(loss)
            self.at = (self.at + 1) % len(self.rows)
        return found

    def losses(self, steps: int) -> list[float]:
        return [float(loss) for loss in self.run(steps)]


def sgd(p: Any, g: Any, state: Any, count: Any, *, learning_rate: float) -> Any:
    return (p - learning_rate * g,)


def adam(
    p: Any,
    g: Any,
    state: Any,
    count: Any,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Any:
    import mlx.core as mx

    mean = beta1 * state[0] + (1 - beta1) * g
    squares = beta2 * state[1] + (1 - beta2) * g * g
    root = mx.sqrt(squares / (1 - beta2**count)) + epsilon
    return p - learning_rate / (1 - beta1**count) * mean / root, mean, squares


def adadelta(
    p: Any, g: Any, state: Any, count: Any, *, learning_rate: float, rho: float, epsilon: float
) -> Any:
    import mlx.core as mx

    squares = rho * state[0] + (1 - rho) * g * g
    delta = mx.sqrt(state[1] + epsilon) / mx.sqrt(squares + epsilon) * g
    return p - learning_rate * delta, squares, rho * state[1] + (1 - rho) * delta * delta


UPDATES: dict[str, Callable[..., Any]] = {"sgd": sgd, "adam": adam, "adadelta": adadelta}
