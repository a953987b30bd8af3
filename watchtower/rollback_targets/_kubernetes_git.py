"""Writing a version where a GitOps controller reads it: one value of one YAML file of a repository."""

import base64
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field, field_validator

from watchtower.edges import commands
from watchtower.edges.secrets import Secret
from watchtower.nouns.errors import RollbackError, Unavailable
from watchtower.nouns.written import Duration, Frozen, PathText
from watchtower.rollback_targets._hiding import Hiding
from watchtower.rollback_targets._kubernetes_yaml import Place, find, written

_REJECTED = (b"non-fast-forward", b"fetch first", b"stale info", b"cannot lock ref", b"failed to update ref")
_PASSING = (b"could not resolve host", b"connection", b"timed out", b"hung up", b"disconnect", b"early eof", b"returned error: 5", b"returned error: 429")
_PLAIN = ("core.hooksPath=/dev/null", "core.symlinks=false", "core.autocrlf=false", "commit.gpgSign=false")
"""No hook runs, no link is made, no line ending changes, nobody is asked for a key."""
_NOT_OURS = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"})
"""What a git that started the daemon may have left in its environment."""

Stair = str | Annotated[int, Field(ge=0)] | dict[str, str]


class Git(Frozen):
    """Where a GitOps controller reads the version from."""

    url: str
    """The repository, as `git clone` takes it (https, ssh or a path)."""
    branch: str = "main"
    """The branch that the controller follows; it must take pushes."""
    file: str
    """The YAML file in it, such as `overlays/prod/kustomization.yaml`."""
    at: list[Stair] = Field(min_length=1)
    """Where the value stands in the file: keys, indices, and `{name: fraud}` for the element of a list that has it: `[images, {name: fraud}, newTag]`."""
    value: str = "{version}"
    """What stands there, with `{version}` where the version stands."""
    document: dict[str, str] = Field(default_factory=dict)
    """In a file of several documents, the one meant: `{kind: Deployment, metadata.name: fraud}`. Left out: the only one that has `at`."""
    author: str = "Watchtower <watchtower@localhost>"
    """Who commits."""
    username: str = "watchtower"
    """Beside the token, over https."""
    token_file: PathText | None = None
    """A file with a token that may push, over https; read again when it changes. Over ssh, the user's own ssh configuration is used."""
    time_limit: Duration = timedelta(seconds=60)
    """How long one call of git may take."""

    @field_validator("url", "branch")
    @classmethod
    def _no_option(cls, value: str) -> str:
        if not value or value.startswith("-"):
            msg = "it must not be empty or begin with -"
            raise ValueError(msg)
        return value

    @field_validator("url")
    @classmethod
    def _no_secret(cls, value: str) -> str:
        if "://" in value and "@" in value.partition("://")[2].partition("/")[0] and ":" in value.partition("://")[2].partition("@")[0]:
            msg = "a password in an address shows in messages: use token_file"
            raise ValueError(msg)
        return value

    @field_validator("file")
    @classmethod
    def _inside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0] == ".git":
            msg = "a path inside the repository"
            raise ValueError(msg)
        return value

    @field_validator("value")
    @classmethod
    def _names(cls, value: str) -> str:
        if value.count("{version}") != 1:
            msg = "it must hold {version} once"
            raise ValueError(msg)
        return value


@dataclass(frozen=True, slots=True)
class Head:
    """What the file says at the fetched head of the branch. *commit*: the last one that touched the file."""

    version: str | None
    commit: str
    place: Place
    text: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Pushed:
    """*moved*: somebody else pushed first, so nothing was written."""

    commit: str
    moved: bool = False


