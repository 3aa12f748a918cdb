"""Where a study is kept: a journal file for one machine, or a database behind a gRPC proxy for many.

The journal is a file of one JSON object a line, written under a lock that ends with its holder.  What a full
disk or a power cut has left of a last line was never reported as written, and the next writer takes it away.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import (
    ChainruleError,
    ConfigurationError,
    DataError,
    MissingExtraError,
    RunFolderError,
    TuningError,
)
from .locks import FileLock

JOURNAL = "journal.log"
PROXY = "grpc://"
CONNECT_SECONDS = 10.0
"""How long a proxy may take to answer at all."""
CALL_SECONDS = 60.0
"""How long it may take later, so that it can be started anew."""
DEFAULT_PORT = 13000


def optuna() -> Any:
    """The package, which takes half a second to import; saying nothing of its own."""
    if find_spec("optuna") is None:
        raise MissingExtraError("optuna", "tune", "tuning")
    import optuna as package

    package.logging.set_verbosity(package.logging.ERROR)
    return package


class Address(NamedTuple):
    """Of a study behind a proxy."""

    host: str
    port: int
    name: str

    def __str__(self) -> str:
        return f"{PROXY}{self.host}:{self.port}/{self.name}"


def read_address(text: str) -> Address:
    """``grpc://HOST:PORT/NAME``, the port 13000 where none is given.

    >>> read_address("grpc://tuning.example:4000/digits")
    Address(host='tuning.example', port=4000, name='digits')
    """
    found = re.fullmatch(r"grpc://(\[[\da-fA-F:.]+\]|[^/:\[\]]+)(?::(\d{1,5}))?/([\w.-]+)", text)
    port = int(found[2] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 65536 or not found[3].strip("."):
        raise ConfigurationError(
            f"{text!r} is no address of a study",
            mend="write grpc://HOST:PORT/NAME, NAME of letters and digits",
        )
    return Address(found[1], port, found[3])


# -- the journal -----------------------------------------------------------------------------------


@cache
def _journal_kind() -> Any:
    backend: Any = optuna().storages.journal.JournalFileBackend

    class Journal(backend):  # type: ignore[misc]  # the base is imported when used
        """Optuna's file backend, with a lock that no kill leaves behind and without torn lines."""

        def __init__(self, path: Path) -> None:
            self.path = path
            super().__init__(str(path), lock_obj=FileLock(path.with_name(f"{path.name}.lock")))

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
            with self._lock, open(self.path, "r+b") as file:
                end = _whole(file)
                try:
                    file.seek(end)
                    file.truncate()
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                except BaseException:  # a full disk: what came before is still whole
                    with contextlib.suppress(OSError):
                        os.ftruncate(file.fileno(), end)
                    raise

        def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
            try:
                yield from super().read_logs(log_number_from)
            except ValueError as error:
                raise _damaged(self.path, str(error)) from None

    return Journal


def _whole(file: Any) -> int:
    """Where the last whole line of the file ends."""
    end: int = file.seek(0, os.SEEK_END)
    while end:
        start = max(end - 4096, 0)
        file.seek(start)
        block = file.read(end - start)
        found: int = block.rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _damaged(path: Path, what: str) -> RunFolderError:
    return RunFolderError(
        f"the journal is damaged: {what}",
        where=str(path),
        mend="take out the lines that are no JSON, or begin another study; trials' folders stay of use",
    )


def open_journal(folder: Path) -> Any:
    """The storage in ``folder``, made if there is none.  ``RunFolderError`` where it is damaged."""
    path = folder / JOURNAL
    try:
        return optuna().storages.JournalStorage(_journal_kind()(path))
    except ChainruleError:
        raise
    except OSError as error:
        raise DataError(f"the journal cannot be opened: {error.strerror or error}", path=path) from None
    except Exception as error:  # records that are JSON and no records of a journal
        raise _damaged(path, f"{type(error).__name__}: {error}") from None


# -- the proxy -------------------------------------------------------------------------------------


def connect(address: Address, seconds: float = CONNECT_SECONDS) -> Any:
    """The storage behind the proxy at ``address``; ``TuningError`` where none answers in time."""
    check_proxy_packages()
    package = optuna()
    with warnings.catch_warnings():  # it is experimental, and the one way for many machines
        warnings.simplefilter("ignore", package.exceptions.ExperimentalWarning)
        storage = _proxy_kind()(host=address.host, port=address.port)
    try:
        storage.wait_server_ready(timeout=seconds)
    except ConnectionError:
        raise TuningError(
            f"no proxy answers at {address.host}:{address.port} within {seconds:g} s",
            mend=f"start one there: chainrule tune --serve sqlite:///study.db --port {address.port}",
        ) from None
    return storage


