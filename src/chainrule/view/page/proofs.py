"""Why a gradient has the form it has: shapes of matrix products, sums over broadcast axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import permutations, product
from typing import NamedTuple

from ...graph import Node
from ...ops import Elementwise
from ...ops.contraction import MatMul
from ..formulas import Convention, Derivative, Math, MatrixProduct, Transpose, symbol
from ..formulas.mathml import MATHML

Size = tuple[int, int]


class Proof(NamedTuple):
    """An argument, in words and as a line of MathML."""

    text: str
    mathml: str


class _Factor(NamedTuple):
    formula: Math
    size: Size
    transposed: bool = False

    @property
    def standing(self) -> Size:
        """The size as it stands in the product."""
        return self.size[::-1] if self.transposed else self.size

    @property
    def written(self) -> Math:
        return Transpose(self.formula) if self.transposed else self.formula


def proof(
    consumer: Node, index: int, names: Mapping[Node, str], output: str, convention: Convention
) -> Proof | None:
    """Why input ``index`` of ``consumer`` receives what it does; None where shapes have nothing to say.

    >>> import chainrule as cr
    >>> X, W = cr.placeholder((2, 4), name="X"), cr.placeholder((4, 3), name="W")
    >>> y = X @ W
    >>> print(proof(y, 1, {X: "X", W: "W", y: "Y"}, "L", "row").text)
    W is 4×3, and so is its gradient. It is made of X (2×4) and ∂L/∂Y (2×3): Xᵀ ∂L/∂Y is
    (2×4)ᵀ (2×3) = (4×2) (2×3) → 4×3, and no other order or transposition fits.
    W[i, j] is in Y[n, j] for every n, with the factor X[n, i]: ∂L/∂W[i, j] = Σₙ X[n, i] · ∂L/∂Y[n, j].
    """
    if isinstance(consumer.op, MatMul):
        return _of_product(consumer, index, names, output, convention)
    if isinstance(consumer.op, Elementwise) and consumer.inputs[index].shape != consumer.shape:
        return _of_broadcast(consumer, index, names, output)
    return None


# -- matrix products ----------------------------------------------------------------------------------------


def _of_product(
    consumer: Node, index: int, names: Mapping[Node, str], output: str, convention: Convention
) -> Proof | None:
    x, y = consumer.inputs
    if x.ndim == 1 and y.ndim == 1:
        return None
    left, right = symbol(names[x], x.ndim), symbol(names[y], y.ndim)
    result = symbol(names[consumer], consumer.ndim)
    upstream = Derivative(symbol(output), result)
    target = (left, right)[index]
    if x.ndim > 1 and y.ndim > 1:
        m, n, k = x.shape[-2], x.shape[-1], y.shape[-1]
        stacked = x.ndim > 2 and y.ndim == 2  # all rows of the batch meet the one matrix
        m = math.prod(x.shape[:-1]) if stacked else m
        sizes, others = ((m, n), (n, k)), (right, left)
        whole: Size = (m, k)
        order = (1, 0) if index == 0 else (0, 1)  # δ Wᵀ, or Xᵀ δ
        turned = (False, True) if index == 0 else (True, False)
        entry = (
            _entry(target, result, right, output, ("n, i", "n, j", "i, j"), "j")
            if index == 0
            else _entry(target, result, left, output, ("i, j", "n, j", "n, i"), "n")
        )
        note = _batch_note(x, y, stacked)
    else:
        found = _with_vector(x, y, index, convention)
        sizes, whole, order, turned = found.sizes, found.whole, found.order, found.turned
        others = (right, left)
        matrix_first = x.ndim > 1
        entry = _vector_entry(target, result, others[index], output, index, matrix_first=matrix_first)
        note = ""
    other = _Factor(others[index], sizes[1 - index])
    up = _Factor(upstream, whole)
    factors = [other, up] if order == (0, 1) else [up, other]
    factors = [f._replace(transposed=t) for f, t in zip(factors, turned, strict=True)]
    return _told(target, sizes[index], other, up, factors, entry, note)


class _Vector(NamedTuple):
    sizes: tuple[Size, Size]
    whole: Size
    order: tuple[int, int]
    """(0, 1): the other operand stands first, then the upstream."""
    turned: tuple[bool, bool]


def _with_vector(x: Node, y: Node, index: int, convention: Convention) -> _Vector:
    """A vector is one row, or one column; the product is written so that it stands as such."""
    row = convention == "row"
    if y.ndim == 1:  # M v: in rows v Mᵀ
        m, n = math.prod(x.shape[:-1]), x.shape[-1]
        sizes, whole = ((m, n), (1, n) if row else (n, 1)), (1, m) if row else (m, 1)
        if index == 0:  # ȳᵀ v in rows, ȳ vᵀ in columns
            return _Vector(sizes, whole, (1, 0), (True, False) if row else (False, True))
        return _Vector(sizes, whole, (1, 0) if row else (0, 1), (False, False) if row else (True, False))
    n, k = y.shape[-2:]
    sizes, whole = ((1, n) if row else (n, 1), (n, k)), (1, k) if row else (k, 1)
    if index == 0:  # ȳ Mᵀ in rows, M ȳ in columns
        return _Vector(sizes, whole, (1, 0) if row else (0, 1), (False, True) if row else (False, False))
    return _Vector(sizes, whole, (0, 1), (True, False) if row else (False, True))


def _told(
    target: Math, size: Size, other: _Factor, up: _Factor, factors: list[_Factor], entry: str, note: str
) -> Proof:
    formula = MatrixProduct(tuple(f.written for f in factors), 2)
    given = " ".join(f"({_times(f.size)}){'ᵀ' if f.transposed else ''}" for f in factors)
    standing = " ".join(f"({_times(f.standing)})" for f in factors)
    steps = given if given == standing else f"{given} = {standing}"
    fits = _fitting(other.size, up.size, size)
    only = (
        "and no other order or transposition fits"
        if fits == 1
        else f"but {fits} ways to multiply them would fit by size; the entries decide"
    )
    text = (
        f"{target.text()} is {_times(size)}, and so is its gradient. It is made of {other.formula.text()} "
        f"({_times(other.size)}) and {up.formula.text()} ({_times(up.size)}): {formula.text()} is "
        f"{steps} → {_times(size)}, {only}.\n{entry}"
    )
    marked = '<mspace width="0.5em"></mspace>'.join(
        f"<munder>{f.written.write(MATHML)}<mtext>{_times(f.standing)}</mtext></munder>" for f in factors
    )
    gradient = Derivative(up.formula.of, target) if isinstance(up.formula, Derivative) else target
    below = f"<munder>{gradient.write(MATHML)}<mtext>{_times(size)}</mtext></munder>"
    return Proof(text + (f"\n{note}" if note else ""), f"<math>{below}<mo>=</mo>{marked}</math>")


def _fitting(a: Size, b: Size, target: Size) -> int:
    """How many ways to multiply the two, either first, each transposed or not, give the wanted size."""
    found = set()
    for first, second in permutations((("a", a), ("b", b))):
        for one, two in product((False, True), repeat=2):
            left = first[1][::-1] if one else first[1]
            right = second[1][::-1] if two else second[1]
            if left[1] == right[0] and (left[0], right[1]) == target:
                found.add((first[0], one, two))
    return len(found)


def _entry(
    target: Math, result: Math, other: Math, output: str, places: tuple[str, str, str], over: str
) -> str:
    mine, whole, factor = places
    t, r, o = target.text(), result.text(), other.text()
    sign = {"n": "Σₙ", "j": "Σⱼ", "i": "Σᵢ"}[over]
    return (
        f"{t}[{mine}] is in {r}[{whole}] for every {over}, with the factor {o}[{factor}]: "
        f"∂{output}/∂{t}[{mine}] = {sign} {o}[{factor}] · ∂{output}/∂{r}[{whole}]."
    )


def _vector_entry(
    target: Math, result: Math, other: Math, output: str, index: int, *, matrix_first: bool
) -> str:
    t, r, o = target.text(), result.text(), other.text()
    if (index == 0) == matrix_first:  # the matrix: each of its entries is used once
        mine, whole, factor = ("i, j", "i", "j") if matrix_first else ("i, j", "j", "i")
        return (
            f"{t}[{mine}] is in {r}[{whole}] alone, with the factor {o}[{factor}]: "
            f"∂{output}/∂{t}[{mine}] = {o}[{factor}] · ∂{output}/∂{r}[{whole}]."
        )
    if matrix_first:
        return _entry(target, result, other, output, ("j", "i", "i, j"), "i")
    return _entry(target, result, other, output, ("i", "j", "i, j"), "j")


def _batch_note(x: Node, y: Node, stacked: bool) -> str:
    if stacked:
        return f"The {math.prod(x.shape[:-2])} matrices of the batch are stacked, row under row."
    if x.ndim > 2 or y.ndim > 2:
        return (
            "This holds for each matrix of the batch; over axes that were broadcast the results are summed."
        )
    return ""


# -- broadcasting -------------------------------------------------------------------------------------------


def _of_broadcast(consumer: Node, index: int, names: Mapping[Node, str], output: str) -> Proof:
    child = consumer.inputs[index]
    times = consumer.size // child.size if child.size else 0
    target, result = symbol(names[child], child.ndim), symbol(names[consumer], consumer.ndim)
    size, whole = _times(child.shape), _times(consumer.shape)
    text = (
        f"{target.text()} is {size}, and {result.text()} is {whole}: each of its entries was used "
        f"{times:,} times. What is used several times receives the sum: the {times:,} products are added, "
        f"so that the gradient is {size} again."
    )
    gradient = Derivative(symbol(output), target).write(MATHML)
    above = f"<munder>{gradient}<mtext>{size}</mtext></munder>"
    each = f"<munder><mtext>upstream · local</mtext><mtext>{whole}</mtext></munder>"
    return Proof(text, f"<math>{above}<mo>=</mo><munder><mo>∑</mo><mn>{times}</mn></munder>{each}</math>")


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
