"""Clipping of gradients: by value, by the norm of each, by the norm of all together.

A gradient within the limit passes unchanged, to the bit: its factor is ``limit / max(norm, limit)``,
which is exactly 1 there.  A NaN stays NaN under every form.  An infinite element is cut to the limit by
value; under the norms it becomes NaN, because no direction is left to keep.  Norms are plain sums of
squares: in float32 they overflow where elements exceed some 1e19.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..dtypes import promote
from ..errors import ArgumentError
from ..graph import Node, user_place
from ..ops import astype, clip, maximum, sqrt, square
from ..ops import sum as sum_
from .checks import positive


def global_norm(gradients: Sequence[Node]) -> Node:
    """The Euclidean norm of all elements of all gradients, √ Σᵢ ‖gᵢ‖², a scalar in their widest dtype.

    >>> import chainrule as cr
    >>> float(global_norm([cr.constant([3.0]), cr.constant([[0.0, 4.0]])]))
    5.0
    """
    _check(gradients, "global_norm")
    widest = promote(*[g.dtype for g in gradients])
    total = _squares(astype(gradients[0], widest))
    for gradient in gradients[1:]:
        total = total + _squares(astype(gradient, widest))
    return sqrt(total)


def clip_by_value(gradients: Sequence[Node], limit: float) -> list[Node]:
    """Every element held within [-limit, limit].

    >>> import chainrule as cr
    >>> clip_by_value([cr.constant([-3.0, 0.5, 3.0])], 1.0)[0].value
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    _check(gradients, "clip_by_value")
    bound = positive("clip_by_value: limit", limit)
    return [clip(gradient, -bound, bound) for gradient in gradients]


def clip_by_norm(gradients: Sequence[Node], limit: float) -> list[Node]:
    """Each gradient shortened to the norm ``limit`` where it is longer: g · limit / max(‖g‖, limit).

    >>> import chainrule as cr
    >>> long, short = clip_by_norm([cr.constant([3.0, 4.0]), cr.constant([0.3])], 1.0)
    >>> long.value, short.value
    (array([0.6, 0.8], dtype=float32), array([0.3], dtype=float32))
    """
    _check(gradients, "clip_by_norm")
    bound = positive("clip_by_norm: limit", limit)
    return [gradient * _factor(sqrt(_squares(gradient)), bound) for gradient in gradients]


def clip_by_global_norm(gradients: Sequence[Node], limit: float) -> list[Node]:
    """All gradients shortened by one factor, so that their common norm n is at most ``limit``.

    gᵢ · limit / max(n, limit) with n = √ Σᵢ ‖gᵢ‖²: the direction of the step stays as it is
    (Pascanu, Mikolov and Bengio, 2013).

    >>> import chainrule as cr
    >>> [g.value for g in clip_by_global_norm([cr.constant([3.0]), cr.constant([4.0])], 1.0)]
    [array([0.6], dtype=float32), array([0.8], dtype=float32)]
    """
    bound = positive("clip_by_global_norm: limit", limit)
    factor = _factor(global_norm(gradients), bound)
    return [gradient * astype(factor, gradient.dtype) for gradient in gradients]


@dataclass(frozen=True)
class Clip:
    """What an optimizer clips its gradients by: any of the three limits, applied in this order.

    ``value`` holds every element within [-value, value]; ``norm`` bounds the norm of each gradient;
    ``global_norm`` that of all gradients of the optimizer together, over all its groups.

    >>> import chainrule as cr
    >>> Clip(global_norm=1.0)([cr.constant([3.0, 4.0])])[0].value
    array([0.6, 0.8], dtype=float32)
    """

    value: float | None = None
    norm: float | None = None
    global_norm: float | None = None

    def __post_init__(self) -> None:
        limits = {"value": self.value, "norm": self.norm, "global_norm": self.global_norm}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        if not given:
            raise ArgumentError(
                "Clip: no limit is given", where=user_place(), mend="for example Clip(global_norm=5.0)"
            )
        for name, limit in given.items():
            positive(f"Clip: {name}", limit)

    def __call__(self, gradients: Sequence[Node]) -> list[Node]:
        clipped = list(gradients)
        if self.value is not None:
            clipped = clip_by_value(clipped, self.value)
        if self.norm is not None:
            clipped = clip_by_norm(clipped, self.norm)
        if self.global_norm is not None:
            clipped = clip_by_global_norm(clipped, self.global_norm)
        return clipped


def _squares(gradient: Node) -> Node:
    return sum_(square(gradient))


def _factor(norm: Node, limit: float) -> Node:
    return limit / maximum(norm, limit)


def _check(gradients: Sequence[Node], what: str) -> None:
    if not gradients:
        raise ArgumentError(f"{what}: there are no gradients", where=user_place())
    for index, gradient in enumerate(gradients):
        if not isinstance(gradient, Node):
            raise ArgumentError(
                f"{what}: gradient {index} is {gradient!r}, not a node",
                where=user_place(),
                mend="leave out what no gradient reaches, or ask for zeros: gradients(…, missing='zero')",
            )
