"""The workloads in JAX.

``step`` is one jitted step, called for each batch; ``scan`` is a jitted ``lax.scan`` over the batches of an
epoch.  Data and order lie on the device, a step gathers its batch inside, and parameters and state are
donated, so that they are updated in place.  ``rows`` is ``scan`` with something that JAX leaves to the
programmer: the gradient of the embeddings is taken with respect to the rows looked up, and SGD updates those
rows alone (the same numbers, for a rule that leaves a row without a gradient where it is).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def version() -> str:
    import jax

    # Float32 throughout, as everywhere else: on GPUs the operands of products would be rounded to 10 bits.
    jax.config.update("jax_default_matmul_precision", "highest")
    return f"jax {jax.__version__}"


def device(spec: Any) -> tuple[str, int]:
    import jax

    found = jax.devices()
    return ("CPU", 1) if found[0].platform == "cpu" else (found[0].device_kind, len(found))


def choices(spec: Any) -> list[str]:
    if spec.network == "cnn" and spec.kind == "step":
        return ["shifted products", "convolution"]  # inside a scan XLA's convolution is 16 times slower
    return ["shifted products"] if spec.network == "cnn" else [""]


def trainer(spec: Any) -> Any:
    return Step(spec) if spec.kind == "step" else Scan(spec)


def network(spec: Any) -> Callable[..., Any]:
    """The loss of parameters, the rows that the words look up, a random key and a batch."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    activation: Any = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "tanh": jnp.tanh}.get(
        spec.sizes.get("activation")
    )
    rate = spec.dropout

    def cross_entropy(scores: Any, labels: Any) -> Any:
        right = jnp.take_along_axis(scores, labels[:, None], 1)[:, 0]
        return (jax.nn.logsumexp(scores, axis=1) - right).mean()

    def mlp(p: list[Any], key: Any, x: Any, labels: Any) -> Any:
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            x = activation(x @ w + b)
        return cross_entropy(x @ p[-2] + p[-1], labels)

    def hidden(p: list[Any], looked_up: Any) -> Any:
        return activation(looked_up.reshape(*looked_up.shape[:-2], -1) @ p[0] + p[1])

    def window(p: list[Any], key: Any, looked_up: Any, labels: Any) -> Any:
        return cross_entropy(hidden(p, looked_up) @ p[2] + p[3], labels)

    def ranking(p: list[Any], key: Any, looked_up: Any) -> Any:
        scores = hidden(p, looked_up) @ p[2]
        return jax.nn.relu(1 + scores[:, 1, 0] - scores[:, 0, 0]).mean()

    def convolve(x: Any, kernel: Any) -> Any:
        if spec.choice == "convolution":
            return lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
        windows = x.shape[1] - kernel.shape[0] + 1
        return sum(x[:, i : i + windows] @ kernel[i] for i in range(kernel.shape[0]))

    def cnn(p: list[Any], key: Any, looked_up: Any, labels: Any) -> Any:
        convolved = [convolve(looked_up, k) + b for k, b in zip(p[:-2:2], p[1:-2:2], strict=True)]
        features = jnp.concatenate([jax.nn.relu(c.max(axis=1)) for c in convolved], axis=1)
        if rate:
            kept = jax.random.bernoulli(key, 1 - rate, features.shape)
            features = jnp.where(kept, features / (1 - rate), 0)
        return cross_entropy(features @ p[-2] + p[-1], labels)

    networks: dict[str, Callable[..., Any]] = {"mlp": mlp, "window": window, "ranking": ranking, "cnn": cnn}
    return networks[spec.network]


