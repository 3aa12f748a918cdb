"""The workloads in TensorFlow: the whole step as one ``tf.function``, compiled by XLA or run as a graph.

Variables are updated in place; SGD on embeddings uses the sparse gradients that TensorFlow gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def version() -> str:
    import tensorflow as tf

    return f"tensorflow {tf.__version__}"


def device(spec: Any) -> tuple[str, int]:
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    if not found:
        return "CPU", 1
    details = tf.config.experimental.get_device_details(found[0])
    return str(details.get("device_name", "GPU")), len(found)


def choices(spec: Any) -> list[str]:
    return ["xla", "graph"]


def trainer(spec: Any) -> Any:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(spec.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.random.set_seed(0)
    tf.config.experimental.enable_tensor_float_32_execution(False)  # float32 throughout, as everywhere else
    return Step(spec)


def network(spec: Any) -> Callable[..., Any]:
    """The loss of parameters and a batch."""
    import tensorflow as tf

    activation: Any = {"sigmoid": tf.sigmoid, "relu": tf.nn.relu, "tanh": tf.tanh}.get(
        spec.sizes.get("activation")
    )
    rate = spec.dropout

    def cross_entropy(scores: Any, labels: Any) -> Any:
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores))

    def mlp(p: list[Any], x: Any, labels: Any) -> Any:
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            x = activation(x @ w + b)
        return cross_entropy(x @ p[-2] + p[-1], labels)

    def hidden(p: list[Any], words: Any) -> Any:
        looked_up = tf.reshape(tf.gather(p[0], words), (-1, p[1].shape[0]))
        return activation(looked_up @ p[1] + p[2])

    def window(p: list[Any], words: Any, labels: Any) -> Any:
        return cross_entropy(hidden(p, words) @ p[3] + p[4], labels)

    def ranking(p: list[Any], pairs: Any) -> Any:
        scores = tf.reshape(hidden(p, pairs) @ p[3], (-1, 2))
        return tf.reduce_mean(tf.nn.relu(1 + scores[:, 1] - scores[:, 0]))

    def cnn(p: list[Any], words: Any, labels: Any) -> Any:
        x = tf.gather(p[0], words)
        convolved = [tf.nn.conv1d(x, k, 1, "VALID") + b for k, b in zip(p[1:-2:2], p[2:-2:2], strict=True)]
        features = tf.concat([tf.nn.relu(tf.reduce_max(c, 1)) for c in convolved], 1)
        if rate:
            features = tf.nn.dropout(features, rate)
        return cross_entropy(features @ p[-2] + p[-1], labels)

    networks: dict[str, Callable[..., Any]] = {"mlp": mlp, "window": window, "ranking": ranking, "cnn": cnn}
    return networks[spec.network]


class Step:
    """One call a step."""

    chunk = 1

    def __init__(self, spec: Any) -> None:
        import tensorflow as tf

        self.data = [tf.constant(array) for array in spec.data]
        self.rows = [tf.constant(rows) for rows in spec.order]
        self.at = 0
        parameters = [tf.Variable(array) for array in spec.parameters]
        state = [
            [tf.Variable(tf.zeros_like(p)) for p in parameters]
            for _ in range(0 if spec.optimizer == "sgd" else 2)
        ]
        count = tf.Variable(0.0)
        loss_of = network(spec)
        update = UPDATES[spec.optimizer]
        options = spec.options

        def step(data: Any, rows: Any) -> Any:
            batch = [tf.gather(array, rows) for array in data]
            with tf.GradientTape() as tape:
                loss = loss_of(parameters, *batch)
            count.assign_add(1.0)
            for place, (p, g) in enumerate(zip(parameters, tape.gradient(loss, parameters), strict=True)):
                update(p, g, [slot[place] for slot in state], count, **options)
            return loss

        self.call = tf.function(step, jit_compile=spec.choice == "xla")
        self.held = parameters, state, count  # a tf.function does not keep variables alive

    def run(self, steps: int) -> Any:
        found = []
        for _ in range(steps):
            found.append(self.call(self.data, self.rows[self.at]))
            self.at = (self.at + 1) % len(self.rows)
        found[-1].numpy()
        return found

    def losses(self, steps: int) -> list[float]:
        return [float(loss) for loss in self.run(steps)]


def sgd(p: Any, g: Any, state: Any, count: Any, *, learning_rate: float) -> None:
    import tensorflow as tf

    if isinstance(g, tf.IndexedSlices):
        p.scatter_sub(tf.IndexedSlices(learning_rate * g.values, g.indices))
    else:
        p.assign_sub(learning_rate * g)


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
) -> None:
    import tensorflow as tf

    g = tf.convert_to_tensor(g)
    mean = state[0].assign(beta1 * state[0] + (1 - beta1) * g)
    squares = state[1].assign(beta2 * state[1] + (1 - beta2) * g * g)
    rate = learning_rate / (1 - beta1**count)
    p.assign_sub(rate * mean / (tf.sqrt(squares / (1 - beta2**count)) + epsilon))


def adadelta(
    p: Any, g: Any, state: Any, count: Any, *, learning_rate: float, rho: float, epsilon: float
) -> None:
    import tensorflow as tf

    g = tf.convert_to_tensor(g)
    squares = state[0].assign(rho * state[0] + (1 - rho) * g * g)
    delta = tf.sqrt(state[1] + epsilon) / tf.sqrt(squares + epsilon) * g
    state[1].assign(rho * state[1] + (1 - rho) * delta * delta)
    p.assign_sub(learning_rate * delta)


UPDATES: dict[str, Callable[..., Any]] = {"sgd": sgd, "adam": adam, "adadelta": adadelta}
