"""One growing file, followed by name through rotation and truncation."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from watchtower.edges.clock import Clock
from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition, micros
from watchtower.sources._lines import Lines, lines

log = logging.getLogger(__name__)
PAUSE = 0.05
"""Seconds between two looks at a file that did not grow."""


class FollowSession:
    """Reads a file to its end and then what is added to it; a position is a byte, that of a line's start or the file's end.

    A line counts once it ends with a newline. A file that was moved away is read to its end, then its successor from the start;
    one that was cut is read anew. A missing file is waited for.
    """

    def __init__(self, path: Path, partition: Partition, clock: Clock, *, follow: bool) -> None:
        """*follow* False: nothing more will be written, and a last line without newline counts."""
        self._path = path
        self._partition = partition
        self._clock = clock
        self._complete = not follow
        self._file: BinaryIO | None = None
        self._next: int | None = None
        self._seen = 0
        self._unfinished = -1
        self._lost = 0

    def poll(self, timeout: float) -> Sequence[Messages]:
        """The next lines, waiting at most *timeout* seconds for some."""
        until = time.monotonic() + timeout
        while True:
            if self._next is not None and (found := self._read()) is not None:
                now = self._clock.now()
                return [found.messages(self._partition, read_at=0 if self._complete else micros(now), end=self._end())]
            left = until - time.monotonic()
            if left <= 0 or self._complete:
                return []
            time.sleep(min(PAUSE, left))

    def _read(self) -> Lines | None:
        """The next lines of the file as it is now, of its successor where it was replaced."""
        found = self._read_open(complete=self._complete)
        if found is None and self._file is not None and self._is_replaced():
            found = self._read_open(complete=True)
            if found is None:
                log.warning("file_replaced path=%s position=%s", self._path, self._next)
                self._file.close()
                self._file, self._next = None, 0
                found = self._read_open(complete=self._complete)
        return found

    def _read_open(self, *, complete: bool) -> Lines | None:
        while (size := self._size()) > (at := self._next or 0) and self._file is not None:
            found = lines(self._file, at, size, complete=complete)
            self._unfinished = size if found.next == at else -1
            self._next = found.next
            if found.values:
                return found
            if found.next == at:
                return None
        return None

    def _size(self) -> int:
        """How long the file is; one that was cut is begun anew, one that is missing is empty."""
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            size = os.fstat(self._file.fileno()).st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            msg = f"cannot read {self._path}: {error.strerror}"
            raise Unavailable(msg) from error
        if self._next is not None and size < self._next:
            log.warning("file_cut path=%s position=%d size=%d", self._path, self._next, size)
            self._lost += self._seen > self._next
            self._next = 0
        self._seen = size
        return size

    def _is_replaced(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._file.fileno()) if self._file is not None else there
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _end(self) -> int:
        """The file's end, not counting a line that is still being written."""
        size, at = self._size(), self._next or 0
        return at if size == self._unfinished else max(size, at)

    def assigned(self) -> Sequence[Partition]:
        """The file."""
        return [self._partition]

    def fresh(self) -> Sequence[Partition]:
        """The file, until it is sought."""
        return [self._partition] if self._next is None else []

    def seek(self, positions: Mapping[Partition, int | None]) -> None:
        """Goes on at a byte, None: at the start."""
        if self._partition in positions:
            self._next = positions[self._partition] or 0
            self._unfinished = -1

    def ends(self) -> Mapping[Partition, tuple[int, int, datetime]]:
        """Position and end, as the file is now."""
        return {} if self._next is None else {self._partition: (self._next, self._end(), self._clock.now())}

    def lost(self) -> Mapping[Partition, int]:
        """1 for each time the file was cut while there was something left to read: how much cannot be known."""
        lost, self._lost = self._lost, 0
        return {self._partition: lost} if lost else {}

    def caught_up(self) -> bool:
        """Whether no whole line is left."""
        return self._next is not None and self._end() == self._next and not (self._file is not None and self._is_replaced())

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
