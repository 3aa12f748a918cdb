"""One supervisor as a process of its own, for the tests: ``supervisor.py JSON`` with a job's fields."""

import json
import sys
from pathlib import Path

from chainrule.launch import Endpoint, Job, launch


class Plain:
    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def copy(self, data: bytes, *, result: bool) -> None:
        stream = sys.stdout if result else sys.stderr
        stream.buffer.write(data)
        stream.flush()


def main() -> int:
    fields = json.loads(sys.argv[1])
    fields["command"], fields["worker"] = tuple(fields["command"]), tuple(fields["worker"])
    fields["coordinator"] = Endpoint.parse(fields["coordinator"])
    outcome = launch(Job(**fields), Plain(), lambda: Path(sys.argv[2]))
    print(outcome.text, file=sys.stderr, flush=True)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
