"""Which faults are called by their names?  Networks broken in known ways, and healthy ones besides.

    python benchmarks/diagnosis.py [--all] [WORD …]

prints the table, one line a network; ``--all`` with all that was said, words choose rows by their names.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.diagnose.faults import FAULTS, HEALTHY, Fault, named, said


def main(arguments: list[str]) -> None:
    """Print the table."""
    words = [word for word in arguments if word != "--all"]
    whole = "--all" in arguments
    begun = time.perf_counter()

    def chosen(name: str) -> bool:
        return not words or any(word in name for word in words)

    rows = [row for row in FAULTS if chosen(row.name)]
    told = [_show(row, whole) for row in rows]
    print(f"\n{sum(told)} of {len(rows)} called by their names\n")
    quiet = []
    for name, program in HEALTHY:
        if chosen(name):
            result = program()
            quiet.append(not result.alarms)
            losses = f"loss {result.records[0]['loss']:.3f} → {result.records[-1]['loss']:.3f}"
            print(f"{'quiet' if quiet[-1] else 'ALARM'}  {name:60} {losses}")
            for alarm in result.alarms:
                print(_indented(str(alarm)))
    seconds = time.perf_counter() - begun
    print(f"\n{sum(quiet)} of {len(quiet)} healthy runs hear nothing; {seconds:.1f} s in all")


def _show(row: Fault, whole: bool) -> bool:
    text = said(row)
    right = named(row, text)
    line = next((line for line in text.splitlines() if row.expected in line), "").strip()
    print(f"{'named' if right else 'MISSED'}  {row.name}")
    print(_indented(text if whole or not right else line))
    return right


def _indented(text: str) -> str:
    return "\n".join(f"       {line}" for line in text.splitlines())


if __name__ == "__main__":
    main(sys.argv[1:])
