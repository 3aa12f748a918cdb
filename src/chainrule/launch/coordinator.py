"""Host 0's control plane: gathers the hosts, starts generations, and decides after each failure."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..engines.xla.processes import FELLOW_FAILED
from ..errors import ChainruleError
from . import words
from .door import Door, Event, Joined, Left, Member
from .job import Endpoint, Job, Terminal
from .wire import Channel, Ended, Finish, Gone, Interrupted, Note, Start, Stop

FINAL = (1, 2, 3)
"""Exit codes of workers that another start would not change: the run failed, wrong usage, bad data."""

SETTLE = 0.5
"""After the first failure, in seconds: the others may know better what happened."""

SAVING = 6
"""So many times ``grace`` for workers that save their state before they end."""


def _in(delay: float) -> float:
    return asyncio.get_running_loop().time() + delay


@dataclass
class Failure:
    """Why a generation ended: in words, and who, as far as it was a worker."""

    text: str
    code: int = 0
    rank: int = -1
    tail: str = ""

    @property
    def order(self) -> tuple[int, int]:
        """The cause has the smallest; of those alike in this it is the first that was heard of."""
        if self.code in FINAL:
            return (0, self.rank)
        follows_from_another = self.code in (FELLOW_FAILED, -signal.SIGABRT)
        return (2, 0) if follows_from_another else (1, 0)


@dataclass
class Round:
    """One generation as it runs."""

    generation: int
    running: set[int]
    """The hosts that still have workers."""
    began: float = field(default_factory=lambda: _in(0))
    failures: list[Failure] = field(default_factory=list)
    interrupted: int = 0
    stopping: bool = False
    until: float | None = None
    """When something is to be done if nothing is heard before: stop all, or give up waiting for it."""


class Coordinator:
    """Leads a job; ``claim`` makes a run folder where neither the command nor an earlier host names one."""

    def __init__(self, job: Job, terminal: Terminal, claim: Callable[[], Path]) -> None:
        self._job, self._terminal, self._claim = job, terminal, claim
        self._members: dict[int, Member] = {}
        self._door = Door(job.heartbeat, self._refusal)
        self._began = False

    async def listen(self) -> Endpoint:
        """Open the door; where host 0's own supervisor finds it."""
        return await self._door.listen(self._job.coordinator)

    async def lead(self) -> None:
        """Run the job to its end and tell everybody how it ended."""
        self._door.dismiss(await self._conduct())
        # Who is not here yet, because it failed before all had come, shall hear it, too.
        patience = _in(self._job.grace)
        while not self._began and len(self._door.told) < self._job.hosts and _in(0) < patience:
            await asyncio.sleep(0.05)
        await self._door.close()

    def _refusal(self, member: Member) -> Finish | None:
        """Who comes late and does not fit is sent away by himself; the job goes on."""
        if not self._began:
            return None
        wrong = words.mismatches(self._job, member.hello)
        present = self._members.get(member.host)
        if present is not None and present.hello.instance != member.hello.instance:
            wrong.append(f"host {member.host} is in the job already, from {present.channel.peer}")
        return _misfit(wrong) if wrong else None

    async def _conduct(self) -> Finish:
        if (finish := await self._gather()) is not None:
            return finish
        hellos = [member.hello for member in self._members.values()]
        generation = 1 + max(hello.generation for hello in hellos)
        try:
            out = next((h.out for h in hellos if h.out), None) or self._job.out or str(self._claim())
        except ChainruleError as error:
            return Finish(code=error.exit_code, text=str(error))
        self._began = True
        restarts = 0
        while True:
            failure = await self._run(generation, out)
            if isinstance(failure, Finish):
                return failure
            if restarts == self._job.restarts:
                return self._exhausted(failure, generation, out)
            restarts += 1
            self._announce(
                f"generation {generation}: {failure.text}; starting again from the last checkpoint "
                f"(restart {restarts} of {self._job.restarts})"
            )
            generation += 1
            if (finish := await self._gather()) is not None:
                return finish

    def _exhausted(self, failure: Failure, generation: int, out: str) -> Finish:
        times = words.count(self._job.restarts, "time")
        text = words.failure(
            f"generation {generation}: {failure.text}",
            where=f"the job was started again {times}, which is all that --restarts allows",
            mend=f"see the logs; the same command with --out {out} goes on from the last checkpoint",
        )
        return Finish(code=1, text=text, detail=failure.tail, rank=failure.rank)

    def _announce(self, text: str) -> None:
        """Tell the people on all hosts."""
        if 0 not in self._members:
            self._terminal.say(text)
        for member in self._members.values():
            member.channel.send(Note(text=text))

    async def _next(self, until: float | None) -> Event | None:
        """What happens next; None where it is ``until`` before that."""
        while True:
            try:
                async with asyncio.timeout_at(until):
                    member, message = await self._door.events.get()
            except TimeoutError:
                return None
            if isinstance(message, Joined):
                return member, message
            if self._members.get(member.host) is member:  # else of a connection that is history
                if isinstance(message, Left):
                    del self._members[member.host]
                return member, message

    # -- coming together -----------------------------------------------------------------------------

    async def _gather(self) -> Finish | None:
        """Wait until all hosts are here, none of them with a worker; else how it ends."""
        end, tell = _in(self._job.wait), _in(1.0)
        while missing := set(range(self._job.hosts)) - set(self._members):
            event = await self._next(min(end, tell))
            if event is None and _in(0) >= end:
                return self._absent(missing)
            if event is None:
                tell = end
                patience = words.seconds(self._job.wait)
                self._announce(f"waiting for {words.hosts(missing)}, for at most {patience}")
                continue
            member, message = event
            if isinstance(message, Interrupted):
                return _interrupted(message.signal)
            if isinstance(message, Joined) and (finish := self._admit(member)) is not None:
                return finish
            if isinstance(message, Left):
                self._announce(f"host {member.host} is gone: {message.why}")
        return None

    def _admit(self, member: Member) -> Finish | None:
        hello, before = member.hello, self._members.get(member.host)
        wrong = words.mismatches(self._job, hello)
        if before is not None and before.hello.instance != hello.instance:
            places = f"{before.channel.peer} and {member.channel.peer}"
            wrong.append(f"two supervisors say that they are host {hello.host}: at {places}")
        if wrong:
            return _misfit(wrong)
        self._members[hello.host] = member
        if hello.host:
            processes = words.count(hello.processes, "process")
            self._announce(f"host {hello.host} is here: {processes} at {member.channel.peer}")
        return None

    def _absent(self, missing: set[int]) -> Finish:
        come = "come back" if self._began else "come"
        text = words.failure(
            f"{words.hosts(missing)} did not {come} within {words.seconds(self._job.wait)}",
            where=f"host 0 listens at {self._job.coordinator}",
            mend="see whether it was started there and reaches that address; --wait gives it more time",
        )
        return Finish(code=1, text=text)

    # -- one generation ------------------------------------------------------------------------------

    async def _run(self, generation: int, out: str) -> Failure | Finish:
        """From the start to the moment when no worker is left anywhere."""
        round = Round(generation, set(self._members))
        self._send_starts(generation, out)
        while round.running:
            event = await self._next(round.until)
            if event is not None:
                self._heed(round, *event)
            elif round.stopping:
                return Finish(code=1, text=f"the workers on {words.hosts(round.running)} cannot be ended")
            else:
                self._stop(round, signal.SIGTERM, self._job.grace)
        if round.interrupted:
            return _interrupted(round.interrupted, out)
        if not round.failures:
            took = words.seconds(_in(0) - round.began)
            self._announce(f"generation {generation}: all processes are done after {took}")
            return Finish(code=0)
        cause = min(round.failures, key=lambda failure: failure.order)
        if cause.code in FINAL:
            return Finish(code=cause.code, text=cause.text, detail=cause.tail, rank=cause.rank)
        return cause

    def _send_starts(self, generation: int, out: str) -> None:
        members = [self._members[host] for host in range(self._job.hosts)]
        total = sum(member.hello.processes for member in members)
        addresses = _addresses([member.channel for member in members])
        coordinator = Endpoint(self._job.coordinator.host, _free_port())
        processes, hosts = words.count(total, "process"), words.count(self._job.hosts, "host")
        self._announce(f"generation {generation}: {processes} on {hosts}, logs in {Path(out) / 'logs'}")
        first = 0
        for member, address in zip(members, addresses, strict=True):
            start = Start(
                generation=generation,
                coordinator=str(coordinator),
                processes=total,
                first=first,
                address=member.hello.address or address,
                out=out,
            )
            member.channel.send(start)
            first += member.hello.processes

    def _heed(self, round: Round, member: Member, message: object) -> None:
        host = member.host
        if isinstance(message, Joined):
            if (before := self._members.get(host)) is not None:  # it is back before it was missed
                before.channel.abort()
                self._fail(round, Failure(f"host {host} had lost the connection"))
            round.running.discard(host)  # it ends its workers before it comes back
            self._members[host] = member
        elif isinstance(message, Left):
            round.running.discard(host)  # it ends its workers by itself
            self._fail(round, Failure(f"host {host} was lost: {message.why}"))
        elif isinstance(message, Interrupted):
            if message.now or not round.interrupted:  # a second SIGINT would keep workers from saving
                self._stop(round, signal.SIGINT, SAVING * self._job.grace, now=message.now)
            round.interrupted = round.interrupted or message.signal
        elif isinstance(message, Gone) and message.generation == round.generation:
            round.running.discard(host)
            for rank in message.killed:  # if the others only missed somebody, this is who
                self._fail(round, Failure(f"rank {rank} on host {host} did not answer", rank=rank))
        elif isinstance(message, Ended) and message.generation == round.generation:
            self._note(round, message, host)

    def _note(self, round: Round, ended: Ended, host: int) -> None:
        if ended.code or ended.stuck:  # else it is done, and the others soon will be
            self._fail(round, Failure(words.ending(ended, host), ended.code, ended.rank, ended.tail))

    def _fail(self, round: Round, failure: Failure) -> None:
        round.failures.append(failure)
        if not round.stopping and round.until is None:
            round.until = _in(SETTLE)

    def _stop(self, round: Round, number: int, grace: float, *, now: bool = False) -> None:
        round.stopping = True
        round.until = _in(grace + 6 * self._job.heartbeat)
        for member in self._members.values():
            member.channel.send(Stop(generation=round.generation, signal=number, grace=grace, now=now))


def _misfit(wrong: list[str]) -> Finish:
    mend = "start the same command with the same versions on all hosts, each with its own --host"
    return Finish(code=2, text=words.failure("\n".join(wrong), mend=mend))


def _interrupted(number: int, out: str | None = None) -> Finish:
    mend = "" if out is None else f"the same command with --out {out} goes on from the last checkpoint"
    return Finish(code=128 + number, text=words.failure("interrupted", mend=mend))


def _addresses(channels: Sequence[Channel]) -> list[str]:
    """Under which the hosts reach each other: what host 0 sees, and what the others see of host 0.

    A supervisor on the machine of host 0 is seen at 127.0.0.1, where the others could not reach it.
    """
    far = [channel for channel in channels if not _is_loopback(channel.peer)]
    if not far:
        return [channel.peer for channel in channels]
    return [channel.peer if channel in far else far[-1].own for channel in channels]


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _free_port() -> int:
    """A port that is free on all of this host's addresses, as far as one can know."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", 0), family=family, dualstack_ipv6=both) as server:
        port: int = server.getsockname()[1]
        return port
