"""The chain rule as a product of Jacobians, and the Jacobians of vectors: diag(f′(z)), W, I."""

from __future__ import annotations

from collections.abc import Sequence

from ..formulas import Convention, Derivative, Fraction, Math, MatrixProduct, Product, Sum, number, symbol
from ..formulas.movements import transposed
from ..formulas.notation import Call

IDENTITY = symbol("I", 2)


def chain(pairs: Sequence[tuple[Math, Math]], below: Math, convention: Convention) -> Math:
    """``∂L/∂h ∂h/∂z`` for each pair of a gradient and what it is of; a column's Jacobian is transposed."""
    terms = [_times(gradient, Derivative(of, below), below.ndim, convention) for gradient, of in pairs]
    return terms[0] if len(terms) == 1 else Sum(tuple(terms), (1,) * len(terms))


def _times(gradient: Math, jacobian: Math, axes: int, convention: Convention) -> Math:
    if convention == "row":
        return MatrixProduct((gradient, jacobian), axes)
    symmetric = jacobian == IDENTITY or isinstance(jacobian, Call)
    return MatrixProduct((jacobian if symmetric else transposed(jacobian), gradient), axes)


def jacobian_form(contribution: Math, upstream: Math, convention: Convention) -> Math | None:
    """The contribution as upstream times a Jacobian: ``u diag(1 − h²)`` for ``u ⊙ (1 − h²)``.

    None where it is that already, as a matrix product is.

    >>> u, d = symbol("u", 1), symbol("d", 1)
    >>> jacobian_form(Product((u, d)), u, "column").text()
    'diag(d) u'
    >>> jacobian_form(u, u, "column").text()
    'I u'
    """
    if upstream.ndim != 1:
        return None
    if contribution == upstream:
        return _times(upstream, IDENTITY, upstream.ndim, convention)
    if isinstance(contribution, Product):
        rest = _without(contribution, upstream)
        return None if rest is None else _times(upstream, _diagonal(rest), 1, convention)
    if isinstance(contribution, Fraction):
        top = contribution.top
        alone = number(1) if top == upstream else None
        rest = _without(top, upstream) if isinstance(top, Product) else alone
        return (
            None
            if rest is None
            else _times(upstream, _diagonal(Fraction(rest, contribution.bottom)), 1, convention)
        )
    return None


def _diagonal(entries: Math) -> Math:
    return Call("diag", (entries,), (), 2)


def _without(product: Product, factor: Math) -> Math | None:
    left = list(product.factors)
    if factor not in left:
        return None
    left.remove(factor)
    if not left or max(part.ndim for part in left) != 1:
        return None
    return left[0] if len(left) == 1 else Product(tuple(left))
