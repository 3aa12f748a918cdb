"""The workloads in PyTorch.

``eager`` runs forward and backward op by op and updates by ``torch.optim``, in the fastest form it has for
this workload: a loop over parameters, ``foreach``, ``fused``; for SGD also sparse gradients of the
embeddings; a convolution also as shifted products.  ``compile`` puts the whole step, gather and update
included, into one ``torch.compile``, with or without inductor's C++ wrapper.  Everything is functional: no
module's overhead is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SHIFTED = "shifted products"
"""A convolution as the sum over its width of products of the shifted input."""

OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adadelta": "Adadelta"}


def version() -> str:
    import torch

    return f"torch {torch.__version__}"


def device(spec: Any) -> tuple[str, int]:
    import torch

    if not torch.cuda.is_available():
        return "CPU", 1
    return torch.cuda.get_device_name(), torch.cuda.device_count()


def home() -> str:
    """Where tensors are put."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def choices(spec: Any) -> list[str]:
    if spec.kind == "compile":
        # What calls the kernels matters where they are small, and takes long to compile.
        forms = ["python wrapper"] + (["c++ wrapper"] if spec.network in ("mlp", "ranking") else [])
        forms += ["cuda graphs"] if spec.gpu else []
    else:
        forms = ["fused"] if spec.optimizer in ("sgd", "adam") else []
        forms += ["foreach", "loop"]
        forms += ["sparse"] if spec.optimizer == "sgd" and spec.network != "mlp" else []
    if spec.network != "cnn":
        return forms
    return [f"{form}, {layer}" for form in forms for layer in ("convolution", SHIFTED)]


def trainer(spec: Any) -> Any:
    import torch

    torch.set_num_threads(spec.threads)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False  # float32 throughout, as everywhere else
    torch.backends.cudnn.allow_tf32 = False
    return Compiled(spec) if spec.kind == "compile" else Eager(spec)


def tensors(spec: Any) -> list[Any]:
    """The parameters in PyTorch's layouts: (out, in) for products, (filters, channels, width)."""
    import torch

    found = []
    for place, array in enumerate(spec.parameters):
        tensor = torch.from_numpy(array.copy())
        if tensor.ndim == 3 and SHIFTED not in spec.choice:
            tensor = tensor.permute(2, 1, 0).contiguous()
        elif tensor.ndim == 2 and (place > 0 or spec.network == "mlp"):
            tensor = tensor.T.contiguous()
        found.append(tensor.to(home()))
    return found


def network(spec: Any, sparse: bool = False) -> Callable[..., Any]:
    """The loss of parameters and a batch."""
    import torch
    import torch.nn.functional as F

    activation: Any = {"sigmoid": torch.sigmoid, "relu": torch.relu, "tanh": torch.tanh}.get(
        spec.sizes.get("activation")
    )
    rate = spec.dropout

    def mlp(p: list[Any], x: Any, labels: Any) -> Any:
        for w, b in zip(p[:-2:2], p[1:-2:2], strict=True):
            x = activation(F.linear(x, w, b))
        return F.cross_entropy(F.linear(x, p[-2], p[-1]), labels)

    def hidden(p: list[Any], words: Any) -> Any:
        return activation(F.linear(F.embedding(words, p[0], sparse=sparse).flatten(-2), p[1], p[2]))

    def window(p: list[Any], words: Any, labels: Any) -> Any:
        return F.cross_entropy(F.linear(hidden(p, words), p[3], p[4]), labels)

    def ranking(p: list[Any], pairs: Any) -> Any:
        scores = F.linear(hidden(p, pairs), p[3])
        return torch.relu(1 + scores[:, 1, 0] - scores[:, 0, 0]).mean()

    def cnn(p: list[Any], words: Any, labels: Any) -> Any:
        x = F.embedding(words, p[0])
        layers = zip(p[1:-2:2], p[2:-2:2], strict=True)
        if SHIFTED in spec.choice:
            convolved = [shifted(x, w) + b for w, b in layers]
        else:
            convolved = [F.conv1d(x.transpose(1, 2), w, b).transpose(1, 2) for w, b in layers]
        features = torch.cat([torch.relu(torch.max(c, 1).values) for c in convolved], 1)
        return F.cross_entropy(F.linear(F.dropout(features, rate), p[-2], p[-1]), labels)

    networks: dict[str, Callable[..., Any]] = {"mlp": mlp, "window": window, "ranking": ranking, "cnn": cnn}
    return networks[spec.network]


