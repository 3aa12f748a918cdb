"""Einstein sums: any contraction by letters, as movements, sums and matrix products."""

from __future__ import annotations

import math
import operator
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..dtypes import DType
from ..errors import ArgumentError, ShapeError
from ..graph import Node, NodeLike, Shape, apply, register, user_place
from .axes import one_axis
from .casts import cast
from .composite import Composite
from .contraction import matmul, operands_of
from .movement import permute_dims, reshape
from .reduction import sum as sum_
from .slicing import slice_axis

Term = tuple[Node, str]
"""An operand and its axes, one letter each."""


class Einsum(Composite):
    """A sum of products over letters: operands are contracted two at a time, as matrix products."""

    name = "einsum"

    def infer(self, *inputs: Node, spec: str) -> tuple[Shape, DType]:
        terms, output = _terms(inputs, spec)
        length = {letter: size for x, letters in terms for letter, size in zip(letters, x.shape, strict=True)}
        return tuple([length[letter] for letter in output]), inputs[0].dtype

    def build(self, *inputs: Node, spec: str) -> Node:
        terms, output = _terms(inputs, spec)
        terms = [_diagonal(*term) for term in terms]
        terms = [_without_lone(index, terms, output) for index in range(len(terms))]
        while len(terms) > 1:
            first, second = _next_pair(terms, output)
            rest = [term for index, term in enumerate(terms) if index not in (first, second)]
            terms = [*rest, _product(terms[first], terms[second], {*output, *_letters(rest)})]
        result, letters = terms[0]
        return cast(permute_dims(result, [letters.index(letter) for letter in output]), inputs[0].dtype)

    def render(self, *inputs: str, **attributes: Any) -> str:
        return f"einsum('{attributes['spec']}', {', '.join(inputs)})"


def _terms(inputs: Sequence[Node], spec: str) -> tuple[list[Term], str]:
    operands, output = spec.split("->")
    return list(zip(inputs, operands.split(","), strict=True)), output


def _letters(terms: Sequence[Term]) -> str:
    return "".join(letters for _, letters in terms)


def _diagonal(x: Node, letters: str) -> Term:
    """Axes that carry one letter twice become their diagonal: every (n + 1)-th element of the two."""
    while len(set(letters)) < len(letters):
        letter = next(letter for letter, count in Counter(letters).items() if count > 1)
        pair = [axis for axis, other in enumerate(letters) if other == letter][:2]
        kept = [axis for axis in range(x.ndim) if axis not in pair]
        length = x.shape[pair[0]]
        moved = permute_dims(x, (*kept, *pair))
        flat = reshape(moved, (*moved.shape[:-2], length * length))
        x = slice_axis(flat, -1, None, None, length + 1)
        letters = "".join(letters[axis] for axis in kept) + letter
    return x, letters


def _without_lone(index: int, terms: Sequence[Term], output: str) -> Term:
    """The term summed over the letters that neither another term nor the output has."""
    x, letters = terms[index]
    elsewhere = {*output, *_letters([*terms[:index], *terms[index + 1 :]])}
    lone = tuple([axis for axis, letter in enumerate(letters) if letter not in elsewhere])
    return sum_(x, axis=lone), "".join(letter for letter in letters if letter in elsewhere)


def _next_pair(terms: Sequence[Term], output: str) -> tuple[int, int]:
    """The two terms whose product is smallest: the greedy order of contraction."""
    length = {letter: size for x, letters in terms for letter, size in zip(letters, x.shape, strict=True)}
    best: tuple[int, int, int] | None = None
    for second in range(len(terms)):
        for first in range(second):
            rest = [term for index, term in enumerate(terms) if index not in (first, second)]
            kept = {*terms[first][1], *terms[second][1]} & {*output, *_letters(rest)}
            size = math.prod(length[letter] for letter in kept)
            if best is None or size < best[0]:
                best = (size, first, second)
    assert best is not None
    return best[1:]


def _product(left: Term, right: Term, needed: set[str]) -> Term:
    """Two terms contracted over the letters that both have and nobody needs any more."""
    (x, of_x), (y, of_y) = left, right
    batch = [letter for letter in of_x if letter in of_y and letter in needed]
    inner = [letter for letter in of_x if letter in of_y and letter not in needed]
    rows = [letter for letter in of_x if letter not in of_y]
    columns = [letter for letter in of_y if letter not in of_x]
    shape = [x.shape[of_x.index(letter)] for letter in batch + rows]
    shape += [y.shape[of_y.index(letter)] for letter in columns]
    x = _arranged(x, of_x, batch, rows, inner)
    y = _arranged(y, of_y, batch, inner, columns)
    product = matmul(x, y) if inner else x * y
    return reshape(product, shape), "".join(batch + rows + columns)


