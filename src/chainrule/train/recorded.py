"""The configuration of a run that was made before: as it was recorded, and as the run is used here.

A newer version may know settings that a run was made without.  Its ``config.toml`` is whole all the same
where it still is what the manifest has the hash of; each of those settings then is as runs before it were:
its default, or what the setting itself says (:func:`before`).  So an old run is read and gone on with as
ever.  A file that lacks settings and is not as it was written was cut short, or a line of it is lost, and
defaults in the place of what is lost would make it another run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_origin

import msgspec

from ..compile import DEFAULT_ENGINE, engine_named
from ..data.sources import aloud
from ..errors import ConfigurationError, MissingExtraError, RunFolderError
from .configuration import Options, from_mapping, leaves, merged, to_mapping
from .run_folder import RunFolder

C = TypeVar("C", bound=Options)


def recorded(kind: type[C], folder: RunFolder) -> C:
    """The configuration that the run in ``folder`` was started with, for going on with it.

    Raises ``RunFolderError`` where it is damaged or lacks what the run was made with.
    """
    tree = {key: value for key, value in folder.config().items() if key != "task"}
    where = str(folder.config_path)
    try:
        config = from_mapping(kind, merged(before(kind), tree))
    except ConfigurationError as error:
        raise RunFolderError(f"config.toml: {error.what}", where=where, mend=error.mend) from None
    present = {key for key, _ in leaves(tree)}
    missing = [key for key, value in leaves(to_mapping(config)) if key not in present and value is not None]
    if missing and not folder.is_as_written(folder.config_path.name):
        raise RunFolderError(
            f"config.toml lacks {', '.join(missing)}",
            where=where,
            mend="restore it, write in what the run was trained with, or train again",
        )
    return config


def recorded_for_use(kind: type[C], folder: RunFolder, say: Callable[[str], object] = aloud) -> C:
    """The same for using what was trained, on whatever machine this is.

    The engine is asked for one device, whatever the mesh was.  One that needs a package which is not
    installed here is replaced by the default one, which gives the same answers to within rounding, and
    ``say`` is told so.
    """
    config = recorded(kind, folder)
    training: Any = getattr(config, "training", None)
    if training is None:
        return config
    try:
        engine_named(training.engine)
    except MissingExtraError as error:
        say(f"{folder.path}: {error.what}; here it is used with the engine {DEFAULT_ENGINE}")
        training = msgspec.structs.replace(training, engine=DEFAULT_ENGINE)
    return msgspec.structs.replace(config, training=msgspec.structs.replace(training, mesh=None))


def before(kind: type[Options]) -> dict[str, Any]:
    """How runs were that are older than a setting, where its default changed something.

    The setting says it: ``Annotated[int, msgspec.Meta(extra={"before": 0})]``.

    >>> from chainrule.tasks.digits_options import Configuration
    >>> before(Configuration)
    {'linear_epochs': 0}
    """
    found: dict[str, Any] = {}
    for item in msgspec.structs.fields(kind):
        if isinstance(item.type, type) and get_origin(item.type) is None and issubclass(item.type, Options):
            found |= {item.name: inner} if (inner := before(item.type)) else {}
        for note in getattr(item.type, "__metadata__", ()):
            extra: Mapping[str, Any] = note.extra or {}
            found |= {item.name: extra["before"]} if "before" in extra else {}
    return found
