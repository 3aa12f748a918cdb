"""What does an elementary function of a million float32 cost, and how right is it?

Each function is one kernel of the native engine, on one thread, over arrays that stay in the second-level
cache; beside it NumPy, and PyTorch where that is installed.  The error is the greatest of a sample over all
arguments, in units of the last place, against float64.  Rounds are interleaved, and the least time of each
counts.

    python benchmarks/elementary_functions.py [--elements 65536] [--rounds 30]
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import machine

from chainrule import loops
from chainrule.dtypes import float32
from chainrule.engines.native import emit, jit
from chainrule.engines.native.target import host
from chainrule.engines.native.vector_mathematics import expand
from chainrule.loops import Axis, Buffer, walk

try:
    import torch
except ImportError:
    torch = None
try:
    from scipy.special import erf
except ImportError:
    erf = None

Array = np.ndarray[Any, Any]
Run = Callable[[], object]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


NUMPY: dict[str, Callable[..., Any] | None] = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh, "sigmoid": sigmoid,
    "erf": erf, "sin": np.sin, "cos": np.cos, "pow": np.power, "atan2": np.arctan2,
}  # fmt: skip
TORCH = {"pow": "pow", "atan2": "atan2"} | {name: name for name in NUMPY}


def compiled(name: str, operands: list[Array], out: Array) -> tuple[Run, int]:
    """A call of the function over all of the arrays, and how many operations an element takes."""
    place = Axis("i", out.size)
    i = loops.axis(place)
    buffers = [Buffer(f"x{k}", out.size, float32, "input") for k in range(len(operands))]
    value = getattr(loops, name + "_" * (name == "pow"))(*[loops.load(b, i) for b in buffers])
    result = Buffer("out", out.size, float32, "output")
    kernel = loops.kernel(name, place, [loops.store(result, i, value)])
    symbol = emit.function_name(kernel)
    address = jit.compile_functions({symbol: lambda: emit.emit_kernel(kernel, host())})[symbol]
    arrays = dict(zip([*buffers, result], [*operands, out], strict=True))
    flag = np.zeros(1, np.int64)
    pointers = np.array([flag.ctypes.data, *[arrays[b].ctypes.data for b in emit.kernel_buffers(kernel)]])
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)
    expansion = [
        v for v in walk([expand(value, host().has_fma)]) if v.op not in ("constant", "bitcast", "neg")
    ]
    operations = sum(v.op not in ("load", "axis") for v in expansion)
    return lambda: call(pointers.ctypes.data, 0, out.size), operations


def greatest_error(name: str, rng: np.random.Generator) -> float:
    """In units of the last place, over arguments of all sizes and over ordinary ones."""
    reference = NUMPY[name]
    if reference is None:
        return float("nan")
    worst = 0.0
    for draw in (0, 1):
        count = 2 if name in ("pow", "atan2") else 1
        shape = (count, 1 << 18)
        bits = rng.integers(0, 1 << 32, shape, dtype=np.uint32).view(np.float32)
        x = list(bits if draw == 0 else (rng.normal(size=shape) * 5).astype(np.float32))
        out = np.empty_like(x[0])
        compiled(name, x, out)[0]()
        with np.errstate(all="ignore"):
            exact = np.asarray(reference(*[v.astype(np.float64) for v in x]))
            unit = np.ldexp(1.0, np.maximum(np.frexp(exact)[1], -125) - 24)
            error = np.abs(out - exact) / unit
            usual = np.isfinite(exact.astype(np.float32)) & np.isfinite(out)
        worst = max(worst, float(error[usual].max()))
    return worst


def contenders(name: str, x: list[Array], out: Array) -> dict[str, Run]:
    """Everybody's call over the same operands."""
    found: dict[str, Run] = {"chainrule": compiled(name, x, out)[0]}
    function = NUMPY[name]
    if function is not None:
        if isinstance(function, np.ufunc):
            found["numpy"] = lambda: function(*x, out=out)
        else:
            found["numpy"] = lambda: function(*x)
    if torch is not None:
        tensors, result = [torch.from_numpy(v) for v in x], torch.from_numpy(out)
        found["torch"] = lambda: getattr(torch, name)(*tensors, out=result)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=1 << 16)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    print(machine())
    others = ["numpy", *(["torch"] if torch else [])]
    if torch is not None:
        torch.set_num_threads(1)
        print(f"torch {torch.__version__}; all on one thread; times in ms a million elements")
    print(
        f"{'function':>8}  {'operations':>10}  {'max ulp':>7}  {'chainrule':>9}  "
        + "  ".join(f"{o:>7} {'ratio':>6}" for o in others)
    )
    rng = np.random.default_rng(0)
    for name in NUMPY:
        count = 2 if name in ("pow", "atan2") else 1
        x = [np.abs(rng.normal(size=options.elements)).astype(np.float32) for _ in range(count)]
        out = np.empty_like(x[0])
        runs = contenders(name, x, out)
        best = dict.fromkeys(runs, np.inf)
        for _ in range(options.rounds):
            for who, run in runs.items():
                began = time.perf_counter()
                run()
                best[who] = min(best[who], time.perf_counter() - began)
        ours = best["chainrule"]
        cells = [
            f"{best[o] / options.elements * 1e9:>7.3f} {best[o] / ours:>5.1f}×" if o in best else f"{'–':>14}"
            for o in others
        ]
        print(
            f"{name:>8}  {compiled(name, x, out)[1]:>10}  {greatest_error(name, rng):>7.2f}  "
            f"{ours / options.elements * 1e9:>9.3f}  " + "  ".join(cells)
        )


if __name__ == "__main__":
    main()
