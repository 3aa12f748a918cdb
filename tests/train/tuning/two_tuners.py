"""A tuner as a process of its own, for tests that kill it.

``python two_tuners.py FOLDER TRIALS EPOCHS PAUSE``: it writes a line for each epoch that it trains to ``FOLDER.epochs``, with the folder of the trial's run.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import studies  # this file's neighbour

from chainrule.train import Reporter, RunFolder
from chainrule.train.configuration import Options
from chainrule.train.tuning import SilentDisplay, Tuner


def main(folder: Path, trials: int, epochs: int, pause: float) -> None:
    study = studies.toy_study(folder, trials=trials, pruning=False, epochs=epochs)

    def run(config: Options, where: RunFolder, resume: bool, reporter: Reporter) -> None:
        def hook(config: Any, epoch: int) -> None:
            with open(f"{folder}.epochs", "a", encoding="ascii") as log:
                log.write(f"{where.path.name} {epoch}\n")
            time.sleep(pause)

        studies.Toy(hook)(config, where, resume, reporter)

    Tuner(study, run, SilentDisplay(), heartbeat=0.2).work()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
