"""An alias of a model in MLflow's registry."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from pydantic import Field

from watchtower.edges.mlflow import Json, MlflowAccess, MlflowServer
from watchtower.nouns.errors import RollbackError, Unavailable
from watchtower.rollback_targets import Caution, RollbackTarget, State, Switch
from watchtower.rollback_targets._errors import Moved

ROLLED_BACK = "watchtower.rolled_back_from"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Mlflow(MlflowAccess, RollbackTarget):
    """Points `alias` to another version. What serves must load it anew by itself: an alias alone changes nothing that runs.

    MLflow has no compare-and-set: the alias is read right before it is written and right after, and somebody who writes in between is overwritten.
    """

    alias: str = Field(default="live", min_length=1, pattern="^[A-Za-z_][A-Za-z0-9_-]*$")
    """The alias that the serving layer follows."""
    tag: bool = True
    """Writes the tag `watchtower.rolled_back_from` with the plan's id to the version that the alias leaves: MLflow keeps no history of aliases."""

    @property
    def compare_and_set(self) -> bool:
        """The registry takes any alias at any time."""
        return False

    def open(self) -> "MlflowSession":
        """Prepares; connects at each call."""
        return MlflowSession(self.server(RollbackError), self.registered, self.alias, tag=self.tag)

    def cautions(self) -> Iterator[Caution]:
        """That an alias alone serves nothing; plain http beyond loopback."""
        yield Caution(
            "alias", "moving an alias changes nothing until the serving layer loads the model anew", "have it poll the alias, or restart it on change"
        )
        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            yield Caution("url", "plain http beyond this machine: whoever is on the way reads the credentials, and can say what serves", "use https")


class MlflowSession:
    """An alias; holds no connection."""

    def __init__(self, server: MlflowServer, model: str, alias: str, *, tag: bool) -> None:
        self._server, self._model, self._alias, self._tag = server, model, alias, tag

    def current(self) -> str | None:
        """The version that the alias names, None where there is no such alias; RollbackError where the registry cannot be read, or has no such model."""
        with _reached():
            aliases = self._server.aliases(self._model)
        if aliases is None:
            msg = f"MLflow at {self._server.origin} has no registered model {self._model}"
            raise RollbackError(msg)
        return aliases.get(self._alias)

    def state(self) -> State:
        """The version, and when it was registered; no token, since MLflow says nothing of when an alias was moved."""
        version = self.current()
        detail: dict[str, object] = {"server": self._server.origin, "model": self._model, "alias": self._alias, "names": version}
        if version is not None:
            with _reached():
                found = self._server.version(self._model, version) or {}
            detail |= {"registered": found.get("creation_timestamp"), "run": found.get("run_id"), "status": found.get("status")}
        return State(version, "", detail)

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:  # noqa: ARG002  there are no tokens
        """Reads, points the alias to *candidate* and reads again; nothing is written where it names it already, or in a dry run."""
        before = self.current()
        detail: dict[str, object] = {"server": self._server.origin, "model": self._model, "alias": self._alias, "from": before, "to": candidate}
        if before == candidate:
            return Switch(before, candidate, changed=False, dry_run=dry_run, detail=detail)
        self._found(candidate)
        if before != expected:
            raise Moved(self._where(), expected, before)
        if dry_run:
            return Switch(before, candidate, changed=True, dry_run=True, detail=detail)
        self._point(candidate)
        named = self.current()
        if named != candidate:
            msg = f"{self._where()} was pointed to {candidate} and names {named or 'nothing'} right after: somebody else writes it too"
            raise RollbackError(msg)
        return Switch(before, candidate, changed=True, detail=detail | self._tagged(before, key))

    def ready(self, candidate: str) -> Sequence[str]:
        """Whether the version is there and READY, with its files, and whether the alias can be read."""
        try:
            self.current()
            self._found(candidate)
            with _reached():
                uri = self._server.download_uri(self._model, candidate)
                if self._server.proxies(uri) and not self._server.artefacts(uri):
                    return (f"the artefacts of version {candidate} of {self._model} are gone from {uri}",)
        except RollbackError as wrong:
            return (str(wrong),)
        return ()

    def close(self) -> None:
        """Holds nothing open."""

    def _point(self, candidate: str) -> None:
        """Moves the alias; where the answer was lost, whether it moved is looked at."""
        try:
            self._server.set_alias(self._model, self._alias, candidate)
        except Unavailable as away:
            if self.current() != candidate:
                msg = f"MLflow: {away}; {self._where()} was not moved"
                raise RollbackError(msg, retryable=True) from None

    def _where(self) -> str:
        return f"alias {self._alias} of {self._model} at {self._server.origin}"

    def _found(self, candidate: str) -> Json:
        """The registry's version; RollbackError where there is none, or where it is not whole."""
        with _reached():
            found = self._server.version(self._model, candidate) if candidate.isdecimal() else None
        if found is None or str(found.get("version")) != candidate:  # 02 and ٢ are numbers, and name version 2
            msg = f"{self._model} at {self._server.origin} has no version {candidate!r}: nothing was switched"
            raise RollbackError(msg)
        if found.get("status", "READY") != "READY":
            msg = f"version {candidate} of {self._model} is {found.get('status')}, not READY: nothing was switched"
            raise RollbackError(msg)
        return found

    def _tagged(self, left: str | None, key: str) -> dict[str, object]:
        """Says at the version that was left why; that it cannot be said undoes no switch."""
        if not self._tag or left is None:
            return {}
        try:
            with _reached():
                self._server.set_tag(self._model, left, ROLLED_BACK, key or "by hand")
        except RollbackError as untold:
            return {"tag": f"not written: {untold}"}
        return {"tag": f"{ROLLED_BACK}={key or 'by hand'} on version {left}"}


@contextmanager
def _reached() -> Iterator[None]:
    """Turns a server that does not answer into the reaction that targets promise."""
    try:
        yield
    except Unavailable as away:
        msg = f"MLflow: {away}"
        raise RollbackError(msg, retryable=True) from None
