"""Who has started us: environments as the systems really set them, row by row, and what is made of them."""

from __future__ import annotations

import pytest

from chainrule.errors import ConfigurationError
from chainrule.launch import Endpoint, detect

SLURM = {
    "SLURM_JOB_ID": "200505",
    "SLURM_JOBID": "200505",
    "SLURM_JOB_NODELIST": "gnode[10,20,25,37]",
    "SLURM_JOB_NUM_NODES": "4",
    "SLURM_NTASKS": "4",
    "SLURM_NPROCS": "4",
    "SLURM_NODEID": "2",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_TASKS_PER_NODE": "1(x4)",
}
STEP = {
    **SLURM,
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "gnode[10,20,25,37]",
    "SLURM_STEP_NUM_NODES": "4",
    "SLURM_STEP_NUM_TASKS": "4",
}
OPEN_MPI_4 = {
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_RANK": "5",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_MCA_ess_base_jobid": "1531576321",
    "PMIX_RANK": "5",
}
OPEN_MPI_5 = {
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "PMIX_RANK": "1",
    "PMIX_NAMESPACE": "prterun-n1-4711@1",
    "PMIX_SERVER_URI41": "prterun-n1-4711@0.0;tcp4://127.0.0.1:40123",
}
HYDRA = {"PMI_SIZE": "3", "PMI_RANK": "0", "PMI_FD": "9", "MPI_LOCALNRANKS": "3", "MPI_LOCALRANKID": "0"}
POD = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "JOB_COMPLETION_INDEX": "12",
    "HOSTNAME": "train-12",
}
JAXJOB = {
    **POD,
    "COORDINATOR_ADDRESS": "jaxjob-simple-worker-0",
    "COORDINATOR_PORT": "6666",
    "NUM_PROCESSES": "3",
    "PROCESS_ID": "1",
}
SERVICE = "train-12.pods.default.svc.cluster.local"

