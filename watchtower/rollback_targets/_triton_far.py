"""The far end of the triton target: its model repository API over HTTP, as extension_model_repository.md in docs/protocol of Triton's server says."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import SecretStr

from watchtower.edges import http
from watchtower.nouns.errors import RollbackError, Unavailable
from watchtower.rollback_targets import _addresses as addresses
from watchtower.rollback_targets._hiding import Hiding

LARGEST = 4_000_000
READY, LOADING = "READY", "LOADING"
_UNLOADED = frozenset({"", "unloaded"})
_TRY, _LEAST = 10.0, 0.05
_PAUSE = 0.25
_FINE, _AWAY = 200, 503
_NO_MODEL = "watchtower.is-load-allowed"
"""No repository has a model of that name: asking for it shows whether loading is allowed, and loads nothing."""
_CONTROL = "explicit model load"


@dataclass(frozen=True, slots=True)
class Row:
    """One version of the model in the index: its *state* is READY, LOADING, UNLOADING or UNAVAILABLE, and *reason* why."""

    version: int
    state: str
    reason: str = ""

    @property
    def failed(self) -> str:
        """Why it could not be loaded the last time; "" where nobody tried, or it went well."""
        return "" if self.state != "UNAVAILABLE" or self.reason in _UNLOADED else self.reason


class Far:
    """One Triton server, and one model in it."""

    def __init__(self, url: SecretStr, model: str, headers: Mapping[str, SecretStr], ca_file: str | None) -> None:
        self._base = url.get_secret_value().rstrip("/")
        self._model = model
        self._headers = headers
        self._ca_file = ca_file
        self._hiding = Hiding([], [*(each.get_secret_value() for each in headers.values()), *addresses.pieces(url)])
        self.who = f"Triton {http.origin(self._base)}"

    def rows(self, until: float) -> list[Row]:
        """The model's versions that Triton ever loaded, ascending; RollbackError where its index cannot be read or has no such model."""
        answer = self._asked("POST", "v2/repository/index", {}, until)
        found: object = self._json(answer, "its index")
        mine = [each for each in found if isinstance(each, dict) and each.get("name") == self._model] if isinstance(found, list) else []
        if not mine:
            msg = f"{self.who} has no model {self._model!r} in its repository"
            raise RollbackError(msg)
        doubled = [str(each.get("reason", "")) for each in mine if "state" in each and "version" not in each]
        if doubled:
            msg = f"{self.who} cannot serve {self._model}: {self._hiding.of(doubled[0])}"
            raise RollbackError(msg)
        known = [each for each in mine if str(each.get("version", "")).isdecimal()]
        rows = [Row(int(each["version"]), str(each.get("state", "")), self._hiding.of(str(each.get("reason", "")))) for each in known]
        return sorted(rows, key=lambda row: row.version)

    def config(self, version: int, until: float) -> dict[str, object]:
        """The whole configuration that *version* serves with."""
        answer = self._asked("GET", f"v2/models/{quote(self._model, safe='')}/versions/{version}/config", None, until)
        found = self._json(answer, f"the configuration of {self._model} {version}")
        if not isinstance(found, dict):
            msg = f"{self.who} gave no configuration of {self._model} {version}"
            raise RollbackError(msg)
        return found

    def is_ready(self, version: int, until: float) -> bool:
        """Whether *version* answers, by the health API; silence is no."""
        try:
            return self._call("GET", f"v2/models/{quote(self._model, safe='')}/versions/{version}/ready", None, until).status == _FINE
        except Unavailable:
            return False

    def load(self, config: Mapping[str, object], until: float) -> str | Unavailable:
        """Loads the model by *config*, which replaces its whole configuration. "" where it went well, else why not; Unavailable: no answer came.

        RollbackError where Triton does not let anybody load, or not us.
        """
        try:
            answer = self._load(self._model, {"parameters": {"config": json.dumps(config)}}, until)
        except Unavailable as away:
            return away
        if answer.status == _FINE:
            return ""
        self._allowed(answer)
        return addresses.told(answer, self._hiding) or f"it answered {answer.status}"

    def allows_loading(self, until: float) -> None:
        """RollbackError where Triton does not let anybody load, or not us: asked by loading a model that no repository has."""
        try:
            self._allowed(self._load(_NO_MODEL, None, until))
        except Unavailable as away:
            msg = f"{self.who}: {away}"
            raise RollbackError(msg) from None

    def _allowed(self, answer: http.Answer) -> None:
        said = addresses.told(answer, self._hiding)
        if answer.status == _AWAY and _CONTROL in said:
            msg = f"{self.who} lets nobody load models ({said}): it must run with --model-control-mode=explicit; NONE and POLL refuse"
            raise RollbackError(msg)
        if answer.status in {401, 403, 404, 405, _AWAY}:
            who = f"{self.who} (load)"
            raise addresses.refused(who, answer, self._hiding)

    def _load(self, model: str, body: object, until: float) -> http.Answer:
        return self._call("POST", f"v2/repository/models/{quote(model, safe='')}/load", body, until, longest=until - time.monotonic())

    def _json(self, answer: http.Answer, what: str) -> object:
        try:
            found: object = json.loads(answer.body)
        except (ValueError, RecursionError):
            msg = f"{self.who} answered no JSON when asked for {what}"
            raise RollbackError(msg) from None
        return found

    def _asked(self, method: str, path: str, body: object, until: float) -> http.Answer:
        """A look; what may pass is tried again until then. RollbackError where it fails."""
        while True:
            try:
                answer = self._call(method, path, body, until)
                if answer.status == _FINE:
                    return answer
                wrong = addresses.refused(f"{self.who} ({path.rpartition('/')[2]})", answer, self._hiding)
                if not addresses.retried(answer.status):
                    raise wrong
            except Unavailable as away:
                wrong = RollbackError(f"Triton: {away}", retryable=True)
            if time.monotonic() + _PAUSE >= until:
                raise wrong
            time.sleep(_PAUSE)

    def _call(self, method: str, path: str, body: object, until: float, *, longest: float = _TRY) -> http.Answer:
        raw = None if body is None and method == "GET" else b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **{name: each.get_secret_value() for name, each in self._headers.items()}}
        seconds = max(_LEAST, min(longest, until - time.monotonic()))
        return http.call(method, f"{self._base}/{path}", raw, headers, seconds=seconds, largest=LARGEST, trust=addresses.trust(self._ca_file))