def one_step(spec: Any) -> Callable[..., Any]:
    """(parameters, state, count), a batch's row numbers, data → the next of the same, loss."""
    import jax
    import jax.numpy as jnp

    loss = network(spec)
    update = UPDATES[spec.optimizer]
    options = spec.options

    def whole(p: list[Any], key: Any, first: Any, *rest: Any) -> Any:
        """The loss with the look-up inside, as one writes it."""
        if spec.network == "mlp":
            return loss(p, key, first, *rest)
        return loss(p[1:], key, p[0][first], *rest)

    def by_rows(p: list[Any], words: Any, key: Any, *rest: Any) -> Any:
        value, (rows, others) = jax.value_and_grad(
            lambda looked_up, q: loss(q, key, looked_up, *rest), argnums=(0, 1)
        )(p[0][words], p[1:])
        rate = options["learning_rate"]
        return [
            p[0].at[words].add(-rate * rows),
            *[a - rate * g for a, g in zip(p[1:], others, strict=True)],
        ], value

    def step(carry: Any, rows: Any, data: Any) -> Any:
        parameters, state, count = carry
        count = count + 1
        key = jax.random.fold_in(jax.random.key(0), count) if spec.dropout else None
        batch = [array[rows] for array in data]
        if spec.kind == "rows":
            parameters, value = by_rows(parameters, batch[0], key, *batch[1:])
            return (parameters, state, count), value
        value, gradients = jax.value_and_grad(whole)(parameters, key, *batch)
        parameters, state = update(parameters, gradients, state, count.astype(jnp.float32), **options)
        return (parameters, state, count), value

    return step


class _OnDevice:
    """Data, order, parameters and state as JAX holds them."""

    def __init__(self, spec: Any) -> None:
        import jax
        import jax.numpy as jnp

        self.data = [jnp.asarray(array) for array in spec.data]
        self.order = jnp.asarray(spec.order)
        parameters = [jnp.asarray(array) for array in spec.parameters]
        state = [[jnp.zeros_like(p) for p in parameters] for _ in range(0 if spec.optimizer == "sgd" else 2)]
        self.carry: Any = (parameters, state, jnp.zeros((), jnp.int32))
        self.wait = jax.block_until_ready


class Step(_OnDevice):
    """One call a step; which batch it is follows from the count, so that nothing is sent."""

    chunk = 1

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        import jax

        step = one_step(spec)
        self.call = jax.jit(
            lambda carry, order, data: step(carry, order[carry[2] % len(order)], data), donate_argnums=0
        )

    def run(self, steps: int) -> Any:
        found = []
        for _ in range(steps):
            self.carry, loss = self.call(self.carry, self.order, self.data)
            found.append(loss)
        self.wait(self.carry)
        return found

    def losses(self, steps: int) -> list[float]:
        return [float(loss) for loss in self.run(steps)]


class Scan(_OnDevice):
    """One call an epoch."""

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        import jax
        from jax import lax

        step = one_step(spec)
        self.chunk = len(spec.order)
        self.call = jax.jit(
            lambda carry, order, data: lax.scan(lambda c, rows: step(c, rows, data), carry, order),
            donate_argnums=0,
        )

    def run(self, steps: int) -> Any:
        found = []
        for _ in range(steps // self.chunk):
            self.carry, losses = self.call(self.carry, self.order, self.data)
            found.append(losses)
        self.wait(self.carry)
        return found

    def losses(self, steps: int) -> list[float]:
        return [float(loss) for losses in self.run(steps) for loss in losses]


def sgd(p: Any, g: Any, state: Any, count: Any, *, learning_rate: float) -> Any:
    return [a - learning_rate * b for a, b in zip(p, g, strict=True)], state


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
    import jax.numpy as jnp

    means = [beta1 * m + (1 - beta1) * b for m, b in zip(state[0], g, strict=True)]
    squares = [beta2 * s + (1 - beta2) * b * b for s, b in zip(state[1], g, strict=True)]
    rate, correction = learning_rate / (1 - beta1**count), 1 / (1 - beta2**count)
    new = [
        a - rate * m / (jnp.sqrt(s * correction) + epsilon) for a, m, s in zip(p, means, squares, strict=True)
    ]
    return new, [means, squares]


def adadelta(
    p: Any, g: Any, state: Any, count: Any, *, learning_rate: float, rho: float, epsilon: float
) -> Any:
    import jax.numpy as jnp

    squares = [rho * s + (1 - rho) * b * b for s, b in zip(state[0], g, strict=True)]
    deltas = [
        jnp.sqrt(d + epsilon) / jnp.sqrt(s + epsilon) * b
        for d, s, b in zip(state[1], squares, g, strict=True)
    ]
    steps = [rho * d + (1 - rho) * x * x for d, x in zip(state[1], deltas, strict=True)]
    return [a - learning_rate * x for a, x in zip(p, deltas, strict=True)], [squares, steps]


UPDATES: dict[str, Callable[..., Any]] = {"sgd": sgd, "adam": adam, "adadelta": adadelta}
