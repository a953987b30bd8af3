"""NVIDIA Triton: loads another version of a model, by its model repository API."""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from watchtower.nouns.errors import RollbackError, Unavailable
from watchtower.nouns.written import Duration, PathText
from watchtower.rollback_targets import Caution, RollbackTarget, State, Switch
from watchtower.rollback_targets import _addresses as addresses
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._triton_far import LOADING, READY, Far, Row

READ_WITHIN = 15.0
"""Seconds that looking alone may take."""
_PAUSE, _SHORT = 0.25, 2.0
_GRACE = 10.0
"""Seconds beyond the limit in which what went wrong is looked at and put right."""
_VERSION = re.compile(r"0|[1-9][0-9]{0,18}")
_SECRET = re.compile(r"secret|token|passw|credential|api_?key", re.IGNORECASE)


class Triton(RollbackTarget):
    """Loads the candidate with the configuration that the live version has, but for `version_policy`, which then names the candidate alone.

    Triton replaces a model's whole configuration and all its served versions at once; the old version serves until the new one is ready. It must run
    with `--model-control-mode=explicit`. It has no compare-and-set, and what was loaded lasts until it restarts.
    """

    url: SecretStr
    """One server's HTTP endpoint, such as http://triton:8000 (not a load balancer: each server has models of its own)."""
    model: str = ""
    """The model's name in Triton (default: as Watchtower calls it)."""
    several: Literal["refuse", "latest"] = "refuse"
    """Where more than one version is ready: it is unclear which is live, or it is the largest, which answers requests that name none; then the
    versions below the candidate stay loaded."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers, such as the one that `--http-restricted-api` asks for."""
    ca_file: PathText | None = None
    """The certificates that are believed, instead of the system's."""
    time_limit: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0), le=timedelta(hours=2))
    """How long loading may take."""

    @field_validator("url")
    @classmethod
    def _http(cls, value: SecretStr) -> SecretStr:
        return addresses.checked(value)

    @property
    def compare_and_set(self) -> bool:
        """Triton has none."""
        return False

    def open(self) -> "TritonSession":
        """Prepares; connects at each call."""
        return TritonSession(self, self.model)

    def open_for(self, model: str) -> "TritonSession":
        """Prepares; connects at each call."""
        return TritonSession(self, self.model or model)

    def cautions(self) -> Iterator[Caution]:
        """What Triton must be started with, and what a restart does."""
        lasting = "Triton must run with --model-control-mode=explicit, and forgets a switch when it restarts: config.pbtxt decides again"
        yield Caution("", lasting, "after a rollback set version_policy there too; `watchtower check --connect` tries whether loading is allowed")
        yield from addresses.plain("url", self.url, "whoever reaches Triton can load models, unless --http-restricted-api asks for a header, which can be read")


@dataclass(frozen=True, slots=True)
class _Look:
    """What Triton serves: *rows* of its index, the *live* one of them, and the *config* that it has."""

    rows: tuple[Row, ...]
    live: int | None
    config: Mapping[str, object]

    @property
    def ready(self) -> tuple[int, ...]:
        return tuple(row.version for row in self.rows if row.state == READY)

    @property
    def token(self) -> str:
        seen = [[row.version, row.state == READY] for row in self.rows]
        return hashlib.sha256(json.dumps([self.config, seen], sort_keys=True).encode()).hexdigest()[:32]


