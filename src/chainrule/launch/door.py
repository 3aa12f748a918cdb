"""Where the hosts of a job come in: host 0's listening socket, and who may enter."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

from .job import Endpoint
from .wire import LINE, Channel, Finish, Hello, LostError, Message, Welcome

_GREETING = 10.0  # seconds that a new connection has for its hello
_STRANGERS = 64  # connections that may be without a hello at a time


@dataclass(eq=False)
class Member:
    """A host that takes part, by its connection."""

    hello: Hello
    channel: Channel

    @property
    def host(self) -> int:
        """Its number."""
        return self.hello.host


@dataclass
class Joined:
    """A host has come, or come back."""


@dataclass
class Left:
    """A host's connection is gone."""

    why: str


Event = tuple[Member, Message | Joined | Left]


class Door:
    """Lets hosts in and puts what they say into one queue.

    ``refusal`` says of a host that comes why it may not enter, or None.
    """

    def __init__(self, heartbeat: float, refusal: Callable[[Member], Finish | None]) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._heartbeat, self._refusal = heartbeat, refusal
        self._inside: set[Member] = set()
        self._greetings = 0
        self._finish: Finish | None = None
        self.told: set[int] = set()
        """The hosts that have heard how it ended."""

    async def listen(self, at: Endpoint) -> Endpoint:
        """Open the door; where host 0 itself finds it.  Raises: ``OSError``, of it ``socket.gaierror``."""
        found = await asyncio.get_running_loop().getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
        address = str(found[0][4][0])
        # A host often knows itself by name as 127.0.1.1; the others mean another address by that name.
        everywhere = address.startswith("127.") and at.host not in ("localhost", address)
        self._server = await asyncio.start_server(
            self._greet, None if everywhere else address, at.port, limit=LINE
        )
        port = self._server.sockets[0].getsockname()[1]
        return Endpoint("127.0.0.1" if everywhere else address, port)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._greetings >= _STRANGERS:
            writer.transport.abort()
            return
        self._greetings += 1
        channel = Channel(reader, writer, self._heartbeat)
        hello: Message | None = None
        with contextlib.suppress(LostError, TimeoutError):
            async with asyncio.timeout(_GREETING):
                hello = await channel.receive()
        self._greetings -= 1
        if isinstance(hello, Hello):
            await self._attend(Member(hello, channel))
        channel.abort()  # a port scanner, a browser; or a host that has left

    async def _attend(self, member: Member) -> None:
        finish = self._finish or self._refusal(member)
        if finish is not None:
            self.told.add(member.host)
            member.channel.send(finish)
            await self._until_gone(member)
            return
        member.channel.send(Welcome())
        self._inside.add(member)
        self.events.put_nowait((member, Joined()))
        try:
            while True:
                self.events.put_nowait((member, await member.channel.receive()))
        except LostError as lost:
            self.events.put_nowait((member, Left(str(lost))))
        finally:
            self._inside.discard(member)

    async def _until_gone(self, member: Member) -> None:
        """Until the other side, having heard all, has closed the connection; closing here could lose it."""
        with contextlib.suppress(LostError, TimeoutError):
            async with asyncio.timeout(self._heartbeat):
                while True:
                    await member.channel.receive()

    def dismiss(self, finish: Finish) -> None:
        """Tell everybody who is here, or still comes, that it is over."""
        self._finish = finish
        for member in self._inside:
            self.told.add(member.host)
            member.channel.send(finish)

    async def close(self) -> None:
        """When all have gone, within a heartbeat."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._heartbeat):
                while self._inside:
                    await asyncio.sleep(0.02)
        self._server.close()
        for member in self._inside:
            member.channel.abort()
