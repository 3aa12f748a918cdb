"""A kernel to LLVM text: ``void @name(ptr args, i64 lo, i64 hi)`` runs the places lo ≤ i < hi of its axis.

``args`` points to pointers: first to the failure flag (an int64), then one to each buffer in the order
of :func:`kernel_buffers`.  A kernel without an axis is called with 0 and 1.  The text holds no address
and no name of a buffer, so kernels that are alike share one function.
"""

from __future__ import annotations

from hashlib import blake2b

from ...loops.ir import Buffer, Kernel, Loop, Program, Statement
from ...loops.text import canonical
from .emit_facts import Facts
from .emit_functions import expanded
from .emit_nests import Nests
from .emit_pack import packed
from .emit_plan import Planner
from .target import Target


def kernel_buffers(kernel: Kernel) -> list[Buffer]:
    """The buffers of a kernel in the order of their pointers: that of their first use.

    >>> from chainrule import loops
    >>> from chainrule.dtypes import float32
    >>> i = loops.Axis("i", 4)
    >>> x, y = (loops.Buffer(name, 4, float32) for name in "xy")
    >>> copy = loops.kernel("copy", i, [loops.store(y, loops.axis(i), loops.load(x, loops.axis(i)))])
    >>> [buffer.name for buffer in kernel_buffers(copy)]
    ['y', 'x']
    """
    return Program((kernel,)).buffers()


def function_name(kernel: Kernel) -> str:
    """A name made of the kernel's content: kernels that are alike have one."""
    return f"kernel_{blake2b(canonical(kernel).encode(), digest_size=12).hexdigest()}"


def emit_kernel(kernel: Kernel, target: Target, name: str | None = None) -> str:
    """The LLVM text of a kernel for one machine; the function is called ``name``, or by its content.

    Elementary functions of float32 become arithmetic, small matrices that rows read across are transposed
    on the stack first, and a plan says what the lanes are and which rows are done side by side.
    """
    body: tuple[Statement, ...] = expanded(kernel.body, target.has_fma)
    first: list[Statement] = []
    stack: list[Buffer] = []
    outer = None
    if kernel.axis is not None:
        first, body, stack = packed(body, kernel.axis, target)
        outer = Loop(kernel.axis, body)
        body = (*first, outer)
    facts = Facts(body)
    plan = Planner(target, facts, outer).make(body)
    buffers = kernel_buffers(kernel)
    nests = Nests(target, facts, buffers, plan)
    for buffer in stack:
        nests.on_stack(buffer)
    if outer is None:
        nests.body(body)
    elif outer.axis.extent:
        nests.body(first)
        nests.range(outer, "%lo", "%hi", None)
    nests.report()
    return _function(name or function_name(kernel), nests, buffers)


def _function(name: str, nests: Nests, buffers: list[Buffer]) -> str:
    lines = [f"define void @{name}(ptr %args, i64 %lo, i64 %hi) nounwind {{", "entry:"]
    lines += nests.allocations
    lines.append("%flag = load ptr, ptr %args")
    for number in range(len(buffers)):
        lines.append(f"%q{number} = getelementptr ptr, ptr %args, i64 {number + 1}")
        lines.append(f"%b{number} = load ptr, ptr %q{number}")
    lines += nests.levels[0].lines
    lines += ["ret void", "}", *nests.declared, ""]
    return "\n".join(lines)