class TritonSession:
    """Asks one server about one model."""

    def __init__(self, settings: Triton, model: str) -> None:
        self._settings = settings
        self._model = model
        self._limit = settings.time_limit.total_seconds()
        self._far = Far(settings.url, model, settings.headers, settings.ca_file)

    def current(self) -> str | None:
        """The version that is ready; RollbackError where that is unclear."""
        return _text(self._live(self._far.rows(self._soon())))

    def state(self) -> State:
        """The version that is ready, and the configuration that it has; the token is of that and of the index."""
        look = self._look(self._soon())
        index = [{"version": str(row.version), "state": row.state, "reason": row.reason} for row in look.rows]
        return State(_text(look.live), look.token, {"model": self._model, "index": index, "config": _without_secrets(look.config)})

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:  # noqa: ARG002  Triton knows no keys
        """Loads *candidate* alone, and waits until it is ready and no other version is; puts the old one back where that fails."""
        wanted, until = self._number(candidate), time.monotonic() + self._limit
        look = self._settled(wanted, until)
        before = _text(look.live)
        if look.live == wanted:
            return Switch(before, candidate, changed=False, dry_run=dry_run)
        self._expect(look, expected, token)
        versions = self._beside(look, wanted)
        detail = {"model": self._model, "versions": [str(each) for each in versions], "ready_before": [str(each) for each in look.ready]}
        if not dry_run:
            self._load(look, wanted, versions, until)
        return Switch(before, candidate, changed=True, dry_run=dry_run, detail=detail)

    def ready(self, candidate: str) -> Sequence[str]:
        """Whether something is served that can be switched, loading is allowed, and the candidate did not fail when it was loaded last.

        Whether its folder is still in the repository Triton does not tell: the model store does.
        """
        until, found = self._soon(), []
        try:
            wanted = self._number(candidate)
            look = self._look(until)
            found += [f"Triton serves no version of {self._model}"] if look.live is None else []
            found += [f"version {candidate} could not be loaded the last time: {row.failed}" for row in look.rows if row.version == wanted and row.failed]
            self._far.allows_loading(until)
        except RollbackError as wrong:
            found.append(str(wrong))
        return found

    def close(self) -> None:
        """Holds nothing open."""

    def _soon(self) -> float:
        return time.monotonic() + min(self._limit, READ_WITHIN)

    def _number(self, version: str) -> int:
        if _VERSION.fullmatch(version) is None:
            msg = f"{version!r} is no version of Triton's, which are whole numbers: nothing was switched"
            raise RollbackError(msg)
        return int(version)

    def _live(self, rows: Sequence[Row]) -> int | None:
        ready = [row.version for row in rows if row.state == READY]
        if len(ready) > 1 and self._settings.several == "refuse":
            msg = (
                f"{self._far.who} serves versions {', '.join(map(str, ready))} of {self._model}: which one is live is unclear; say several: latest, or load one"
            )
            raise RollbackError(msg)
        return max(ready, default=None)

    def _look(self, until: float) -> _Look:
        """Index and configuration; both anew where another version became live between them."""
        while True:
            rows = tuple(self._far.rows(until))
            live = self._live(rows)
            try:
                config = self._far.config(live, min(until, time.monotonic() + _SHORT)) if live is not None else {}
            except RollbackError:
                if self._live(self._far.rows(until)) == live or time.monotonic() >= until:
                    raise
                continue
            return _Look(rows, live, config)

    def _settled(self, wanted: int, until: float) -> _Look:
        """What it serves, once *wanted* is not being loaded any more: that load is ours, from before a crash or a lost answer."""
        look, waited = self._look(self._soon()), False
        while (row := next((each for each in look.rows if each.version == wanted), None)) is not None and row.state == LOADING:
            if time.monotonic() + _PAUSE >= until:
                msg = f"{self._far.who} is still loading {self._model} {wanted} after {self._limit:g} s; {_text(look.live) or 'nothing'} serves"
                raise RollbackError(msg)
            time.sleep(_PAUSE)
            look, waited = self._look(self._soon()), True
        if waited and row is not None and look.live != wanted:
            msg = f"{self._far.who} could not load {self._model} {wanted}: {row.failed or row.state}; {_text(look.live) or 'nothing'} serves"
            raise RollbackError(msg)
        return look

    def _expect(self, look: _Look, expected: str | None, token: str) -> None:
        who = f"{self._far.who} ({self._model})"
        if _text(look.live) != expected:
            raise Moved(who, expected, _text(look.live))
        if token and token != look.token:
            raise Moved(who, expected, _text(look.live), since="was written since it was read")
        loading = [row.version for row in look.rows if row.state == LOADING]
        if loading:
            raise Moved(who, expected, _text(look.live), since=f"is being loaded with version {loading[0]} by somebody else")
        if look.live is None:
            msg = f"{who} serves no version, so there is no configuration to keep: load it by hand"
            raise RollbackError(msg)

    def _beside(self, look: _Look, wanted: int) -> list[int]:
        """What is to be loaded: the candidate, and under `several: latest` what is ready below it."""
        below = [each for each in look.ready if each < wanted] if self._settings.several == "latest" else []
        return [*below, wanted]

    def _load(self, look: _Look, wanted: int, versions: Sequence[int], until: float) -> None:
        """Loads, looks whether it is so, and else sees to it that what served before serves."""
        said = self._far.load(_of_versions(look.config, versions), until)
        if said == "" and self._shown(wanted, versions, until):
            return
        grace = time.monotonic() + max(_GRACE, until - time.monotonic())
        if isinstance(said, Unavailable):
            if self._shown(wanted, versions, time.monotonic() + _PAUSE):
                return
            msg = f"{self._far.who} gave no answer to loading {self._model} {wanted} ({said}): it may still be loading; {self._serving(grace)}"
            raise RollbackError(msg, retryable=True)
        why = said or f"it answered that it had, and after {self._limit:g} s {self._serving(grace)}"
        msg = f"{self._far.who} could not load {self._model} {wanted}: {why}; {self._put_right(look, grace)}"
        raise RollbackError(msg)

    def _shown(self, wanted: int, versions: Sequence[int], until: float) -> bool:
        """Waits until the candidate is ready, and nothing else is that should not be; False where that will not come."""
        while True:
            rows = {row.version: row for row in self._far.rows(until + _GRACE)}
            ready = {version for version, row in rows.items() if row.state == READY}
            if wanted in ready and ready <= set(versions) and self._far.is_ready(wanted, until):
                return True
            gone = wanted not in rows or rows[wanted].failed
            if gone or time.monotonic() + _PAUSE >= until:
                return False
            time.sleep(_PAUSE)

    def _put_right(self, look: _Look, until: float) -> str:
        """Loads again what was ready before, where it is not any more; what came of it."""
        versions, names = look.ready, ", ".join(map(str, look.ready))
        if set(versions) <= {row.version for row in self._far.rows(until) if row.state == READY}:
            return f"{names} still serves"
        said = self._far.load(_of_versions(look.config, versions), until)
        if said == "" and self._shown(max(versions), versions, until):
            return f"{names} was unloaded meanwhile, and was loaded again"
        return f"{names} does not serve any more, and loading it again failed ({said or 'it is not ready'}): {self._serving(until)}"

    def _serving(self, until: float) -> str:
        try:
            ready = [str(row.version) for row in self._far.rows(until) if row.state == READY]
        except RollbackError as unread:
            return f"what it serves cannot be read ({unread})"
        return f"it serves {', '.join(ready) or 'nothing'}"


def _of_versions(config: Mapping[str, object], versions: Sequence[int]) -> dict[str, object]:
    """*config* with its policy replaced; every other field as it is, since loading with a configuration replaces all of it."""
    return {**config, "version_policy": {"specific": {"versions": list(versions)}}}


def _without_secrets(config: Mapping[str, object]) -> dict[str, object]:
    """*config* with the values of parameters that are named like secrets left out."""
    parameters = config.get("parameters")
    if not isinstance(parameters, dict):
        return dict(config)
    return {**config, "parameters": {name: "(hidden)" if _SECRET.search(name) else each for name, each in parameters.items()}}


def _text(version: int | None) -> str | None:
    return None if version is None else str(version)
