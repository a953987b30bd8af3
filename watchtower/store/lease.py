"""Who leads: a row (holder, epoch, expires_at) that every leader's transaction compares and sets first; with SQLite a lock file besides.

SQLite has no clock of its own, so the expiry is by the clock that the store was opened with.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower.nouns.errors import Fenced, Unavailable
from watchtower.nouns.window import micros
from watchtower.store.database import Database
from watchtower.store.tables import lease

TERM = timedelta(seconds=6)
_ATTEMPTS = 5
_PAUSE = 0.1


class Lease:
    """The right to evaluate, to move plans and to tell."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """*now* gives the moment by which leases expire."""
        self._database = database
        self._now = now
        self._holder = uuid.uuid4().hex
        self._file: int | None = None

    @contextmanager
    def as_leader(self) -> Iterator[sa.Connection]:
        """A transaction that only the lease's holder gets: it takes or renews the lease first. Fenced where another one holds it."""
        with self._database.writing() as tx:
            self._take(tx, over=None)
            yield tx

    def moment(self) -> datetime:
        """Now, by the clock that leases expire by."""
        return self._now()

    def lead(self) -> None:
        """Takes or renews the lease, and does nothing else. Fenced where another one holds it."""
        with self.as_leader():
            pass

    def hold_file_lock(self) -> None:
        """Makes this the only daemon on the store's file until the process ends, however it ends, and takes over the lease.

        Unavailable where another one runs. The lock is the operating system's (`flock` on ``<file>.lock``) and is not inherited by programs
        that are started. In memory there is nothing to hold.
        """
        path = self._lock_path()
        if path is None or self._file is not None:
            return
        self._file = _locked(path)
        with self._database.writing() as tx:
            self._take(tx, over="the old holder is dead: it had the lock")

    def is_held_somewhere(self) -> bool:
        """Whether a daemon (this process or another one) holds the file lock now; looking disturbs nobody."""
        path = self._lock_path()
        if path is None or not path.exists():
            return False
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def release(self) -> None:
        """Lets go of the file lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock_path(self) -> Path | None:
        path = self._database.path
        return None if path is None else path.with_name(f"{path.name}.lock")

    def _take(self, tx: sa.Connection, *, over: str | None) -> None:
        """One statement: insert, renew, or take an expired lease (any, where *over* says why). Fenced where it is another's."""
        now = micros(self._now())
        fresh = insert(lease).values(id=1, holder=self._holder, epoch=1, expires_at=now + micros_of(TERM))
        free = sa.or_(lease.c.holder == self._holder, lease.c.expires_at < now)
        epoch = sa.case((lease.c.holder == self._holder, lease.c.epoch), else_=lease.c.epoch + 1)
        changes = {"holder": fresh.excluded.holder, "epoch": epoch, "expires_at": fresh.excluded.expires_at}
        taken = tx.execute(fresh.on_conflict_do_update(index_elements=["id"], set_=changes, where=None if over else free))
        if taken.rowcount == 0:
            msg = "another watchtower leads: it holds the store's lease"
            raise Fenced(msg)


def micros_of(span: timedelta) -> int:
    """Whole microseconds of *span*."""
    return span // timedelta(microseconds=1)


def _locked(path: Path) -> int:
    """An open file that is locked; tried for a moment, since somebody may be looking (see `is_held_somewhere`)."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        msg = f"the lock file {path} cannot be opened: {error.strerror}"
        raise Unavailable(msg, for_good=True) from error
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE if attempt < _ATTEMPTS - 1 else 0)
        else:
            return file
    os.close(file)
    msg = f"another watchtower runs on {path.with_suffix('')}: one daemon a store; stop it, or give this one another store.url"
    raise Unavailable(msg)