def shifted(x: Any, kernel: Any) -> Any:
    windows = x.shape[1] - kernel.shape[0] + 1
    return sum(x[:, i : i + windows] @ kernel[i] for i in range(kernel.shape[0]))


class _Stepwise:
    """A Python loop over batches."""

    chunk = 1

    def __init__(self, spec: Any) -> None:
        import torch

        data = [torch.from_numpy(array).to(home()) for array in spec.data]
        self.data = [array.long() if array.dtype == torch.int32 else array for array in data]
        self.rows = list(torch.from_numpy(spec.order).long().to(home()))
        self.at = 0
        self.wait = torch.cuda.synchronize if home() == "cuda" else lambda: None

    def step(self, rows: Any) -> Any:
        raise NotImplementedError("eager and compiled training say what a step is")

    def run(self, steps: int) -> Any:
        found = []
        for _ in range(steps):
            found.append(self.step(self.rows[self.at]))
            self.at = (self.at + 1) % len(self.rows)
        self.wait()
        return found

    def losses(self, steps: int) -> list[float]:
        return [float(loss) for loss in self.run(steps)]


class Eager(_Stepwise):
    """Op by op."""

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        import torch

        self.parameters = [tensor.requires_grad_() for tensor in tensors(spec)]
        form = spec.choice.partition(",")[0]
        self.loss = network(spec, sparse=form == "sparse")
        given = spec.options
        options: dict[str, Any] = {"lr": given["learning_rate"]}
        if spec.optimizer == "adam":
            options |= {"betas": (given["beta1"], given["beta2"]), "eps": given["epsilon"]}
        elif spec.optimizer == "adadelta":
            options |= {"rho": given["rho"], "eps": given["epsilon"]}
        options |= {"fused": True} if form == "fused" else {"foreach": form == "foreach"}
        self.optimizer = getattr(torch.optim, OPTIMIZERS[spec.optimizer])(self.parameters, **options)

    def step(self, rows: Any) -> Any:
        loss = self.loss(self.parameters, *[array.index_select(0, rows) for array in self.data])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class Compiled(_Stepwise):
    """The whole step as one compiled graph; parameters and state are updated in place."""

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        import torch

        torch._inductor.config.cpp_wrapper = spec.choice.startswith("c++")
        torch._dynamo.reset()
        self.parameters = tensors(spec)
        self.state = [
            [torch.zeros_like(p) for p in self.parameters] for _ in range(0 if spec.optimizer == "sgd" else 2)
        ]
        self.count = torch.zeros((), device=home())
        value_and_gradient = torch.func.grad_and_value(network(spec))
        update = UPDATES[spec.optimizer]
        options = spec.options

        def step(parameters: Any, state: Any, count: Any, data: Any, rows: Any) -> Any:
            batch = [array.index_select(0, rows) for array in data]
            gradients, loss = value_and_gradient(parameters, *batch)
            count.add_(1)
            for place, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
                update(p, g, [slot[place] for slot in state], count, **options)
            return loss

        # What is launched from the processor costs more there than small kernels take.
        mode = "reduce-overhead" if spec.choice.startswith("cuda graphs") else None
        self.compiled = torch.compile(step, mode=mode)
        self.no_grad = torch.no_grad

    def step(self, rows: Any) -> Any:
        return self.compiled(self.parameters, self.state, self.count, self.data, rows)

    def run(self, steps: int) -> Any:
        with self.no_grad():
            return super().run(steps)


def sgd(p: Any, g: Any, state: Any, count: Any, *, learning_rate: float) -> None:
    p.sub_(learning_rate * g)


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
    mean, squares = state
    mean.mul_(beta1).add_((1 - beta1) * g)
    squares.mul_(beta2).add_((1 - beta2) * g * g)
    root = (squares / (1 - beta2**count)).sqrt()
    p.sub_(learning_rate / (1 - beta1**count) * mean / (root + epsilon))


def adadelta(
    p: Any, g: Any, state: Any, count: Any, *, learning_rate: float, rho: float, epsilon: float
) -> None:
    squares, steps = state
    squares.mul_(rho).add_((1 - rho) * g * g)
    delta = (steps + epsilon).sqrt() * (squares + epsilon).rsqrt() * g
    steps.mul_(rho).add_((1 - rho) * delta * delta)
    p.sub_(learning_rate * delta)


UPDATES: dict[str, Callable[..., Any]] = {"sgd": sgd, "adam": adam, "adadelta": adadelta}
