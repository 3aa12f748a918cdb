"""What is added to the environment of processes: their share of the GPUs, the way to the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")


def shares(environment: Mapping[str, str], processes: int, driver: Path = _DRIVER) -> list[dict[str, str]]:
    """What to add to each process's environment so that no two use the same GPU; nothing if there are none.

    Each process gets as many as every other.  Where there are fewer GPUs than processes nothing is said,
    and JAX decides.

    >>> shares({"CUDA_VISIBLE_DEVICES": "4,5,6,7"}, 2)
    [{'CUDA_VISIBLE_DEVICES': '4,5'}, {'CUDA_VISIBLE_DEVICES': '6,7'}]
    """
    if _VISIBLE in environment:
        devices = [name.strip() for name in environment[_VISIBLE].split(",") if name.strip()]
    else:
        devices = [str(number) for number in range(len(list(driver.iterdir())))] if driver.is_dir() else []
    each = len(devices) // processes
    if processes == 1 or not each:
        return [{}] * processes
    return [{_VISIBLE: ",".join(devices[each * n : each * (n + 1)])} for n in range(processes)]


def straight(environment: Mapping[str, str], host: str) -> dict[str, str]:
    """What to add so that JAX's connections to ``host`` go there directly, where a web proxy is named.

    Clusters name one for the way out, which is no way to their own hosts; gRPC, which JAX uses, would try.

    >>> straight({"http_proxy": "http://proxy:3128", "no_proxy": "localhost"}, "node1")
    {'no_grpc_proxy': 'localhost,node1'}
    >>> straight({}, "node1")
    {}
    """
    if not any(environment.get(name) for name in ("grpc_proxy", "https_proxy", "http_proxy")):
        return {}
    before = environment.get("no_grpc_proxy") or environment.get("no_proxy")
    return {"no_grpc_proxy": f"{before},{host}" if before else host}
