"""The door to the database: connections, transactions, and what their failures mean.

SQLite in WAL mode with ``synchronous=NORMAL``: a commit is in the operating system's hands when it returns, so killing the process
at any moment loses nothing and tears nothing. Only a power loss may take the last commits, whole and in order; positions go with
the counts they belong to, so what they covered is read again.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from watchtower.nouns.errors import ConfigError, Problem, Unavailable
from watchtower.nouns.place import Place
from watchtower.store.tables import SCHEMA, metadata, schema

PATIENCE = 6.0
"""Seconds that a writer waits for a lock of another process, and for one of its own threads; a little over the promised 5."""

_FOR_GOOD = ("SQLITE_READONLY", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_PERM", "SQLITE_AUTH")


class Database:
    """Transactions over one database: any number of readers, one writer at a time."""

    def __init__(self, engine: sa.Engine, name: str, path: Path | None) -> None:
        """Use :meth:`open`. *path* is the SQLite file, None in memory."""
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._turn = threading.RLock()
        self._name = name
        self._closed = False
        self.path = path
        self.read_only = False

    @classmethod
    def open(cls, url: str, *, read_only: bool) -> "Database":
        """Opens *url* (``sqlite:///FILE``; ``sqlite://`` is in memory) and makes the tables where there are none.

        ConfigError where it is no such address; Unavailable where there is no store yet (*read_only*), where it cannot be
        opened, and, for good, where a newer Watchtower wrote it.
        """
        path = _path(url)
        engine = _engine(path, read_only=read_only)
        sa.event.listen(engine, "begin", _begin)
        database = cls(engine, url if path is None else str(path), path)
        database.read_only = read_only
        try:
            database._prepare(read_only=read_only)
        except BaseException:
            engine.dispose()
            raise
        return database

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look; waits for no writer. Unavailable where the database cannot be read."""
        with self._translated():
            if self.path is None:
                with self._turn, self._open().begin() as tx:
                    yield tx
            else:
                with self._open().begin() as tx:
                    yield tx

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that holds the write lock from its start: committed at the end, rolled back on any exception.

        Unavailable where the lock could not be had for :data:`PATIENCE` seconds, or nothing can be written.
        """
        if not self._turn.acquire(timeout=PATIENCE):
            msg = f"the store {self._name} was busy for {PATIENCE:g} s"
            raise Unavailable(msg)
        try:
            self._open()
            with self._translated(), self._writer.begin() as tx:
                yield tx
        finally:
            self._turn.release()

    def close(self) -> None:
        """Closes every connection once nobody uses it; whoever comes later is refused.

        The one connection of a database in memory must not be closed while another thread is inside it: SQLite would crash.
        """
        self._closed = True
        if self.path is not None:
            self._engine.dispose()
        elif self._turn.acquire(timeout=PATIENCE):
            self._engine.dispose()
            self._turn.release()

    def _open(self) -> sa.Engine:
        if self._closed:
            msg = f"the store {self._name} was closed"
            raise Unavailable(msg, for_good=True)
        return self._engine

    def _prepare(self, *, read_only: bool) -> None:
        with self._translated(missing=read_only):
            found = self._version()
        if found is None and read_only:
            raise self._no_store()
        if found is not None and found > SCHEMA:
            msg = f"the store {self._name} was written by a newer Watchtower (schema {found}, this one knows {SCHEMA}): start the newer one"
            raise Unavailable(msg, for_good=True)
        if found is None:
            self._create()
        elif not read_only:
            self._complete()

    def _version(self) -> int | None:
        with self._engine.begin() as tx:
            if not sa.inspect(tx).has_table(schema.name):
                return None
            version: int | None = tx.execute(sa.select(schema.c.version)).scalar()
            return version

    def _create(self) -> None:
        if self.path is not None:
            with self._translated(), self._engine.connect() as connection:
                _cursor(connection, "PRAGMA journal_mode=WAL")
        with self.writing() as tx:
            if sa.inspect(tx).has_table(schema.name):
                return
            metadata.create_all(tx)
            tx.execute(sa.insert(schema).values(version=SCHEMA))

    def _complete(self) -> None:
        """Adds the tables that an earlier release of this schema did not have."""
        with self._translated(), self._engine.begin() as tx:
            there = set(sa.inspect(tx).get_table_names())
        if not there.issuperset(metadata.tables):
            with self.writing() as tx:
                metadata.create_all(tx)

    @contextmanager
    def _translated(self, *, missing: bool = False) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:
            raise
        except (DBAPIError, sa.exc.TimeoutError) as error:
            name = getattr(error.orig, "sqlite_errorname", "") if isinstance(error, DBAPIError) else ""
            if missing and name == "SQLITE_CANTOPEN":
                raise self._no_store() from error
            cause = error.orig if isinstance(error, DBAPIError) else error
            lacks = " (an earlier Watchtower wrote it: `watchtower run` adds what it lacks)" if str(cause).startswith("no such table") else ""
            msg = f"the store {self._name} cannot be used: {cause}{lacks}"
            raise Unavailable(msg, for_good=name.startswith(_FOR_GOOD)) from error

    def _no_store(self) -> Unavailable:
        return Unavailable(f"no store yet at {self._name}: start `watchtower run` first")


def _path(url: str) -> Path | None:
    """The file that *url* names, None for memory."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "sqlite":
        raise ConfigError([Problem(Place("store.url"), f"unknown store {url.split('://', maxsplit=1)[0]!r}", "write sqlite:///FILE")])
    return Path(parsed.database) if parsed.database and parsed.database != ":memory:" else None


def _engine(path: Path | None, *, read_only: bool) -> sa.Engine:
    if path is None:
        return sa.create_engine("sqlite://", poolclass=StaticPool, creator=_connector(":memory:"))
    mode = "ro" if read_only else "rwc"
    creator = _connector(f"file:{quote(str(path.absolute()))}?mode={mode}")
    return sa.create_engine("sqlite://", poolclass=QueuePool, pool_size=8, max_overflow=-1, creator=creator)


def _connector(name: str) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(name, uri=name.startswith("file:"), timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return connect


def _begin(connection: sa.Connection) -> None:
    """SQLAlchemy's begin as SQL's own: sqlite3 would begin late, and would turn a reader into a writer midway (which cannot wait)."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _cursor(connection: sa.Connection, statement: str) -> None:
    """Runs *statement* outside any transaction."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute(statement)
