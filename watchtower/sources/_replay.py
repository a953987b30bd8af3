"""Files in a given order as one partition, read once to their ends."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from watchtower.formats import Format
from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import EPOCH, Partition, Span
from watchtower.sources._lines import Lines, lines

REPLAYED = Partition("files")


class ReplaySession:
    """Reads *paths* one after the other; a position is a byte in all of them together. Messages are decoded by *form*."""

    def __init__(self, paths: Sequence[Path], form: Format) -> None:
        """Opens all files as long as they are now; Unavailable where one cannot be read."""
        self.format = form
        try:
            self._files = [path.open("rb") for path in paths]
            self._bounds = np.cumsum([0, *(path.stat().st_size for path in paths)]).tolist()
        except OSError as error:
            msg = f"cannot read {error.filename}: {error.strerror}"
            raise Unavailable(msg) from error
        self._next = 0

    @property
    def end(self) -> int:
        """Bytes in all files."""
        return int(self._bounds[-1])

    def position(self) -> int:
        """Bytes read so far."""
        return self._next

    def poll(self, timeout: float) -> Sequence[Messages]:  # noqa: ARG002  files never keep one waiting
        """The next lines, none once all are read."""
        while self._next < self.end:
            found = self._lines(self._next)
            self._next = found.next
            if found.values:
                return [found.messages(REPLAYED, end=self.end)]
        return []

    def _lines(self, at: int) -> Lines:
        number = int(np.searchsorted(self._bounds, at, side="right")) - 1
        base, until = self._bounds[number], self._bounds[number + 1]
        found = lines(self._files[number], at - base, until - base, base, complete=True)
        return found if found.next > at else Lines([], found.starts, until)  # the file became shorter

    def assigned(self) -> Sequence[Partition]:
        """The one partition."""
        return [REPLAYED]

    def fresh(self) -> Sequence[Partition]:
        """Nothing has to be sought."""
        return []

    def seek(self, positions: Mapping[Partition, int | None]) -> None:
        """Goes on at the start of a line."""
        self._next = positions.get(REPLAYED) or 0

    def ends(self) -> Mapping[Partition, tuple[int, int, datetime]]:
        """How far, and how much; files that nobody writes to are looked at once."""
        return {REPLAYED: (self._next, self.end, EPOCH)}

    def lost(self) -> Mapping[Partition, int]:
        """Files lose nothing."""
        return {}

    def caught_up(self) -> bool:
        """Whether all is read."""
        return self._next >= self.end

    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        """The lines that start in *spans*, again."""
        for span in spans:
            at = span.first
            while at <= min(span.last, self.end - 1):
                found = self._lines(at)
                yield up_to(found, span.last).messages(REPLAYED)
                at = found.next

    def owns(self, partition: Partition) -> bool:
        """Whether it is the one partition."""
        return partition == REPLAYED

    def close(self) -> None:
        """Closes the files."""
        for file in self._files:
            file.close()


def up_to(found: Lines, last: int) -> Lines:
    """The lines that start at *last* or before."""
    kept = int(np.searchsorted(found.starts, last, side="right"))
    return Lines(found.values[:kept], found.starts[:kept], found.next)
