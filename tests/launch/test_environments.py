"""GPUs are dealt out to the processes of a host, each to one; proxies are for the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.launch.environments import shares, straight


@pytest.mark.parametrize(
    ("visible", "processes", "dealt"),
    [
        ("0,1,2,3", 4, ["0", "1", "2", "3"]),
        ("0,1,2,3", 2, ["0,1", "2,3"]),
        ("4, 6,7", 2, ["4", "6"]),
        ("GPU-8932f937,GPU-7a1c", 2, ["GPU-8932f937", "GPU-7a1c"]),
        ("0,1", 1, [None]),
        ("0", 2, [None, None]),
        ("", 2, [None, None]),
    ],
)
def test_named_devices(visible: str, processes: int, dealt: list[str | None]) -> None:
    found = shares({"CUDA_VISIBLE_DEVICES": visible}, processes)
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in found] == dealt


def test_devices_that_the_driver_shows(tmp_path: Path) -> None:
    for bus in ("0000:17:00.0", "0000:65:00.0"):
        (tmp_path / bus).mkdir()
    assert [s["CUDA_VISIBLE_DEVICES"] for s in shares({}, 2, tmp_path)] == ["0", "1"]
    assert shares({}, 2, tmp_path / "missing") == [{}, {}]


@pytest.mark.parametrize(
    ("environment", "added"),
    [
        ({}, {}),
        ({"no_proxy": "localhost"}, {}),
        ({"http_proxy": ""}, {}),
        ({"https_proxy": "http://p:1"}, {"no_grpc_proxy": "node1"}),
        ({"http_proxy": "http://p:1", "no_proxy": "a,b"}, {"no_grpc_proxy": "a,b,node1"}),
        ({"grpc_proxy": "http://p:1", "no_proxy": "a", "no_grpc_proxy": "c"}, {"no_grpc_proxy": "c,node1"}),
    ],
)
def test_no_proxy_stands_between_hosts(environment: dict[str, str], added: dict[str, str]) -> None:
    assert straight(environment, "node1") == added
