"""A worker without JAX, for the tests of the supervisor: does what its plan says for its place.

``worker.py train NOTES "0.1=kill 1.*=work"``: in generation 0 rank 1 kills itself, later all work and end
well.  Everything it starts is noted, one process a line, in the file NOTES.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Worker:
    def __init__(self) -> None:
        self.place = json.loads(os.environ["CHAINRULE_PROCESS"])
        self.notes = Path(sys.argv[2])
        self.plan = dict(entry.split("=", 1) for entry in sys.argv[3].split())

    def note(self, process: int) -> None:
        with open(self.notes, "a") as stream:
            place = self.place
            stream.write(f"{process} {place['generation']} {place['index']} {json.dumps(place)}\n")

    def go_on(self, seconds: float = float("inf")) -> None:
        """Show progress for a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            Path(self.place["progress"]).write_text(str(time.time()))
            time.sleep(0.01)

    def await_all(self) -> None:
        """Until all workers of this generation have noted themselves: nobody fails before all are there."""
        generation, end = str(self.place["generation"]), time.monotonic() + 20
        while time.monotonic() < end:
            noted = [line.split(" ", 3) for line in self.notes.read_text().splitlines()]
            if len({rank for _, g, rank, *_ in noted if g == generation}) == self.place["processes"]:
                break
            time.sleep(0.01)
        time.sleep(0.05)

    def run(self) -> None:
        generation, rank = self.place["generation"], self.place["index"]
        keys = (f"{generation}.{rank}", f"{generation}.*", f"*.{rank}", "*.*")
        what = next((self.plan[key] for key in keys if key in self.plan), "work")
        action, _, value = what.partition(":")
        if action == "silent":  # hangs, and does not even listen to SIGTERM
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.note(os.getpid())
        if action in ("end", "kill"):
            self.await_all()
        said = f"rank {rank} of {self.place['processes']} in generation {generation}: {what}"
        print(said, file=sys.stderr, flush=True)
        match action:
            case "work":  # some time with signs of progress, and then done
                self.go_on(float(value or 0.1))
                print(json.dumps({"rank": rank, "done": True}))
            case "end":
                print(f"error: rank {rank} ends like this\n  mend:  mend it", file=sys.stderr)
                sys.exit(int(value))
            case "kill":
                os.kill(os.getpid(), getattr(signal, value or "SIGKILL"))
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "silent":
                time.sleep(600)
            case "wait":
                self.go_on()
            case "save":  # at an interrupt, saves for a while and ends as interrupted
                signal.signal(signal.SIGINT, signal.default_int_handler)
                try:
                    self.go_on()
                except KeyboardInterrupt:
                    time.sleep(float(value or 0.1))
                    print("saved", file=sys.stderr)
                    sys.exit(130)
            case "parent":  # with a child of its own
                child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
                self.note(child.pid)
                self.go_on()


if __name__ == "__main__":
    Worker().run()
