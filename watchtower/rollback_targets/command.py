"""Commands of your own: an argument list, never a shell string."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from watchtower.edges import commands
from watchtower.edges.secrets import Secret
from watchtower.nouns.errors import RollbackError, Unavailable
from watchtower.nouns.written import Duration, PathText
from watchtower.rollback_targets import Caution, RollbackTarget, State, Switch
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._hiding import Hiding

PLACES = ("version", "expected", "model", "key", "canary", "stable")
"""What may stand in braces as an argument of its own; each is a variable WATCHTOWER_… too."""
_PLACE = re.compile(r"\{(" + "|".join(PLACES) + r")\}")
_LONGEST = 200
_FIRST_LOOK, _LONGEST_LOOK = 0.2, 5.0


def _argv(value: object) -> object:
    if isinstance(value, str):
        msg = f"{value!r} is a string, and no shell is asked: a version's name could smuggle a command into it; write a list: [./switch, '{{version}}']"
        raise ValueError(msg)  # noqa: TRY004  pydantic tells ValueErrors
    if isinstance(value, list | tuple):
        _alone([each for each in value if isinstance(each, str)])
    return value


def _alone(arguments: Sequence[str]) -> None:
    """A place holder is a whole argument, and never the program."""
    for number, each in enumerate(arguments):
        found = _PLACE.search(each)
        if found and (number == 0 or found[0] != each):
            msg = f"{found[0]} stands as an argument of its own, after the program; a program can also read it from $WATCHTOWER_{found[1].upper()}"
            raise ValueError(msg)


Argv = Annotated[tuple[str, ...], BeforeValidator(_argv, json_schema_input_type=tuple[str, ...]), Field(min_length=1)]


class Command(RollbackTarget):
    """Runs `current` to learn what serves and `switch` to change it; each is a program and its arguments.

    Arguments `{version}`, `{expected}`, `{model}` and `{key}` are replaced as a whole (`{canary}` and `{stable}` in `abort`), and are variables
    too: WATCHTOWER_VERSION and so on, and WATCHTOWER_ACTION. The environment holds these, PATH, HOME, and what `env` and `env_file` give. Exit code 0
    is done, `moved_code` that somebody else switched, anything else a failure whose last line on standard error is told.
    """

    current: Argv
    """Prints the version that serves, on its last line; nothing: none."""
    switch: Argv
    """Switches to `{version}`, waits until it serves, and does nothing where it serves already."""
    ready: Argv | None = None
    """For the daily drill: exits 0 where going back to `{version}` would work, else prints why not. Changes nothing."""
    abort: Argv | None = None
    """Takes all traffic from `{canary}`, which `{stable}` then has."""
    dry_run: Argv | None = None
    """What a dry run calls; left out: nothing but `current`. Changes nothing."""
    checks_expected: bool = False
    """`switch` itself refuses, by `moved_code`, where something else than `{expected}` serves: a compare-and-set."""
    moved_code: int = Field(default=75, ge=1, le=255)
    """The exit code by which `switch` says that somebody else switched."""
    env: dict[str, SecretStr] = Field(default_factory=dict)
    """Further variables."""
    env_file: dict[str, PathText] = Field(default_factory=dict)
    """Further variables, each in a file of its own that is read again when it changes."""
    folder: Annotated[PathText, Field(validate_default=True)] = "."
    """Where commands run, and where `./program` is (the settings file's folder)."""
    time_limit: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0), le=timedelta(hours=1))
    """How long a call may take; then the command and all that it started are killed."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if twice := sorted(set(self.env) & set(self.env_file)):
            msg = f"env and env_file both give {', '.join(twice)}: give one"
            raise ValueError(msg)
        return self

    @property
    def compare_and_set(self) -> bool:
        """Only where the command says that it checks."""
        return self.checks_expected

    @property
    def aborts_canaries(self) -> bool:
        """Only where there is a command for it."""
        return self.abort is not None

    def open(self) -> "CommandSession":
        """Prepares; runs nothing."""
        return CommandSession(self, "")

    def open_for(self, model: str) -> "CommandSession":
        """Prepares; runs nothing."""
        return CommandSession(self, model)

    def cautions(self) -> Iterator[Caution]:
        """Programs that are not there, or may not be run."""
        for key in ("current", "switch", "ready", "abort", "dry_run"):
            argv: tuple[str, ...] | None = getattr(self, key)
            if argv is not None and (wrong := self.missing(argv[0])):
                yield Caution(key, wrong, "the daemon must find it where it runs")

    def missing(self, program: str) -> str:
        """Why *program* cannot be run from here; "" where it can."""
        if os.sep not in program:
            return "" if shutil.which(program, path=self.path()) else f"{program} is on no folder of PATH"
        file = Path(self.folder) / program
        if not file.is_file():
            return f"{file} is not there"
        return "" if os.access(file, os.X_OK) else f"{file} is not executable"

    def path(self) -> str:
        """Where programs are looked for."""
        given = self.env.get("PATH")
        return given.get_secret_value() if given else os.environ.get("PATH", os.defpath)


class CommandSession:
    """Runs commands; holds nothing."""

    def __init__(self, settings: Command, model: str) -> None:
        self._settings = settings
        self._model = model
        self._files = {name: Secret(None, Path(file)) for name, file in settings.env_file.items()}

    def current(self) -> str | None:
        """The last line that `current` prints, None where it prints nothing; RollbackError where it fails."""
        ran, detail = self._run("current", self._settings.current, {})
        if ran.code != 0:
            raise _failed(ran, detail, "current", self._settings.time_limit)
        lines = ran.out.decode(errors="replace").strip().splitlines()
        if lines and len(lines[-1].strip()) > _LONGEST:
            msg = f"command current printed a line of {len(lines[-1].strip()):,} characters, which is no version"
            raise RollbackError(msg)
        return lines[-1].strip() if lines else None

    def state(self) -> State:
        """What `current` prints; a command has no token, so going away and coming back does not show."""
        version = self.current()
        return State(version, "", {"command": self._settings.current[0], "names": version})

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:  # noqa: ARG002  a command has no token
        """Looks, runs `switch`, and looks until it names *candidate*."""
        _usable(candidate)
        until = time.monotonic() + self._settings.time_limit.total_seconds()
        before = self.current()
        if before not in {candidate, expected}:
            raise Moved(self._who(), expected, before)
        places = {"version": candidate, "expected": expected or "", "key": key}
        if dry_run:
            asked = self._done("dry_run", self._settings.dry_run, places, expected) if self._settings.dry_run and before != candidate else {}
            return Switch(before, candidate, changed=before != candidate, dry_run=True, detail=asked)
        if before == candidate:
            return Switch(before, candidate, changed=False)
        detail = self._done("switch", self._settings.switch, places, expected)
        self._await(candidate, until)
        return Switch(before, candidate, changed=True, detail=detail)

    def abort(self, canary: str, *, stable: str, key: str = "", dry_run: bool = False) -> Switch:
        """Runs `abort`; a dry run calls nothing."""
        for each in (canary, stable):
            _usable(each)
        if self._settings.abort is None:
            msg = f"{self._who()} has no abort: canary {canary} goes on"
            raise RollbackError(msg)
        if dry_run:
            return Switch(canary, stable, changed=True, dry_run=True)
        places = {"canary": canary, "stable": stable, "version": stable, "expected": canary, "key": key}
        return Switch(canary, stable, changed=True, detail=self._done("abort", self._settings.abort, places, canary))

    def ready(self, candidate: str) -> Sequence[str]:
        """Programs that cannot be run, a `current` that fails, and what `ready` prints."""
        found = [caution.what for caution in self._settings.cautions()]
        try:
            _usable(candidate)
            serving = self.current()
            if self._settings.ready is not None and not found:
                ran, detail = self._run("ready", self._settings.ready, {"version": candidate, "expected": serving or ""})
                found += _reasons(ran, detail, self._settings.time_limit) if ran.code != 0 else []
        except RollbackError as wrong:
            found.append(str(wrong))
        return found

    def close(self) -> None:
        """Holds nothing open."""

    def _who(self) -> str:
        return f"command {Path(self._settings.current[0]).name}"

    def _done(self, action: str, argv: Sequence[str], places: Mapping[str, str], expected: str | None) -> dict[str, object]:
        """Runs *argv* to its good end; Moved by its code, RollbackError else."""
        ran, detail = self._run(action, argv, places)
        if ran.code == self._settings.moved_code:
            raise Moved(self._who(), expected, None, since=f"said by exit code {ran.code} that somebody else switched")
        if ran.code != 0:
            msg = f"{_failed(ran, detail, action, self._settings.time_limit)}; {self._left()}"
            raise RollbackError(msg)
        return detail

    def _left(self) -> str:
        """What a command that failed, perhaps half-way, left behind."""
        try:
            return f"it names {self.current() or 'nothing'} now"
        except RollbackError as unread:
            return f"what it names now cannot be read ({unread})"

    def _await(self, candidate: str, until: float) -> None:
        """Looks until the candidate is named."""
        pause = _FIRST_LOOK
        while (names := self.current()) != candidate:
            if time.monotonic() + pause > until:
                msg = f"{self._who()}: switch ended with 0, but it names {names or 'nothing'} and not {candidate}"
                raise RollbackError(msg)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)

    def _run(self, action: str, argv: Sequence[str], places: Mapping[str, str]) -> tuple[commands.Ran, dict[str, object]]:
        """One run, and what of it may be kept."""
        settings, known = self._settings, {"model": self._model, **places}
        for name, value in known.items():
            _harmless(name, value)
        filled = [known.get(found[1], "") if (found := _PLACE.fullmatch(each)) else each for each in argv]
        try:
            secrets = {name: each.get() for name, each in self._files.items()}
            given = {name: each.get_secret_value() for name, each in settings.env.items()}
            own = {f"WATCHTOWER_{name.upper()}": value for name, value in known.items()} | {"WATCHTOWER_ACTION": action}
            base = {"PATH": settings.path(), "HOME": os.environ.get("HOME", "/")}
            env = base | given | secrets | own
            ran = commands.run(filled, env=env, folder=Path(settings.folder), seconds=settings.time_limit.total_seconds())
        except Unavailable as wrong:
            msg = f"command {action}: {wrong}"
            raise RollbackError(msg) from None
        hiding = Hiding(secrets.values(), (value for name, value in given.items() if name != "PATH"))
        return ran, {"argv": [hiding.of(each) for each in filled], "code": ran.code, **_texts(ran, hiding)}


def _texts(ran: commands.Ran, hiding: Hiding) -> dict[str, object]:
    shown = hiding.of_tail if ran.cut else hiding.of
    return {"stdout": shown(ran.out.decode(errors="replace")), "stderr": shown(ran.err.decode(errors="replace")), "cut": ran.cut}


def _failed(ran: commands.Ran, detail: Mapping[str, object], action: str, limit: timedelta) -> RollbackError:
    """How a command ended badly, with its last line on standard error."""
    lines = str(detail["stderr"]).strip().splitlines()
    said = f": {lines[-1].strip()[:300]}" if lines else ""
    if not ran.started:
        return RollbackError(f"command {action} could not be started{said}")
    if ran.code is None:
        return RollbackError(f"command {action} took over {limit.total_seconds():g} s and was ended{said}")
    how = f"exit code {ran.code}" if ran.code >= 0 else f"signal {-ran.code}"
    return RollbackError(f"command {action} ended with {how}{said}")


def _reasons(ran: commands.Ran, detail: Mapping[str, object], limit: timedelta) -> list[str]:
    """What `ready` printed, a sentence a line; else how it ended."""
    printed = [line.strip()[:300] for line in str(detail["stdout"]).splitlines() if line.strip()]
    return printed[-10:] or [str(_failed(ran, detail, "ready", limit))]


def _usable(version: str) -> None:
    """A version to switch to has a name, which is harmless."""
    if not version:
        msg = "'' is no version that a command is given: nothing was switched"
        raise RollbackError(msg)
    _harmless("version", version)


def _harmless(name: str, value: str) -> None:
    """Names of versions and models come from logs: none may be taken for an option."""
    longest = 3 * _LONGEST if name == "key" else _LONGEST  # a key is made of names
    if value.startswith("-") or len(value) > longest or not value.isprintable():
        msg = f"{value[:_LONGEST]!r} is no {name} that a command is given: nothing was switched"
        raise RollbackError(msg)
