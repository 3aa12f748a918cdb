"""Does a job on two hosts survive whatever befalls it, every time, and how long is it away?

Each job is a language model trained by two processes on two hosts, network namespaces of this machine.
Once it has saved a state, something happens to it.  A job counts where both supervisors end with exit code
0, the weights are those of the undisturbed run to the bit, training went on at the last checkpoint, and no
process is left.  Needs root, the command ip, and JAX (the extra xla).

    python benchmarks/faults.py [JOBS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.launch import two_hosts
from tests.launch.two_hosts import FAULTS, HEARTBEAT, OPTIONS, Hosts, Story

from chainrule.bench import machine


def job(folder: Path, fault: str, text: Path, cache: Path, expected: dict[str, np.ndarray]) -> Story:
    """One job that this befalls.  Raises: ``AssertionError`` where it does not come through whole."""
    folder.mkdir()
    with Hosts(folder) as hosts:
        hosts.start(text, cache)
        story = two_hosts.befall(hosts, fault, generation=0)
        assert two_hosts.finish(hosts) == [0, 0], hosts.screen(0) + hosts.screen(1)
        assert not two_hosts.processes(hosts.mark), "processes are left"
        assert story.resumed > story.saved, f"steps are lost: {story}"
        found = two_hosts.weights(hosts.run)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
    return story


def main() -> None:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    assert not two_hosts.refused(), two_hosts.refused()
    print(machine())
    print(f"{jobs} jobs, launch {' '.join(OPTIONS)}; a heartbeat is {HEARTBEAT:.0f} s\n")
    stories: dict[str, list[Story | None]] = {fault: [] for fault in FAULTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text, cache = two_hosts.corpus(folder / "corpus"), folder / "cache"
        expected = two_hosts.uninterrupted(folder, text, cache)
        for number in range(jobs):
            fault = list(FAULTS)[number % len(FAULTS)]
            try:
                story = job(folder / f"job-{number}", fault, text, cache, expected)
                print(f"{number + 1:>3}  {fault:<24} away for {story.seconds:5.1f} s", flush=True)
                stories[fault].append(story)
            except AssertionError as error:
                print(f"{number + 1:>3}  {fault:<24} NOT SURVIVED: {error}", flush=True)
                stories[fault].append(None)
    print(f"\n{'fault':<24}  survived  away: median  longest")
    for fault, told in stories.items():
        times = [story.seconds for story in told if story is not None]
        count = f"{len(times)} of {len(told)}"
        if times:
            print(f"{fault:<24}  {count:>8}  {median(times):10.1f} s  {max(times):5.1f} s")
        else:
            print(f"{fault:<24}  {count:>8}")


if __name__ == "__main__":
    main()
