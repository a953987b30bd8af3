"""A growing file with one message a line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from watchtower.edges.clock import Clock
from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition, Span
from watchtower.nouns.written import PathText
from watchtower.sources import Source
from watchtower.sources._follow import FollowSession
from watchtower.sources._lines import lines
from watchtower.sources._replay import ReplaySession, up_to

__all__ = ["File", "ReplaySession"]


class File(Source):
    """Follows one file like `tail -F`: through appends, rotation and truncation; a missing file is waited for."""

    path: PathText
    """The file; relative to the settings file's folder."""

    @property
    def partition(self) -> Partition:
        """A file is one partition."""
        return Partition(self.path)

    def open(self, *, follow: bool = True) -> FollowSession:
        """A session; *follow* False: the file will not grow, and a last line without newline counts."""
        return FollowSession(Path(self.path), self.partition, Clock(), follow=follow)

    def reread(self, spans: Sequence[Span]) -> Iterator[Messages]:
        """The lines that start in *spans*, again; Unavailable as Source.reread says: a file that is missing or shorter now has lost them."""
        last = -1
        try:
            with Path(self.path).open("rb") as file:
                size = Path(self.path).stat().st_size
                for span in spans:
                    at, last = span.first, max(last, span.last)
                    while at <= min(span.last, size - 1):
                        found = lines(file, at, size, complete=True)
                        yield up_to(found, span.last).messages(self.partition)
                        at = found.next
            if last >= size:
                msg = f"{self.path} is {size:,} bytes long; byte {last:,} is gone: was it cut or replaced?"
                raise Unavailable(msg, expired=True)
        except FileNotFoundError as error:
            msg = f"{self.path} is not there any more"
            raise Unavailable(msg, expired=True) from error
        except OSError as error:
            msg = f"cannot read {self.path}: {error.strerror}"
            raise Unavailable(msg) from error

    def owns(self, partition: Partition) -> bool:
        """Whether *partition* is this file."""
        return partition == self.partition

    def look(self) -> str:
        """How large the file is; one that is not there yet is waited for, so that is no error."""
        try:
            with Path(self.path).open("rb") as file:
                return f"{file.seek(0, 2):,} bytes"
        except FileNotFoundError:
            return f"{self.path} is not there yet; it will be waited for"
        except OSError as error:
            msg = f"cannot read {self.path}: {error.strerror}"
            raise Unavailable(msg) from error
