"""Secrets: given as they are, or in a file that is read again when it changes. They show in no repr, error or log."""

from pathlib import Path

from watchtower.nouns.errors import Unavailable

_Stamp = tuple[int, int, int]


class Secret:
    """One secret; used by one thread."""

    def __init__(self, value: str | None, file: Path | None) -> None:
        """*value* as it is, or the text of *file* without white space around it; exactly one is given."""
        self._value = value
        self._file = file
        self._stamp: _Stamp | None = None

    def get(self) -> str:
        """The secret as it is now; Unavailable where its file cannot be read or is empty."""
        if self._file is not None:
            self._reread(self._file)
        return self._value or ""

    def __repr__(self) -> str:
        """Says where it comes from, never what it is."""
        return f"Secret(file={str(self._file)!r})" if self._file else "Secret(**********)"

    def _reread(self, file: Path) -> None:
        try:
            found = file.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                self._value = file.read_text(encoding="utf-8").strip()
                self._stamp = stamp
        except (OSError, UnicodeDecodeError) as bad:
            msg = f"the secret's file {file} cannot be read: {type(bad).__name__}"
            raise Unavailable(msg) from None
        if not self._value:
            msg = f"the secret's file {file} is empty"
            raise Unavailable(msg)