class Repository:
    """Clones for each act and forgets; git is called with an argument list, never through a shell."""

    def __init__(self, settings: Git) -> None:
        self._settings = settings
        self._token = Secret(None, Path(settings.token_file)) if settings.token_file else None

    @property
    def what(self) -> str:
        """The file, as messages call it."""
        return f"{self._settings.file} of {self._settings.url} ({self._settings.branch})"

    @contextmanager
    def head(self) -> Iterator[Head]:
        """The file at the head as fetched now, in a folder that is gone afterwards; RollbackError where it cannot be had."""
        with tempfile.TemporaryDirectory(prefix="watchtower-git-") as room:
            folder = Path(room) / "clone"
            given = self._settings
            plain = [f"--config={name}" for name in _PLAIN]
            narrow = ["--quiet", "--single-branch", "--no-tags", "--filter=blob:none", "--branch", given.branch]
            self._git(Path(room), ["clone", *plain, *narrow, "--", given.url, str(folder)])
            commit = self._git(folder, ["log", "-1", "--format=%H", "--", given.file]).strip()
            yield self._seen(folder, commit)

    @property
    def told(self) -> dict[str, object]:
        """Where it writes."""
        return {"repository": self._settings.url, "branch": self._settings.branch, "file": self._settings.file}

    def push(self, head: Head, value: str, message: str, *, dry_run: bool) -> Pushed:
        """Commits *value* at the place and pushes without force: where the branch has moved on, nothing is written."""
        given = self._settings
        content = written(head.text, head.place, value)
        self._checked(content, value)
        (head.folder / given.file).write_text(content, encoding="utf-8", newline="")
        name, _, address = given.author.partition("<")
        who = ["-c", f"user.name={name.strip()}", "-c", f"user.email={address.rstrip('> ')}"]
        self._git(head.folder, [*who, "commit", "--quiet", "--no-verify", "--message", message, "--", given.file])
        commit = self._git(head.folder, ["rev-parse", "HEAD"]).strip()
        options = ["--dry-run"] if dry_run else []
        done = self._call(head.folder, ["push", "--porcelain", *options, "origin", f"HEAD:refs/heads/{given.branch}"])
        if done.code == 0:
            return Pushed(commit)
        if any(word in done.out + done.err for word in _REJECTED):
            return Pushed(commit, moved=True)
        msg = f"{self.what} could not be pushed: {self._last(done)}"
        raise RollbackError(msg, retryable=_passes(done))

    def _checked(self, content: str, value: str) -> None:
        """RollbackError where the text that is about to be committed would say anything but *value*."""
        try:
            said = find(content, self._settings.at, self._settings.document).value
        except ValueError as bad:
            said = str(bad)
        if said != value:
            msg = f"{self.what}: {value!r} cannot be written there, it would read {said!r}: nothing was switched"
            raise RollbackError(msg)

    def _seen(self, folder: Path, commit: str) -> Head:
        given = self._settings
        file = folder / given.file
        if not file.is_file() or file.is_symlink():
            msg = f"{self.what} is not there"
            raise RollbackError(msg)
        try:
            with file.open(encoding="utf-8", newline="") as opened:
                found = opened.read()
            place = find(found, given.at, given.document)
        except (ValueError, OSError) as bad:
            msg = f"{self.what} cannot be read: {bad}"
            raise RollbackError(msg) from None
        before, _, after = given.value.partition("{version}")
        fits = place.value.startswith(before) and place.value.endswith(after) and len(place.value) > len(before) + len(after)
        version = place.value[len(before) : len(place.value) - len(after)] if fits else None
        return Head(version, commit, place, found, folder)

    def _git(self, folder: Path, arguments: Sequence[str]) -> str:
        done = self._call(folder, arguments)
        if done.code != 0:
            msg = f"{self.what} cannot be reached: git said {self._last(done)}"
            raise RollbackError(msg, retryable=_passes(done))
        return done.out.decode(errors="replace")

    def _call(self, folder: Path, arguments: Sequence[str]) -> commands.Ran:
        """Runs git, and ends it and all that it started with the time limit, or with the daemon."""
        seconds = self._settings.time_limit.total_seconds()
        try:
            done = commands.run(["git", *arguments], env=self._environment(), folder=folder, seconds=seconds)
        except Unavailable as away:
            raise RollbackError(str(away)) from None
        if not done.started:
            msg = f"git: needs the program git, which cannot be started: {done.err.decode(errors='replace')}"
            raise RollbackError(msg)
        if done.code is None:
            msg = f"{self.what} cannot be reached: git took more than {seconds:.0f} s"
            raise RollbackError(msg, retryable=True)
        return done

    def _environment(self) -> Mapping[str, str]:
        """Asks nobody, runs no remote helpers of its own, and carries the token where no process list shows it."""
        own = {
            **{name: value for name, value in os.environ.items() if name not in _NOT_OURS},
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "LC_ALL": "C",
        }
        own.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        if self._token is None:
            return own
        header = f"Authorization: Basic {self._secrets()[0]}"
        return own | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": header}

    def _secrets(self) -> Sequence[str]:
        """The token with its user, as it is sent, and the token."""
        if self._token is None:
            return ()
        try:
            token = self._token.get()
        except Unavailable as missing:
            raise RollbackError(str(missing)) from None
        return base64.b64encode(f"{self._settings.username}:{token}".encode()).decode(), token

    def _last(self, done: commands.Ran) -> str:
        """The line that says why: what was rejected, what was fatal, else the last one; without secrets, which a server may repeat."""
        lines = [line.strip() for line in (done.out + done.err).decode(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith(("!", "fatal:", "remote:"))]
        return Hiding(self._secrets()).of((telling or lines or ["nothing"])[-1].replace("\t", " "))[:300]


def _passes(done: commands.Ran) -> bool:
    """Whether git failed for what may pass; then a push may have arrived all the same."""
    return any(word in (done.out + done.err).lower() for word in _PASSING)
