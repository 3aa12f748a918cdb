"""Under which address the processes of a run on CPUs find each other."""

from __future__ import annotations

from typing import Any

from .setting import jax


def advertise(address: str) -> None:
    """Give the other processes ``address`` to connect to, not the one that this host's name stands for.

    gloo, which moves arrays between CPUs, asks the system for the address of the host's own name, and on
    many a machine that is 127.0.0.1.  JAX can pass another one on but has no setting that says so, hence
    the way through its inside.  Before the first computation; ``jax.distributed`` may be initialised later.
    """
    jax()
    from jax._src import distributed, xla_bridge
    from jax._src.lib import _jax
    from jax.extend import backend

    def client() -> Any:
        collectives = _jax.make_gloo_tcp_collectives(
            distributed_client=distributed.global_state.client, hostname=address
        )
        return xla_bridge.make_cpu_client(collectives=collectives)

    backend.register_backend_factory("cpu", client, priority=0, fail_quietly=False)
