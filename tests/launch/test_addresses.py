"""Under which addresses hosts look for each other, where names and loopbacks say what is no use to others."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from chainrule.launch import Endpoint
from chainrule.launch.coordinator import _addresses, _free_port
from chainrule.launch.door import Door


@dataclass
class Ends:
    """A connection as host 0 sees it: where it comes from, and where it arrived."""

    peer: str
    own: str = "127.0.0.1"


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ([Ends("127.0.0.1")], ["127.0.0.1"]),
        ([Ends("127.0.0.1"), Ends("127.0.0.1")], ["127.0.0.1", "127.0.0.1"]),
        ([Ends("10.0.0.1", "10.0.0.1"), Ends("10.0.0.2", "10.0.0.1")], ["10.0.0.1", "10.0.0.2"]),
        # host 0 has found itself at 127.0.1.1, or another supervisor runs beside it
        ([Ends("127.0.0.1"), Ends("10.0.0.2", "10.0.0.1")], ["10.0.0.1", "10.0.0.2"]),
        (
            [Ends("127.0.0.1"), Ends("127.0.0.1"), Ends("10.0.0.2", "10.0.0.1")],
            ["10.0.0.1", "10.0.0.1", "10.0.0.2"],
        ),
        ([Ends("::1", "::1"), Ends("fd00::2", "fd00::1")], ["fd00::1", "fd00::2"]),
    ],
)
def test_addresses(seen: list[Ends], found: list[str]) -> None:
    assert _addresses(seen) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "means", "everywhere"),
    [
        ("node1", "127.0.1.1", True),  # as Debian's installer writes it into /etc/hosts
        ("localhost", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.5", "127.0.0.5", False),
    ],
)
def test_where_host_0_listens(
    host: str, means: str, everywhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = socket.getaddrinfo

    def getaddrinfo(name: Any, *arguments: Any, **options: Any) -> Any:
        return known(means if name == host else name, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def main() -> tuple[Endpoint, set[str]]:
        door = Door(1.0, lambda member: None)
        at = await door.listen(Endpoint(host, _free_port()))
        listening = {each.getsockname()[0] for each in door._server.sockets}
        _, writer = await asyncio.open_connection(at.host, at.port)
        writer.transport.abort()
        await door.close()
        return at, listening

    at, listening = asyncio.run(main())
    if everywhere:
        assert at.host == "127.0.0.1"
        assert "0.0.0.0" in listening
    else:
        assert (at.host, listening) == (means, {means})


def test_a_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", _free_port())) as server:
        assert server.getsockname()[1] > 1023
