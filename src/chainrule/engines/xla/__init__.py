"""The XLA engine: a graph run by JAX as one jitted function, on a CPU, a GPU or a TPU.

May import: ground, mathematics, the stepper.  JAX (the extra ``xla``) is imported when the engine is used.
Start reading at ``engine.py``, then ``lowering.py``.
"""

from ... import namespace
from . import array_functions
from .engine import Xla
from .mesh import Mesh, Share
from .processes import FellowError, Place, Team, fellow_failures, join, progress
from .setting import jax

namespace.ELSEWHERE["jax.numpy"] = array_functions

__all__ = [
    "FellowError",
    "Mesh",
    "Place",
    "Share",
    "Team",
    "Xla",
    "fellow_failures",
    "jax",
    "join",
    "progress",
]