ROWS = {
    "nothing": ({}, "node1.example", {}, (1, 0, None, "")),
    "options": ({}, "", {"hosts": 2, "host": 1, "coordinator": "a:1"}, (2, 1, "a:1", "")),
    "options before variables": (STEP, "", {"hosts": 2, "host": 1, "coordinator": "a:1"}, (2, 1, "a:1", "")),
    "one host among many": (STEP, "", {"hosts": 1, "host": 0}, (1, 0, None, "")),
    "slurm": (STEP, "", {}, (4, 2, "gnode10:9416", "Slurm")),
    "slurm, its own port": (STEP, "", {"coordinator": "ib0:7"}, (4, 2, "ib0:7", "Slurm")),
    "slurm, a step on some of the nodes": (
        {**STEP, "SLURM_STEP_NODELIST": "gnode[25,37]", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"},
        "", {}, (2, 1, "gnode25:9416", "Slurm"),
    ),
    "slurm, an old one": (
        {k: v for k, v in STEP.items() if k != "SLURM_STEP_NUM_TASKS"},
        "", {}, (4, 2, "gnode10:9416", "Slurm"),
    ),
    "slurm, a batch script without srun": (SLURM, "", {}, (1, 0, None, "")),
    "srun --mpi=pmi2": ({**STEP, "PMI_SIZE": "4", "PMI_RANK": "2"}, "", {}, (4, 2, "gnode10:9416", "Slurm")),
    "open mpi 4": (OPEN_MPI_4, "", {}, (8, 5, "10.96.0.1:6656", "Open MPI")),
    "open mpi 4, IPv6": (
        {**OPEN_MPI_4, "OMPI_MCA_orte_hnp_uri": "1314521088.0;tcp6://[fe80::b9b,2620:10d::2]:43370"},
        "", {}, (8, 5, "[fe80::b9b]:6656", "Open MPI"),
    ),
    "open mpi 5 on one host": (OPEN_MPI_5, "", {}, (2, 1, "127.0.0.1:5471", "Open MPI")),
    "open mpi 5 in an allocation": (
        {**SLURM, **OPEN_MPI_5, "OMPI_COMM_WORLD_LOCAL_SIZE": "1"},
        "", {}, (2, 1, "gnode10:9416", "Open MPI"),
    ),
    "hydra": (HYDRA, "", {}, (3, 0, "127.0.0.1:5471", "MPICH or Intel MPI")),
    "hydra in an allocation": (
        {**STEP, **HYDRA, "MPI_LOCALNRANKS": "1"}, "", {}, (3, 0, "gnode10:9416", "MPICH or Intel MPI"),
    ),
    "pmi": (
        {"PMI_SIZE": "2", "PMI_RANK": "1"}, "", {"coordinator": "a:1"}, (2, 1, "a:1", "PMI"),
    ),
    "kubernetes": (
        POD, SERVICE, {"hosts": 16}, (16, 12, "train-0.pods.default.svc.cluster.local:5471", "Kubernetes"),
    ),
    "kubernetes, JobSet": (
        POD, "set-workers-0-12.set.ns.svc.cluster.local", {"hosts": 16},
        (16, 12, "set-workers-0-0.set.ns.svc.cluster.local:5471", "Kubernetes"),
    ),
    "kubernetes, not an indexed job": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "pod", {}, (1, 0, None, "")),
    "kubeflow": (JAXJOB, "", {}, (3, 1, "jaxjob-simple-worker-0:6666", "Kubeflow")),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_the_table(row: str) -> None:
    environment, name, options, (hosts, host, coordinator, told_by) = ROWS[row]
    if "coordinator" in options:
        options = {**options, "coordinator": Endpoint.parse(options["coordinator"])}
    found = detect(environment, name, **options)
    at = None if found.coordinator is None else str(found.coordinator)
    assert (found.hosts, found.host, at, found.told_by) == (hosts, host, coordinator, told_by)


REFUSED = {
    "hosts alone": ({}, "", {"hosts": 2}, "--host I"),
    "hosts and host": ({}, "", {"hosts": 2, "host": 1}, "--coordinator HOST:PORT"),
    "a coordinator alone": ({}, "", {"coordinator": Endpoint("a", 1)}, "--hosts N"),
    "pods": (POD, SERVICE, {}, "--hosts N"),
    "pods without a service": (POD, "train-12", {"hosts": 16}, "--coordinator HOST:PORT"),
    "pods under another name": (POD, "other.pods.default.svc", {"hosts": 16}, "--coordinator HOST:PORT"),
    "open mpi 5 on many hosts": (
        {**OPEN_MPI_5, "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, "", {}, "--coordinator HOST:PORT",
    ),
    "pmi": ({"PMI_SIZE": "2", "PMI_RANK": "1"}, "", {}, "--coordinator HOST:PORT"),
    "no number": ({**STEP, "SLURM_PROCID": "two"}, "", {}, "holds 'two'"),
    "a damaged list": ({**STEP, "SLURM_STEP_NODELIST": "n[1-"}, "", {}, "is no list of nodes"),
}  # fmt: skip


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_not_told_is_asked_for(row: str) -> None:
    environment, name, options, words = REFUSED[row]
    with pytest.raises(ConfigurationError, match="mend:") as refused:
        detect(environment, name, **options)
    assert words in str(refused.value)
    told_by = {"pods": "Kubernetes", "open": "Open MPI", "pmi": "PMI"}.get(row.split()[0], "")
    assert told_by in str(refused.value)


@pytest.mark.parametrize("text", ["", ":1", "a", "a:", "a:x", "a:0", "a:65536", "::1:80", "a:-1", "a:²"])
def test_no_endpoint(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no HOST:PORT"):
        Endpoint.parse(text)


@pytest.mark.parametrize("text", ["a:1", "10.0.0.1:65535", "[::1]:5471", "[fe80::1%eth0]:1"])
def test_an_endpoint_is_written_as_it_is_read(text: str) -> None:
    assert str(Endpoint.parse(text)) == text
