"""``chainrule launch``: one training run by many processes, on one host or many."""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path

import click

from ..errors import MissingExtraError
from ..launch import Endpoint, Job, Screen, detect
from ..launch import launch as supervise
from .command import Command, FiniteFloat
from .output import say
from .train import claim_next, train


def _endpoint(_: click.Context, __: click.Parameter, text: str | None) -> Endpoint | None:
    return None if text is None else Endpoint.parse(text)


_SECONDS = FiniteFloat(min=0, min_open=True)


@click.command(
    cls=Command,
    short_help="Train with many processes, on one host or many.",
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  chainrule launch --processes 2 -- train lm
  chainrule launch --coordinator node1:5471 --hosts 2 --host 0 -- train lm --data corpus.txt     on node1
  chainrule launch --coordinator node1:5471 --hosts 2 --host 1 -- train lm --data corpus.txt     on node2
  srun chainrule launch -- train lm --data corpus.txt

Started once on each host. Under Slurm, MPI and Kubernetes' indexed jobs, --coordinator, --hosts and --host
are known from the environment. Whatever fails, all processes are started again and go on from the last
checkpoint. Ctrl-C lets them save their state first; a second one does not.
""",
)
@click.option(
    "--coordinator",
    metavar="HOST:PORT",
    callback=_endpoint,
    help="Where host 0 listens; the same on all hosts.",
)
@click.option("--hosts", metavar="N", type=click.IntRange(min=1), help="How many hosts there are.")
@click.option("--host", metavar="I", type=click.IntRange(min=0), help="Which of them this is, from 0.")
@click.option(
    "--processes",
    metavar="P",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes on this host, each with its share of the GPUs.",
)
@click.option(
    "--address",
    metavar="ADDR",
    help="Where the other hosts reach this one.  [default: where host 0 sees it]",
)
@click.option(
    "--restarts",
    metavar="K",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="So often is the job started again after failures.",
)
@click.option(
    "--watchdog",
    metavar="SECONDS",
    type=_SECONDS,
    default=300,
    show_default=True,
    help="Without progress for so long, processes count as hanging; thrice as long after a start.",
)
@click.option(
    "--grace",
    metavar="SECONDS",
    type=_SECONDS,
    default=10,
    show_default=True,
    help="Between asking a process to end and killing it.",
)
@click.option(
    "--wait",
    metavar="SECONDS",
    type=_SECONDS,
    default=300,
    show_default=True,
    help="For hosts to come, and to come back.",
)
@click.option(
    "--heartbeat",
    metavar="SECONDS",
    type=_SECONDS,
    default=10,
    show_default=True,
    help="Without a sign of life for so long, a process or a host counts as dead.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- train TASK …")
@click.pass_context
def launch(
    context: click.Context,
    coordinator: Endpoint | None,
    hosts: int | None,
    host: int | None,
    processes: int,
    address: str | None,
    restarts: int,
    watchdog: float,
    grace: float,
    wait: float,
    heartbeat: float,
    command: tuple[str, ...],
) -> None:
    """Run a training by many processes, watch it, and start it again from its last checkpoint."""
    task = _checked(context, command)
    if importlib.util.find_spec("jax") is None:
        raise MissingExtraError("jax", "xla", "a run of many processes")
    standing = detect(os.environ, _full_name(), hosts=hosts, host=host, coordinator=coordinator)
    job = Job(
        command,
        hosts=standing.hosts,
        host=standing.host,
        coordinator=standing.coordinator or Endpoint("127.0.0.1", 0),
        processes=processes,
        address=address,
        restarts=restarts,
        watchdog=watchdog,
        grace=grace,
        wait=wait,
        heartbeat=heartbeat,
    )
    claimed: list[Path] = []

    def claim() -> Path:
        claimed.append(claim_next(task))
        return claimed[0]

    with Screen() as screen:
        if standing.told_by:
            screen.say(f"{standing.told_by} says: host {standing.host} of {standing.hosts}")
        outcome = supervise(job, screen, claim)
    if outcome.code:
        for folder in claimed:
            _leave_if_nothing_began(folder)
        say(f"{click.style('error:', fg='red', bold=True)} {outcome.text}")
        raise click.exceptions.Exit(outcome.code)


def _checked(context: click.Context, command: tuple[str, ...]) -> str:
    """The task that the command trains; a command that train would not take fails here, not on all hosts."""
    if not command or command[0] != "train":
        raise click.UsageError(
            "what is to be launched?\n  mend:  chainrule launch … -- train TASK …, as it would be run alone",
            context,
        )
    parsed = train.make_context("train", list(command[1:]), context.parent)
    task: str = parsed.params["task"].name
    if parsed.params["show_config"]:
        raise click.UsageError("--show-config needs no launch\n  mend:  chainrule train … --show-config")
    if parsed.params["resume"]:
        raise click.UsageError(
            "a launched run goes on by itself\n  mend:  not --resume, but name the run's folder with --out"
        )
    return task


def _full_name() -> str:
    """This host's name; in a pod with its domain, which elsewhere could take a name server long to find."""
    return socket.getfqdn() if "KUBERNETES_SERVICE_HOST" in os.environ else socket.gethostname()


def _leave_if_nothing_began(folder: Path) -> None:
    """Take a claimed folder away again where nothing but logs of a refusal, told already, is in it."""
    logs = folder / "logs"
    if [path.name for path in folder.iterdir()] in ([], ["logs"]):
        for log in logs.glob("rank-*.*"):
            log.unlink()
        if logs.is_dir():
            logs.rmdir()
        folder.rmdir()
