"""A host's part: connects to host 0, does what it says, and leaves no worker without its supervisor."""

from __future__ import annotations

import asyncio
import signal
import socket
import uuid

from . import words
from .crew import Crew
from .job import Endpoint, Job, Outcome, Terminal
from .leash import Leash
from .wire import (
    LINE,
    Channel,
    Ended,
    Finish,
    Gone,
    Hello,
    Interrupted,
    LostError,
    Message,
    Note,
    Start,
    Stop,
    StrangerError,
    Welcome,
)

_LOOK = 0.05  # seconds between looks at the workers
_TELL_AGAIN = 30.0  # seconds between words about a host that cannot be reached
_ENOUGH = 5.0  # seconds that workers have to vanish after they were killed


class Host:
    """One supervisor's own workers, under the orders of host 0, which listens at ``leader``."""

    def __init__(self, job: Job, leader: Endpoint, terminal: Terminal, leash: Leash) -> None:
        self._job, self._leader, self._terminal, self._leash = job, leader, terminal, leash
        self._instance = uuid.uuid4().hex
        self._channel: Channel | None = None
        self._crew: Crew | None = None
        self._watch: asyncio.Task[None] | None = None
        self._generation, self._out = -1, job.out
        self._interrupts = 0
        self._answer: Message | None = None
        """What host 0 said instead of a welcome."""

    async def run(self) -> Outcome:
        """Take part until host 0 says that it is over, or cannot be reached for too long."""
        try:
            while True:
                reached = await self._connect()
                if isinstance(reached, Outcome):
                    return reached
                self._channel = reached
                try:
                    finish = await self._obey(reached)
                    await reached.close()
                    return self._outcome(finish)
                except LostError as lost:
                    self._terminal.say(f"the connection to host 0 is lost: {lost}")
                finally:
                    self._channel = None
                    reached.abort()
                await self._clear(signal.SIGTERM, self._job.grace)
        finally:
            await self._clear(None, 0)

    def _outcome(self, finish: Finish) -> Outcome:
        shown = finish.rank == 0 and self._job.host == 0  # it was copied to this terminal as it came
        detail = "" if shown or not finish.detail else "\n" + finish.detail
        return Outcome(finish.code, finish.text + detail)

    # -- the connection ------------------------------------------------------------------------------

    async def _connect(self) -> Channel | Outcome:
        """A connection on which host 0 has said welcome, or how it ended."""
        now = asyncio.get_running_loop().time
        began, tell, delay = now(), now() + 1.0, 0.1
        while True:
            try:
                return await self._greet()
            except StrangerError as stranger:
                return self._unreachable(2, f"what answers at {self._leader} is no host 0: {stranger}")
            except socket.gaierror as error:
                why = f"its name cannot be resolved: {words.reason(error)}"
            except TimeoutError:
                why = "no answer"
            except OSError as error:
                why = words.reason(error)
            except LostError as lost:
                why = str(lost)
            left = began + self._job.wait - now()
            if left <= 0:
                patience = words.seconds(self._job.wait)
                return self._unreachable(1, f"host 0 was not reached within {patience}: {why}")
            if now() >= tell:
                tell = now() + _TELL_AGAIN
                self._terminal.say(
                    f"host 0 is not reached at {self._leader} ({why}); trying for {words.seconds(left)} more"
                )
            await asyncio.sleep(min(delay, left))
            delay = min(1.5 * delay, 5.0)

    def _unreachable(self, code: int, what: str) -> Outcome:
        mend = "see that it was started there and that no firewall is between; --wait gives it more time"
        return Outcome(code, words.failure(what, where=f"--coordinator {self._leader}", mend=mend))

    async def _greet(self) -> Channel:
        job = self._job
        async with asyncio.timeout(job.heartbeat):
            reader, writer = await asyncio.open_connection(self._leader.host, self._leader.port, limit=LINE)
        channel = Channel(reader, writer, job.heartbeat)
        channel.send(
            Hello(
                host=job.host,
                hosts=job.hosts,
                processes=job.processes,
                command=list(job.command),
                versions=dict(job.versions),
                instance=self._instance,
                address=job.address,
                generation=self._generation,
                out=self._out,
            )
        )
        try:
            answer = await channel.receive()
        except BaseException:
            channel.abort()
            raise
        self._answer = None if isinstance(answer, Welcome) else answer
        return channel

    # -- orders --------------------------------------------------------------------------------------

    async def _obey(self, channel: Channel) -> Finish:
        while True:
            message = self._answer or await channel.receive()
            self._answer = None
            if isinstance(message, Finish):
                return message
            if isinstance(message, Start):
                self._start(message)
            elif isinstance(message, Stop):
                self._stop(message)
            elif isinstance(message, Note):
                self._terminal.say(message.text)

    def _start(self, start: Start) -> None:
        self._generation, self._out = start.generation, start.out
        try:
            self._crew = Crew(self._job, start, self._leash, self._terminal)
        except OSError as error:
            text = f"{words.reason(error)}: {error.filename}"
            self._tell(Ended(generation=start.generation, rank=-1, code=1, seconds=0, tail=text))
            self._tell(Gone(generation=start.generation))
            return
        self._watch = asyncio.create_task(self._look_after(self._crew))

    async def _look_after(self, crew: Crew) -> None:
        stuck = False
        while not crew.gone:
            await asyncio.sleep(_LOOK)
            for ended in crew.poll():
                if not (ended.stuck and stuck):  # once is enough
                    self._tell(ended)
                stuck = stuck or ended.stuck
        self._tell(Gone(generation=crew.start.generation, killed=crew.killed))

    def _stop(self, stop: Stop) -> None:
        if self._crew is None or self._crew.start.generation != stop.generation:
            return
        if stop.now:
            self._crew.kill()
        else:
            self._crew.stop(stop.signal, stop.grace)

    def _tell(self, message: Ended | Gone | Interrupted) -> None:
        if self._channel is not None:
            self._channel.send(message)

    async def _clear(self, number: int | None, grace: float) -> None:
        """Until no worker is left: asked with a signal first, or killed at once."""
        if self._crew is None or self._watch is None:
            return
        if number is None:
            self._crew.kill()
        else:
            self._crew.stop(number, grace)
        await asyncio.wait({self._watch}, timeout=grace + _ENOUGH)
        self._crew = self._watch = None

    # -- people --------------------------------------------------------------------------------------

    def interrupt(self, number: int) -> bool:
        """A signal has come: the first lets workers save their state, the second kills them.

        False where nothing else is to be done than to leave.
        """
        self._interrupts += 1
        if self._channel is None or self._interrupts > 2:
            return False
        if self._interrupts == 1:
            self._terminal.say("stopping: the workers save their state; once more, and they are killed")
        elif self._crew is not None:
            self._crew.kill()
        self._tell(Interrupted(signal=number, now=self._interrupts > 1))
        return True
