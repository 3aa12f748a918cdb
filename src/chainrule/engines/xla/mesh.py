"""Meshes: devices in rows and columns, batches split over *data*, large matrices over *model*.

Any layout of any array gives the same numbers up to rounding: the program is written for the whole, and
XLA's partitioner puts in what the devices have to tell each other.  So a layout is only a choice of speed
and memory, and here it follows from shapes alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigurationError
from ...graph import Node, Placeholder
from .lowering import on_device
from .processes import Team, computed
from .setting import jax

AXES = ("data", "model")

LARGE = 1 << 16
"""Elements from which a matrix is split over *model*: for smaller ones talking takes longer than working."""


Results = tuple[list[Any], list[Any], Any]
"""Of a pass: outputs, new values of variables, whether something must not be."""


class Share(NamedTuple):
    """Rows ``start`` and so on of an array with ``rows`` of them: what this process has of it."""

    array: NDArray[Any]
    start: int
    rows: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole."""
        return (self.rows, *self.array.shape[1:])


class Mesh:
    """So many devices along each axis, ``data`` and ``model``.

    >>> Mesh.parse("data=4,model=2")
    Mesh('data=4,model=2')
    >>> Mesh.parse("data=4,depth=2")
    Traceback (most recent call last):
      ...
    chainrule.errors.ConfigurationError: the mesh 'data=4,depth=2' has an axis 'depth'
      mend:  the axes are data and model, as in data=4,model=2
    """

    def __init__(self, data: int = 1, model: int = 1) -> None:
        self.data, self.model = data, model

    @classmethod
    def parse(cls, text: str) -> Mesh:
        """The mesh that a text such as ``data=4,model=2`` describes; ``ConfigurationError`` for others."""
        sizes: dict[str, int] = {}
        mend = "the axes are data and model, as in data=4,model=2"
        for part in text.split(","):
            name, _, size = (piece.strip() for piece in part.partition("="))
            if name not in AXES:
                raise ConfigurationError(f"the mesh {text!r} has an axis {name!r}", mend=mend)
            if name in sizes:
                raise ConfigurationError(f"the mesh {text!r} has the axis {name} twice", mend=mend)
            if not re.fullmatch("[1-9][0-9]{0,5}", size):
                raise ConfigurationError(
                    f"the mesh {text!r} gives {name} the size {size!r}", mend="a whole number, 1 or more"
                )
            sizes[name] = int(size)
        return cls(**sizes)

    def __repr__(self) -> str:
        return f"Mesh({str(self)!r})"

    def __str__(self) -> str:
        return ",".join(
            f"{axis}={size}" for axis, size in zip(AXES, self.sizes, strict=True) if size > 1
        ) or ("data=1")

    @property
    def sizes(self) -> tuple[int, int]:
        """Devices along data, and along model."""
        return self.data, self.model

    def describe(self) -> str:
        """Which devices there are, for people."""
        return f"{prod(self.sizes)} × {self.devices.devices.flat[0].device_kind} ({self})"

    @cached_property
    def devices(self) -> Any:
        """The mesh as JAX has it, over the first devices; ``ConfigurationError`` where there are too few."""
        there, wanted = jax().devices(), prod(self.sizes)
        together = jax().process_count()
        if wanted > len(there) or (together > 1 and wanted != len(there)):
            raise ConfigurationError(
                f"the mesh {self} is of {wanted} devices, and there are {_counted(there, together)}",
                mend=_mend(len(there), there[0].platform, together),
            )
        return jax().sharding.Mesh(np.array(there[:wanted]).reshape(self.sizes), AXES)

    # ── layouts ───────────────────────────────────────────────────────────────────────────────────

    def _layout(self, *axes: str | None) -> Any:
        sharding = jax().sharding
        return sharding.NamedSharding(self.devices, sharding.PartitionSpec(*axes))

    @property
    def everywhere(self) -> Any:
        """The whole on each device."""
        return self._layout()

    def of_batch(self, shape: Sequence[int]) -> Any:
        """Rows over *data*, where they come out even; else the whole on each device."""
        return self._layout("data") if shape and shape[0] and shape[0] % self.data == 0 else self.everywhere

    def of_variable(self, shape: Sequence[int]) -> Any:
        """A large matrix over *model*, along the longest axis that comes out even; others on each device."""
        if self.model > 1 and len(shape) >= 2 and prod(shape) >= LARGE:
            even = [axis for axis, length in enumerate(shape) if length % self.model == 0]
            if even:
                split = max(even, key=lambda axis: shape[axis])
                return self._layout(*["model" if axis == split else None for axis in range(split + 1)])
        return self.everywhere

    # ── arrays ────────────────────────────────────────────────────────────────────────────────────

    def send(self, leaf: Node, value: NDArray[Any] | Share) -> Any:
        """The value of an input on the devices."""
        placeholder = isinstance(leaf, Placeholder)
        return self._put(value, (self.of_batch if placeholder else self.of_variable)(value.shape))

    def keep(self, value: NDArray[Any]) -> Any:
        """The value of a variable on the devices."""
        return self._put(value, self.of_variable(value.shape))

    def _put(self, value: NDArray[Any] | Share, layout: Any) -> Any:
        """``value`` in that layout: each process sends what its own devices hold, in memory of their own."""
        array, start = (value.array, value.start) if isinstance(value, Share) else (value, 0)

        def part(index: tuple[slice, ...]) -> NDArray[Any]:
            if not index:
                return np.array(array)
            rows = slice(*[None if end is None else end - start for end in (index[0].start, index[0].stop)])
            return np.array(array[(rows, *index[1:])])

        return jax().make_array_from_callback(value.shape, layout, part)

    def laid(self, outputs: Sequence[Any], new: Sequence[Any], fault: Any) -> Results:
        """Results of a pass, inside the program: all get the outputs, variables stay where they are."""
        put = jax().lax.with_sharding_constraint
        return (
            [put(output, self.everywhere) for output in outputs],
            [put(value, self.of_variable(value.shape)) for value in new],
            put(fault, self.everywhere),
        )

    def fetch(self, array: Any) -> NDArray[Any]:
        """The whole of an array; where other processes hold parts of it, all of them must ask."""
        computed()
        if array.is_fully_addressable or array.is_fully_replicated:
            return np.asarray(array)
        from jax.experimental import multihost_utils as hosts

        found: NDArray[Any] = np.asarray(hosts.process_allgather(array, tiled=True))
        return found

    def checked(self, program: Any) -> Any:
        """``program``, compared the first time: processes that run different ones would wait for ever."""
        team = Team.here()
        if team.count == 1:
            return program

        known = False

        def run(*arguments: Any) -> Any:
            nonlocal known
            if not known:
                text = program.lower(*arguments).as_text()
                team.same(
                    "the program", text.encode(), "run the same command, on the same data, on each host"
                )
                known = True
            return program(*arguments)

        return run

    def share(self, count: int) -> slice:
        """Which of so many rows of a batch this process gives to its devices."""
        indices = self.of_batch((count,)).addressable_devices_indices_map((count,)).values()
        bounds = [rows.indices(count)[:2] for (rows,) in indices]
        return slice(min(start for start, _ in bounds), max(stop for _, stop in bounds))


