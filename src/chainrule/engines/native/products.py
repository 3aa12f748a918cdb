"""Matrix products with generated code of their own: which kernels they are, and what they come to.

The form and its cut into tiles are :mod:`.product_form`'s, the machine's text :mod:`.product_text`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ...loops.ir import Kernel
from .product_form import WORTH, Form, form_of, keeps
from .product_text import product_text
from .target import Target


@dataclass(frozen=True, eq=False)
class Product:
    """A kernel that is a large matrix product: a function over the tiles of a fixed grid."""

    form: Form

    @property
    def tiles(self) -> int:
        """How many tiles there are: what threads share, in place of the kernel's axis."""
        return self.form.tiles

    @property
    def name(self) -> str:
        """The function's name, which is one with its content."""
        return self._written[0]

    def text(self) -> str:
        """LLVM text of ``void @name(ptr args, i64 lo, i64 hi)``, arguments as every kernel's."""
        return self._written[1]

    def describe(self) -> str:
        """One line for a person: the sizes, the operands and the cut."""
        return self.form.describe()

    @cached_property
    def _written(self) -> tuple[str, str]:
        return product_text(self.form)


def recognise(kernel: Kernel, target: Target, worth: int = WORTH) -> Product | None:
    """The kernel as a product; None where it is not one, or takes fewer than ``worth`` operations."""
    form = form_of(kernel, target, worth)
    return None if form is None else Product(form)


__all__ = ["Product", "keeps", "recognise"]