def _arranged(x: Node, letters: str, batch: list[str], first: list[str], second: list[str]) -> Node:
    """``x`` as a batch of matrices, whose rows and columns run over the letters ``first`` and ``second``."""
    moved = permute_dims(x, [letters.index(letter) for letter in batch + first + second])
    lead, middle = len(batch), len(batch) + len(first)
    sizes = moved.shape
    return reshape(moved, (*sizes[:lead], math.prod(sizes[lead:middle]), math.prod(sizes[middle:])))


_EINSUM = Einsum()


def einsum(spec: str, *operands: NodeLike) -> Node:
    """Einstein's sum: a letter names an axis, and letters that the output lacks are summed over.

    ``einsum("ij,jk->ik", x, y)[i, k] = Σⱼ x[i, j]·y[j, k]``.  A letter twice in one operand takes the
    diagonal; ``...`` stands for any axes in front, which broadcast.  Without ``->`` the output has the
    letters that occur once, in alphabetical order.

    Raises ``ArgumentError`` for a specification that cannot be read, ``ShapeError`` where a letter
    stands for different lengths, ``DTypeError`` for booleans.

    >>> import chainrule as cr
    >>> x = cr.constant([[1.0, 2.0], [3.0, 4.0]])
    >>> float(cr.einsum("ii", x)), cr.einsum("ij,i->j", x, [10.0, 1.0]).value
    (5.0, array([13., 24.], dtype=float32))
    """
    if not operands:
        raise ArgumentError("einsum: there are no operands", where=user_place())
    nodes = operands_of("einsum", operands)
    inputs, output = _parsed(spec, nodes)
    nodes, inputs, output = _without_ellipsis(spec, nodes, inputs, output)
    _check_lengths(spec, nodes, inputs)
    return apply(_EINSUM, *nodes, spec=f"{','.join(inputs)}->{output}")


def _refused(spec: str, what: str, mend: str | None = None) -> ArgumentError:
    return ArgumentError(f"einsum: {spec!r}: {what}", where=user_place(), mend=mend)


def _parsed(spec: str, nodes: Sequence[Node]) -> tuple[list[str], str]:
    """The letters of each operand and of the output, with ``.`` for an ellipsis."""
    text = "".join(spec.split()).replace("...", ".")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(nodes):
        raise _refused(spec, f"{len(inputs)} operands are described, and {len(nodes)} given")
    for part in (*inputs, output):
        strange = set(part) - set(string.ascii_letters) - {"."}
        if strange or part.count(".") > 1:
            shown = "".join(sorted(strange)) or "..."
            raise _refused(spec, f"{shown!r} cannot stand here", "use letters, commas, one -> and one ...")
    known = set("".join(inputs))
    if not arrow:
        counted = Counter("".join(inputs).replace(".", ""))
        once = sorted(letter for letter, count in counted.items() if count == 1)
        return inputs, "." * ("." in known) + "".join(once)
    for letter, count in Counter(output).items():
        name = "..." if letter == "." else letter
        if letter not in known:
            raise _refused(spec, f"{name!r} of the output is in no operand")
        if count > 1:
            raise _refused(
                spec, f"{name!r} is twice in the output", "give the output's axes different letters"
            )
    return inputs, output


def _without_ellipsis(
    spec: str, nodes: list[Node], inputs: list[str], output: str
) -> tuple[list[Node], list[str], str]:
    """The ellipses as letters; operands lose the axes of length 1 along which they are stretched."""
    if not any("." in part for part in inputs):
        return nodes, inputs, output
    free = [letter for letter in string.ascii_letters if letter not in "".join(inputs)]
    extra = [x.ndim - len(part) + 1 if "." in part else 0 for x, part in zip(nodes, inputs, strict=True)]
    if min(extra) < 0 or max(extra) > len(free):
        raise ShapeError(
            f"einsum: {spec!r}: the ellipsis has no place in shapes {', '.join(str(x.shape) for x in nodes)}",
            where=user_place(),
        )
    names = "".join(free[: max(extra)])
    stretched: dict[str, int] = {}
    hidden = []
    for x, part, count in zip(nodes, inputs, extra, strict=True):
        start = part.find(".")
        own = x.shape[start : start + count] if count else ()
        hidden.append(dict(zip(names[len(names) - count :], own, strict=True)))
        for letter, size in hidden[-1].items():
            if size != 1:
                stretched.setdefault(letter, size)
    new_nodes, new_inputs = [], []
    for x, part, own_axes in zip(nodes, inputs, hidden, strict=True):
        whole = part.replace(".", "".join(own_axes))
        dropped = {letter for letter, size in own_axes.items() if size == 1 and letter in stretched}
        if len(whole) == x.ndim and dropped:
            kept = [axis for axis, letter in enumerate(whole) if letter not in dropped]
            x = reshape(x, [x.shape[axis] for axis in kept])
            whole = "".join(letter for letter in whole if letter not in dropped)
        new_nodes.append(x)
        new_inputs.append(whole)
    if "." not in output and names:
        raise _refused(
            spec, "the output leaves out the ellipsis", "write ... in the output, or sum afterwards"
        )
    return new_nodes, new_inputs, output.replace(".", names)