def check_proxy_packages() -> None:
    """Raise where the packages that talk over the network are missing."""
    for module, package in (("grpc", "grpcio"), ("google.protobuf", "protobuf")):
        with contextlib.suppress(ModuleNotFoundError):  # of the package that the module is in
            if find_spec(module) is not None:
                continue
        raise MissingExtraError(package, "tune", "a study behind a proxy")


@cache
def _proxy_kind() -> Any:
    import grpc

    client: Any = optuna().storages.GrpcStorageProxy

    class Bounded(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # the base is imported when used
        """No call lasts for ever, and a server that is started anew is waited for."""

        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            limits = _Details(
                details.method, CALL_SECONDS, details.metadata, details.credentials, True, details.compression
            )
            return continuation(limits, request)

    class _Details(NamedTuple):
        method: str
        timeout: float
        metadata: Any
        credentials: Any
        wait_for_ready: bool
        compression: Any

    class Proxy(client):  # type: ignore[misc]  # the base is imported when used
        """Optuna's client, its calls bounded."""

        _channel: Any
        _stub: Any
        _cache: Any

        def _setup(self) -> None:
            super()._setup()
            self._channel = grpc.intercept_channel(self._channel, Bounded())
            self._stub = type(self._stub)(self._channel)
            self._cache = type(self._cache)(self._stub)

    return Proxy


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """What a storage raises, as errors that say what to do."""
    try:
        yield
    except (ChainruleError, KeyboardInterrupt):
        raise
    except Exception as error:
        module = type(error).__module__.partition(".")[0]
        if module == "grpc":
            code = error.code() if hasattr(error, "code") else error
            raise TuningError(
                f"the study's proxy does not answer: {getattr(code, 'name', code)}",
                where=where,
                mend="see that it runs, and give the same command again: the trial is not lost",
            ) from None
        if module in ("optuna", "sqlalchemy"):
            raise TuningError(
                f"the study cannot be read or written: {_first_line(error)}", where=where
            ) from None
        raise


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    return str(cause).strip().partition("\n")[0]


# -- the other side of the proxy -------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """What :func:`serve` offers, and where."""

    url: str
    host: str
    port: int


def open_database(url: str) -> Any:
    """The storage of a database such as ``sqlite:///study.db``; its tables are made if there are none.

    Raises ``ConfigurationError`` for an address that is none, ``MissingExtraError`` where the database's
    driver is not installed, ``TuningError`` where it cannot be opened in time.
    """
    package = optuna()
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        backend = make_url(url).get_backend_name()
        seconds: Mapping[str, Any] = {} if backend == "sqlite" else {"connect_timeout": int(CONNECT_SECONDS)}
        return package.storages.get_storage(
            package.storages.RDBStorage(url, engine_kwargs={"connect_args": dict(seconds)})
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigurationError(
            f"{url!r} is no address of a database: {_first_line(error)}",
            mend="write sqlite:///study.db or postgresql://USER@HOST/NAME",
        ) from None
    except (ImportError, ModuleNotFoundError) as error:
        raise TuningError(
            f"the database's driver is not installed: {str(error).partition(chr(10))[0]}",
            mend="install it, or name one that is, as in postgresql+psycopg://USER@HOST/NAME",
        ) from None
    except (SQLAlchemyError, package.exceptions.OptunaError, RuntimeError, OSError) as error:
        raise TuningError(
            f"the database cannot be opened: {_first_line(error)}", where=str(make_url(url))
        ) from None


def serve(url: str, host: str, port: int) -> Iterator[Served]:
    """Offer a database to tuners elsewhere; yields once, before it listens, and serves until interrupted."""
    check_proxy_packages()
    storage = open_database(url)
    _check_free(host, port)
    yield Served(url, host, port)
    package = optuna()
    with warnings.catch_warnings():  # see connect
        warnings.simplefilter("ignore", package.exceptions.ExperimentalWarning)
        # One thread: SQLite has no rows to lock, and two clients must not take one trial.
        package.storages.run_grpc_proxy_server(
            storage, host=host, port=port, thread_pool=ThreadPoolExecutor(max_workers=1)
        )


def _check_free(host: str, port: int) -> None:
    """Raise where nothing can listen: the server's own words say less."""
    try:
        family, kind, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except OSError as error:
        raise TuningError(
            f"nothing can listen at {host}:{port}: {error.strerror or error}",
            mend="choose another --port, or --host",
        ) from None
