"""The primitives: one op, one place; one family a file.

May import: graph, dtypes, errors, namespace, special.
Start reading at ``elementwise.py`` (a family) and ``arithmetic.py`` (its ops).
"""

from .arithmetic import (
    abs,
    add,
    divide,
    floor_divide,
    maximum,
    minimum,
    multiply,
    negative,
    pow,
    reciprocal,
    remainder,
    rsqrt,
    sign,
    sqrt,
    square,
    subtract,
)
from .casts import astype, stop_gradient
from .comparison import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    where,
)
from .composite import Composite, expand, parts
from .contraction import matmul, outer, vecdot
from .einsum import einsum, tensordot
from .elementwise import Elementwise, broadcast_shapes, function_of, unlisted_function_of
from .indexing import one_hot, pick, scatter_add, scatter_along_axis, take, take_along_axis
from .movement import (
    broadcast_to,
    concat,
    expand_dims,
    flip,
    matrix_transpose,
    pad,
    permute_dims,
    repeat,
    reshape,
    roll,
    slice_axis,
    split,
    squeeze,
    stack,
    tile,
)
from .reduction import (
    all,
    any,
    argmax,
    argmin,
    cumulative_sum,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from .rounding import ceil, clip, floor, round
from .transcendental import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cos,
    cosh,
    erf,
    exp,
    expm1,
    log,
    log1p,
    log2,
    sigmoid,
    sin,
    sinh,
    tan,
    tanh,
)
from .windows import overlap_add, sliding_windows