def _check_lengths(spec: str, nodes: Sequence[Node], inputs: Sequence[str]) -> None:
    found: dict[str, set[int]] = {}
    for number, (x, letters) in enumerate(zip(nodes, inputs, strict=True)):
        if len(letters) != x.ndim:
            raise ShapeError(
                f"einsum: {spec!r}: operand {number} has {x.ndim} axes, shape {x.shape}, "
                f"and {len(letters)} letters",
                where=user_place(),
                mend="give each axis a letter, or write ... for the axes in front",
            )
        for letter, size in zip(letters, x.shape, strict=True):
            found.setdefault(letter, set()).add(size)
    clashes = [
        f"{letter!r} stands for lengths {' and '.join(map(str, sorted(sizes)))}"
        for letter, sizes in found.items()
        if len(sizes) > 1
    ]
    if clashes:
        shapes = ", ".join(str(x.shape) for x in nodes)
        raise ShapeError(
            f"einsum: {spec!r} of shapes {shapes}: {'; '.join(clashes)}",
            where=user_place(),
            mend="a letter names axes of one length (transpose an operand?)",
        )


def tensordot(x: NodeLike, y: NodeLike, axes: int | Sequence[int | Sequence[int]] = 2) -> Node:
    """The sum of products over several axes: the last ``axes`` of ``x`` with the first of ``y``.

    ``axes`` may also be a pair: the axes of ``x``, and those of ``y`` that they meet.  The result has
    the other axes of ``x``, then those of ``y``.

    Raises ``ShapeError`` where the lengths differ, ``DTypeError`` for booleans.

    >>> import chainrule as cr
    >>> cr.tensordot(cr.placeholder((2, 3, 4)), cr.placeholder((4, 3, 5)), axes=((1, 2), (1, 0))).shape
    (2, 5)
    """
    a, b = operands_of("tensordot", (x, y))
    if not isinstance(axes, Sequence):
        axes = operator.index(axes)
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot: {axes} axes to sum over, shapes {a.shape} and {b.shape}", where=user_place()
            )
        pairs = [(a.ndim - axes + number, number) for number in range(axes)]
    else:
        if len(axes) != 2:
            raise ArgumentError(
                f"tensordot: axes={axes!r} is neither a number nor a pair",
                where=user_place(),
                mend="give the axes of the first and those of the second: axes=((1, 2), (0, 1))",
            )
        of_a, of_b = (
            [one_axis(number, node.ndim, "tensordot") for number in _several(side)]
            for side, node in zip(axes, (a, b), strict=True)
        )
        if len(of_a) != len(of_b) or len({*of_a}) < len(of_a) or len({*of_b}) < len(of_b):
            raise ArgumentError(f"tensordot: axes={axes!r} do not pair up", where=user_place())
        pairs = list(zip(of_a, of_b, strict=True))
    clashes = [
        f"axis {i} of the first has length {a.shape[i]}, axis {j} of the second has {b.shape[j]}"
        for i, j in pairs
        if a.shape[i] != b.shape[j]
    ]
    if clashes:
        raise ShapeError(
            f"tensordot: shapes {a.shape} and {b.shape}: {'; '.join(clashes)}",
            where=user_place(),
            mend="transpose one of them, or choose other axes=",
        )
    left = list(string.ascii_letters[: a.ndim])
    right = list(string.ascii_letters[a.ndim : a.ndim + b.ndim])
    for i, j in pairs:
        right[j] = left[i]
    summed = {left[i] for i, _ in pairs}
    output = [letter for letter in left + right if letter not in summed]
    return apply(_EINSUM, a, b, spec=f"{''.join(left)},{''.join(right)}->{''.join(output)}")


def _several(axes: int | Sequence[int]) -> list[int]:
    return list(axes) if isinstance(axes, Sequence) else [axes]


for _function in (einsum, tensordot):
    register(_function.__name__, _function)
