"""The XLA engine: a graph run by JAX as one jitted function, on a CPU, a GPU or a TPU.

May import: ground, mathematics, the stepper.  JAX (the extra ``xla``) is imported when the engine is used.
Start reading at ``engine.py``, then ``lowering.py``.
"""

from ... import namespace
from . import array_functions
from .engine import Xla
from .setting import jax

namespace.ELSEWHERE["jax.numpy"] = array_functions

__all__ = ["Xla", "jax"]
