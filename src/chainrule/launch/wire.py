"""What supervisors say to each other: JSON, one message a line, over TCP."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

LINE = 1 << 20
"""The longest line, in bytes; longer ones end the connection."""

BEATS = 3
"""So many beats without any message, and the other side counts as lost."""


class Message(msgspec.Struct, tag_field="say", tag=str.lower, kw_only=True):
    """Anything that is said."""


class Beat(Message):
    """I am alive."""


class Hello(Message):
    """A host to host 0, first of all: what must fit together, and what it remembers of this job."""

    host: int
    hosts: int
    processes: int
    command: list[str]
    versions: dict[str, str]
    instance: str
    """Tells a supervisor that comes back from another one with the same number."""
    address: str | None = None
    generation: int = -1
    """The last generation that it took part in."""
    out: str | None = None
    """The run folder of that generation."""


class Welcome(Message):
    """Host 0 to a host: you are one of us."""


class Start(Message):
    """Host 0 to a host: start your workers."""

    generation: int
    coordinator: str
    processes: int
    first: int
    """The rank of its first worker; the others follow."""
    address: str
    out: str


class Ended(Message):
    """A host to host 0: a worker has ended by itself, or has shown no progress for too long."""

    generation: int
    rank: int
    """Negative where the workers could not even be started."""
    code: int
    """As the system says: negative for a signal."""
    seconds: float
    """Since its start; of silence, where it is stuck."""
    stuck: bool = False
    tail: str = ""
    """The end of its log."""


class Gone(Message):
    """A host to host 0: none of my workers is left."""

    generation: int
    killed: list[int] = []
    """Ranks of those that had to be killed because they did not end when asked to."""


class Stop(Message):
    """Host 0 to a host: end your workers, with this signal first unless it is ``now``."""

    generation: int
    signal: int
    grace: float
    now: bool = False


class Interrupted(Message):
    """A host to host 0: a person, or the system, wants all of this to end."""

    signal: int
    now: bool = False


class Note(Message):
    """Host 0 to a host: tell the people there."""

    text: str


class Finish(Message):
    """Host 0 to a host: the job is over."""

    code: int
    text: str = ""
    detail: str = ""
    """What the worker that failed has said."""
    rank: int = -1
    """The worker that failed."""


_Any = (
    Beat | Hello | Welcome | Start | Ended | Gone | Stop | Interrupted | Note | Finish
)  # what a line may hold
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Any)
_encoder = msgspec.json.Encoder()


class LostError(Exception):
    """The other side is gone, or cannot be heard any more; says how."""


class StrangerError(LostError):
    """What speaks there is no supervisor."""


class Channel:
    """A connection between two supervisors, with beats in both directions.

    Silence is counted in beats of our own, not in seconds of a clock: a supervisor that was itself
    suspended finds what arrived meanwhile before it thinks anybody lost.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heartbeat: float) -> None:
        self._reader, self._writer, self._beat = reader, writer, heartbeat / BEATS
        self.peer: str = (writer.get_extra_info("peername") or ("?",))[0]
        self.own: str = (writer.get_extra_info("sockname") or ("?",))[0]
        self._beating = asyncio.create_task(self._beats())

    async def _beats(self) -> None:
        while not self._writer.is_closing():
            self.send(Beat())
            await asyncio.sleep(self._beat)

    def send(self, message: Message) -> None:
        """Say it without waiting; where nobody can hear it, :meth:`receive` will notice."""
        if not self._writer.is_closing():
            self._writer.write(_encoder.encode(message) + b"\n")

    async def receive(self) -> Message:
        """The next message that is not a mere beat.  Raises: ``LostError``."""
        silent = 0
        while True:
            try:
                async with asyncio.timeout(self._beat):
                    line = await self._reader.readuntil()
            except TimeoutError:
                silent += 1
                if silent >= BEATS:
                    raise LostError(f"nothing was heard for {self._beat * BEATS:.3g} s") from None
                continue
            except asyncio.IncompleteReadError:
                raise LostError("the connection was closed") from None
            except (asyncio.LimitOverrunError, ValueError):
                raise StrangerError("a line without an end") from None
            except OSError as error:
                raise LostError(f"the connection broke: {error.strerror or error}") from None
            silent = 0
            message = _decoded(line)
            if not isinstance(message, Beat):
                return message

    async def close(self) -> None:
        """Let what was said arrive, as far as that is possible within a beat, and end the connection."""
        self._beating.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._beat):
                await self._writer.wait_closed()

    def abort(self) -> None:
        """End the connection at once."""
        self._beating.cancel()
        self._writer.transport.abort()


def _decoded(line: bytes) -> Message:
    try:
        message: Message = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise StrangerError("a line that is no message of a supervisor") from None
    return message
