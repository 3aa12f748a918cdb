"""Who has started this process among others, and which one it is: a table of environment variables.

Sources: Slurm's srun(1) "output environment variables"; Open MPI, "Environment variables set for MPI
applications"; MPICH's Hydra and PMI; Kubernetes, "Job with Pod-to-Pod Communication"; Kubeflow's JAXJob.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import ConfigurationError
from .job import PORT, Endpoint
from .node_lists import first_node

Environment = Mapping[str, str]
Reader = Callable[[Environment, str], str | None]
"""What a variable, or this host's full name, says; None where it says nothing."""


def _text(name: str) -> Reader:
    return lambda environment, _: environment.get(name) or None


def _first_node(name: str) -> Reader:
    return lambda environment, _: first_node(environment[name]) if environment.get(name) else None


def _mpirun_host(name: str) -> Reader:
    """Of ``1531576320.0;tcp://10.96.0.1,10.148.0.1:34911``: the first address."""

    def read(environment: Environment, _: str) -> str | None:
        found = re.search(r"tcp://([^,:]+)|tcp6://\[([^],]+)", environment.get(name, ""))
        return None if found is None else found[1] or found[2]

    return read


def _all_here(size: str, local_size: str) -> Reader:
    """This host, where all processes are on it."""

    def read(environment: Environment, _: str) -> str | None:
        here = environment.get(size)
        return "127.0.0.1" if here is not None and here == environment.get(local_size) else None

    return read


def _pod_0(environment: Environment, name: str) -> str | None:
    """Pods of an indexed job are ``job-0.service…``, ``job-1.service…``; None where there is no service."""
    index = environment.get("JOB_COMPLETION_INDEX", "")
    host, dot, domain = name.partition(".")
    if not dot or not host.endswith(f"-{index}"):
        return None
    return f"{host[: len(host) - len(index)]}0.{domain}"


@dataclass(frozen=True)
class Cluster:
    """One way of being started: which variables show it, and what they say; the first reader that knows."""

    name: str
    shown_by: tuple[str, ...]
    """All of these are set."""
    hosts: tuple[Reader, ...]
    """How many supervisors there are."""
    host: tuple[Reader, ...]
    """The number of this one."""
    leader: tuple[Reader, ...]
    """The name or address of the host of number 0."""
    port: tuple[Reader, ...] = ()
    job: tuple[str, ...] = ()
    """A number of the job, from which the port is made, so that two jobs on one host do not meet."""