class OneDevice:
    """No mesh: the first device of this process."""

    def __str__(self) -> str:
        return ""

    def describe(self) -> str:
        """What it is, for people."""
        return str(jax().local_devices()[0].device_kind)

    def send(self, leaf: Node, value: NDArray[Any] | Share) -> Any:
        """The value of an input on the device."""
        return on_device(value.array if isinstance(value, Share) else value)

    def keep(self, value: NDArray[Any]) -> Any:
        """The value of a variable on the device."""
        return on_device(value)

    def laid(self, outputs: Sequence[Any], new: Sequence[Any], fault: Any) -> Results:
        """Results of a pass, as they are."""
        return list(outputs), list(new), fault

    def checked(self, program: Any) -> Any:
        """``program`` as it is: nobody else runs it."""
        return program

    def fetch(self, array: Any) -> NDArray[Any]:
        """The array on the host."""
        return np.asarray(array)


Layout = Mesh | OneDevice


def _counted(devices: Sequence[Any], processes: int) -> str:
    kind = f"{len(devices)} ({devices[0].device_kind})"
    return kind if processes == 1 else f"{kind} in {processes} processes"


def _mend(count: int, platform: str, processes: int) -> str:
    if processes > 1:
        return f"all of them take part: --mesh data={count}"
    mend = f"--mesh data={count}" if count > 1 else "leave out --mesh"
    if platform == "cpu":
        mend += "; a CPU plays several devices with JAX_NUM_CPU_DEVICES=8 in the environment"
    return mend
