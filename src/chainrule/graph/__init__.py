"""The graph: immutable, interned nodes, their origins, walks over them, environments, text form.

May import: errors, dtypes.  Knows no op and no engine.
Start reading at ``node.py``, then ``op.py``, ``building.py`` and ``walks.py``.
"""

from .building import apply, rebuild, rebuilt, substitute
from .environment import Array, Environment, bind, conform, forward_pass, leaf_value
from .interning import user_place
from .leaves import Constant, Placeholder, Variable, as_node, constant, lease, placeholder, sizes_of, variable
from .lending import Lease
from .memory import ALIGNMENT, aligned_empty, is_aligned
from .misfit import Misfit, differing, shape_error
from .node import Axis, Node, NodeLike, set_backward, set_evaluator
from .op import CONSTANT, PLACEHOLDER, VARIABLE, Leaf, Op, Shape
from .operators import call, register
from .origins import Origin, current_module, derived_from, module_scope
from .text import format_graph
from .walks import consumers, depending_on, topological

__all__ = [
    "ALIGNMENT",
    "CONSTANT",
    "PLACEHOLDER",
    "VARIABLE",
    "Array",
    "Axis",
    "Constant",
    "Environment",
    "Leaf",
    "Lease",
    "Misfit",
    "Node",
    "NodeLike",
    "Op",
    "Origin",
    "Placeholder",
    "Shape",
    "Variable",
    "aligned_empty",
    "apply",
    "as_node",
    "bind",
    "call",
    "conform",
    "constant",
    "consumers",
    "current_module",
    "depending_on",
    "derived_from",
    "differing",
    "format_graph",
    "forward_pass",
    "is_aligned",
    "leaf_value",
    "lease",
    "module_scope",
    "placeholder",
    "rebuild",
    "rebuilt",
    "register",
    "set_backward",
    "set_evaluator",
    "shape_error",
    "sizes_of",
    "substitute",
    "topological",
    "user_place",
    "variable",
]