CLUSTERS = (
    Cluster(
        "Kubeflow",
        ("COORDINATOR_ADDRESS", "NUM_PROCESSES", "PROCESS_ID"),
        hosts=(_text("NUM_PROCESSES"),),
        host=(_text("PROCESS_ID"),),
        leader=(_text("COORDINATOR_ADDRESS"),),
        port=(_text("COORDINATOR_PORT"),),
    ),
    Cluster(
        "Open MPI",
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
        hosts=(_text("OMPI_COMM_WORLD_SIZE"),),
        host=(_text("OMPI_COMM_WORLD_RANK"),),
        leader=(
            _all_here("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
            _mpirun_host("OMPI_MCA_orte_hnp_uri"),
            _first_node("SLURM_JOB_NODELIST"),
        ),
        job=("OMPI_MCA_ess_base_jobid", "SLURM_JOB_ID"),
    ),
    Cluster(  # before Slurm: inside an allocation its proxies are Slurm's tasks, not we
        "MPICH or Intel MPI",
        ("PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS"),
        hosts=(_text("PMI_SIZE"),),
        host=(_text("PMI_RANK"),),
        leader=(_all_here("PMI_SIZE", "MPI_LOCALNRANKS"), _first_node("SLURM_JOB_NODELIST")),
        job=("SLURM_JOB_ID",),
    ),
    Cluster(  # a step of srun; a batch script alone has no SLURM_STEP_NODELIST
        "Slurm",
        ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID"),
        hosts=(_text("SLURM_STEP_NUM_TASKS"), _text("SLURM_NTASKS")),
        host=(_text("SLURM_PROCID"),),
        leader=(_first_node("SLURM_STEP_NODELIST"),),
        job=("SLURM_JOB_ID",),
    ),
    Cluster(
        "PMI",
        ("PMI_SIZE", "PMI_RANK"),
        hosts=(_text("PMI_SIZE"),),
        host=(_text("PMI_RANK"),),
        leader=(),
    ),
    Cluster(
        "Kubernetes",
        ("KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"),
        hosts=(),  # the number of pods stands in no variable
        host=(_text("JOB_COMPLETION_INDEX"),),
        leader=(_pod_0,),
    ),
)


@dataclass(frozen=True)
class Standing:
    """Where a supervisor stands among the others, and what told it."""

    hosts: int
    host: int
    coordinator: Endpoint | None
    told_by: str = ""


def detect(
    environment: Environment,
    name: str,
    *,
    hosts: int | None = None,
    host: int | None = None,
    coordinator: Endpoint | None = None,
) -> Standing:
    """Complete what the options say by what the environment does; ``name`` is this host's full name.

    Without any of it this is the only host.

    Raises: ``ConfigurationError`` naming the option that is still missing, or the variable that is damaged.

    >>> found = detect({"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALNRANKS": "2"}, "node7")
    >>> found.hosts, found.host, str(found.coordinator), found.told_by
    (2, 1, '127.0.0.1:5471', 'MPICH or Intel MPI')
    """
    if None not in (hosts, host) and (coordinator is not None or hosts == 1):
        assert hosts is not None
        assert host is not None
        return Standing(hosts, host, coordinator)
    cluster = next((c for c in CLUSTERS if all(environment.get(v) for v in c.shown_by)), None)
    if cluster is None:
        return _by_options(hosts, host, coordinator)
    said = f"{cluster.name} has started this"
    if hosts is None:
        hosts = _number(_first(cluster.hosts, environment, name), said)
        if hosts is None:
            raise _missing(said, "how many hosts there are", "--hosts N")
    if host is None:
        host = _number(_first(cluster.host, environment, name), said)
        if host is None:
            raise _missing(said, "which of the hosts this is", "--host I")
    if coordinator is None and hosts > 1:
        leader = _first(cluster.leader, environment, name)
        if leader is None:
            raise _missing(said, "where host 0 is", "--coordinator HOST:PORT")
        coordinator = Endpoint(leader, _port(cluster, environment, name, said))
    return Standing(hosts, host, coordinator, cluster.name)


def _by_options(hosts: int | None, host: int | None, coordinator: Endpoint | None) -> Standing:
    if hosts is None and (host is not None or coordinator is not None):
        raise _missing("the job has a coordinator or a host number", "how many hosts there are", "--hosts N")
    if hosts is not None and hosts > 1 and host is None:
        raise _missing(f"there are {hosts} hosts", "which of them this is", "--host I")
    if hosts is not None and hosts > 1 and coordinator is None:
        raise _missing(f"there are {hosts} hosts", "where host 0 is", "--coordinator HOST:PORT")
    return Standing(hosts or 1, host or 0, coordinator)


def _missing(said: str, what: str, option: str) -> ConfigurationError:
    return ConfigurationError(f"{said}, but nothing says {what}", mend=f"add {option}")


def _first(readers: tuple[Reader, ...], environment: Environment, name: str) -> str | None:
    return next((found for read in readers if (found := read(environment, name)) is not None), None)


def _number(text: str | None, said: str) -> int | None:
    if text is not None and not text.isdecimal():
        raise ConfigurationError(
            f"{said}, but a variable that should hold a number holds {text!r}",
            mend="say --hosts N, --host I and --coordinator HOST:PORT",
        )
    return None if text is None else int(text)


def _port(cluster: Cluster, environment: Environment, name: str, said: str) -> int:
    if (port := _number(_first(cluster.port, environment, name), said)) is not None:
        return port
    job = int(next((environment[v] for v in cluster.job if environment.get(v, "").isdecimal()), "0"))
    return PORT + (job + job // 4096) % 4096  # of Open MPI's numbers the upper bits tell jobs apart
