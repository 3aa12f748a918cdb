"""Matrix products with generated code of their own: which kernels they are, and what they come to.

The form and its cut into tiles are :mod:`.product_form`'s, the machine's text :mod:`.product_text`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from ...loops.ir import Kernel
from ...loops.text import canonical
from .emit import kernel_buffers
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

    @cached_property
    def name(self) -> str:
        """The function's name: made of all that its text depends on, the target aside."""
        kernel = self.form.kernel
        sizes = [buffer.size for buffer in kernel_buffers(kernel)]
        return f"product_{blake2b(f'{canonical(kernel)} {sizes}'.encode(), digest_size=12).hexdigest()}"

    def text(self) -> str:
        """LLVM text of ``void @name(ptr args, i64 lo, i64 hi)``, arguments as every kernel's."""
        return product_text(self.form, self.name)

    def describe(self) -> str:
        """One line for a person: the sizes, the operands and the cut."""
        return self.form.describe()


def recognise(kernel: Kernel, target: Target, worth: int = WORTH) -> Product | None:
    """The kernel as a product; None where it is not one, or takes fewer than ``worth`` operations."""
    form = form_of(kernel, target, worth)
    return None if form is None else Product(form)


__all__ = ["Product", "keeps", "recognise"]
