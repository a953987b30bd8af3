"""A folder of versions with a `current` that names the one to serve."""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from watchtower.nouns.errors import RollbackError
from watchtower.nouns.written import PathText
from watchtower.rollback_targets import Caution, RollbackTarget, State, Switch
from watchtower.rollback_targets._errors import Moved

CURRENT = "current"
LOCK = ".watchtower.lock"
NEXT = ".watchtower.next"
_SHOWN = 200
LOCK_WITHIN = 10.0
"""Seconds that a switch waits for another one to end."""


class Directory(RollbackTarget):
    """`<path>/current` is a symbolic link to `<version>`, or a regular file whose text is the version.

    A switch is one rename under a lock file, with `current` re-read right before: a reader sees the old or the new version, never none.
    Writers that ignore the lock can still come between the look and the rename.
    """

    path: PathText
    """The folder that holds a folder per version and `current` (relative to the settings file)."""

    def open(self) -> "DirectorySession":
        """Prepares; touches nothing."""
        return DirectorySession(Path(self.path))

    def cautions(self) -> Iterator[Caution]:
        """That the lock binds only those who take it."""
        yield Caution(
            "", "a writer of `current` that does not take .watchtower.lock can come between look and switch", "let deployments take that lock (flock)"
        )


class DirectorySession:
    """An open folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self) -> str | None:
        """What `current` names, None where it is missing; RollbackError where it is neither a link into the folder nor a file."""
        link = self._folder / CURRENT
        try:
            return self._linked(link.readlink())
        except FileNotFoundError:
            return None
        except OSError:
            return self._written(link)

    def state(self) -> State:
        """What `current` names; the token is its inode and the time of its last change, so that going away and coming back shows."""
        link = self._folder / CURRENT
        token = self._token()
        version = self.current()
        return State(version, token, {"path": str(link), "kind": "link" if link.is_symlink() else "file", "names": version})

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:  # noqa: ARG002  a rename needs no key: it is idempotent
        """From *expected* to *candidate* by one rename; nothing is touched where it is there already, or in a dry run."""
        self._check(candidate)
        detail: dict[str, object] = {"path": str(self._folder / CURRENT), "to": candidate}
        if dry_run:
            before = self._expect(candidate, expected, token)
            return Switch(before, candidate, changed=before != candidate, dry_run=True, detail=detail)
        with self._locked():
            before = self._expect(candidate, expected, token)
            if before == candidate:
                return Switch(before, candidate, changed=False, detail=detail)
            self._rename(candidate)
            return Switch(before, candidate, changed=True, detail=detail)

    def ready(self, candidate: str) -> Sequence[str]:
        """Whether the version's folder is there and this folder can be written."""
        found: list[str] = []
        try:
            self._check(candidate)
            self.current()
        except RollbackError as wrong:
            found.append(str(wrong))
        if not os.access(self._folder, os.W_OK | os.X_OK):
            found.append(f"{self._folder} cannot be written: `current` could not be renamed")
        return found

    def close(self) -> None:
        """Holds nothing open."""

    def _token(self) -> str:
        try:
            seen = (self._folder / CURRENT).lstat()
        except OSError:
            return "none"
        return f"{seen.st_ino}-{seen.st_ctime_ns}"

    def _expect(self, candidate: str, expected: str | None, token: str) -> str | None:
        before = self.current()
        if before == candidate:
            return before
        if before != expected:
            raise Moved(str(self._folder / CURRENT), expected, before)
        if token and token != self._token():
            raise Moved(str(self._folder / CURRENT), expected, before, since="it was written since it was read")
        return before

    def _check(self, candidate: str) -> None:
        plain = candidate not in {"", ".", "..", CURRENT} and os.sep not in candidate and "\0" not in candidate
        try:
            there = plain and (self._folder / candidate).is_dir()
        except OSError as bad:  # a name that is too long, a folder that cannot be searched
            msg = f"whether {self._folder} has a folder for version {candidate[:_SHOWN]!r} cannot be told: {bad.strerror}"
            raise RollbackError(msg) from bad
        if not there:
            msg = f"{self._folder} has no folder for version {candidate[:_SHOWN]!r}: nothing was switched"
            raise RollbackError(msg)

    def _linked(self, named: Path) -> str:
        """The version that a link names: its last part, where the rest of it is this folder."""
        found = Path(os.path.normpath(named))
        if found.parent != Path() and not _same(self._folder / found.parent, self._folder):
            msg = f"{self._folder / CURRENT} points out of its folder, to {named}"
            raise RollbackError(msg)
        return found.name

    def _written(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as bad:
            msg = f"{file} cannot be read as a link or a text: {bad}"
            raise RollbackError(msg) from bad

    def _rename(self, candidate: str) -> None:
        """Makes the new `current` beside the old one and renames it over it, in one step.

        The name beside it is always the same, so that what a kill left there is simply replaced by the next switch.
        """
        fresh, current = self._folder / NEXT, self._folder / CURRENT
        try:
            fresh.unlink(missing_ok=True)
            if current.is_symlink() or not current.exists():
                fresh.symlink_to(candidate)
            else:
                _write_like(current, fresh, candidate)
            fresh.replace(current)
            _sync(self._folder)
        except OSError as bad:
            msg = f"{current} could not be switched to {candidate}: {bad}"
            raise RollbackError(msg) from bad

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock file; the system lets it go when the process dies."""
        try:
            held = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as bad:
            msg = f"{self._folder / LOCK} cannot be opened: {bad}"
            raise RollbackError(msg) from bad
        try:
            _lock(held, self._folder / LOCK)
            yield
        finally:
            os.close(held)


def _lock(descriptor: int, name: Path) -> None:
    limit = time.monotonic() + LOCK_WITHIN
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > limit:
                msg = f"{name} is held by another switch for more than {LOCK_WITHIN:.0f} s"
                raise RollbackError(msg, retryable=True) from None
            time.sleep(0.02)


def _same(left: Path, right: Path) -> bool:
    return left.resolve() == right.resolve()


def _write_like(old: Path, fresh: Path, text: str) -> None:
    """Writes *text* to *fresh*, ending and permissions as in *old*, safely on the disk."""
    ending = "\n" if old.read_bytes().endswith(b"\n") else ""
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text + ending)
        file.flush()
        os.fchmod(file.fileno(), old.stat().st_mode & 0o7777)
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Puts the rename itself on the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
