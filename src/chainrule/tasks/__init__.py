"""Tasks: data + model + loss + metric + prediction, one task a file.

May import: train, models, data, optim, nn and below.
Start reading at ``task.py``, then ``language_model.py``.
"""

from ..errors import ConfigurationError
from .digits import Digits
from .language_model import LanguageModeling
from .ner import EntityRecognition
from .pos import PosTagging
from .task import (
    Differentiates,
    Example,
    Explains,
    HasWordVectors,
    Map,
    Pictures,
    Report,
    Say,
    System,
    Table,
    Task,
)
from .textcnn import TextClassification
from .word2vec import WordVectorLearning

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        LanguageModeling(),
        Digits(),
        PosTagging(),
        EntityRecognition(),
        TextClassification(),
        WordVectorLearning(),
    )
}


def task_named(name: str) -> Task:
    """The task called ``name``."""
    try:
        return TASKS[name]
    except KeyError:
        raise ConfigurationError(
            f"there is no task {name!r}", mend=f"choose one of: {', '.join(TASKS)}"
        ) from None


__all__ = [
    "TASKS",
    "Differentiates",
    "Digits",
    "EntityRecognition",
    "Example",
    "Explains",
    "HasWordVectors",
    "LanguageModeling",
    "Map",
    "Pictures",
    "PosTagging",
    "Report",
    "Say",
    "System",
    "Table",
    "Task",
    "TextClassification",
    "WordVectorLearning",
    "task_named",
]
