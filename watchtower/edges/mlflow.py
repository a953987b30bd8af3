"""MLflow's REST API, as far as registered models, their runs and their artefacts go. No MLflow package: see docs/model-stores.md for why.

Source: https://mlflow.org/docs/latest/rest-api.html, tried against MLflow 3.17.
"""

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from watchtower.edges import http
from watchtower.edges.secrets import Secret
from watchtower.nouns.errors import WatchtowerError
from watchtower.nouns.written import Duration, Frozen, PathText

Json = Mapping[str, object]
_API = "api/2.0/mlflow"
_PROXY = "api/2.0/mlflow-artifacts/artifacts"
_PROXIED = "mlflow-artifacts:"
_LARGEST = 20_000_000
_PAGE, _PAGES = 200, 50
_MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


class MlflowAccess(Frozen):
    """How to reach a registered model: the keys that every kind that does so has."""

    url: str = Field(pattern="^https?://")
    """The tracking server's address (which serves the registry too)."""
    model: str = Field(min_length=1, pattern=r"^(models:/)?[^/@':]+$")
    """The registered model's name, or models:/NAME."""
    token: SecretStr | None = None
    """A bearer token (or `token_file`; or MLFLOW_TRACKING_TOKEN)."""
    token_file: PathText | None = None
    """A file with the token; read again when it changes."""
    username: str = ""
    """For basic authentication, with a password (or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)."""
    password: SecretStr | None = None
    """The user's password (or `password_file`)."""
    password_file: PathText | None = None
    """A file with the password; read again when it changes."""
    time_limit: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0))
    """How long an answer may take; a download may take ten times as long."""

    @field_validator("url")
    @classmethod
    def _no_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        if "@" in parts.netloc:
            msg = "no user or password in the address: write username and password_file"
            raise ValueError(msg)
        parts.port  # noqa: B018  a ValueError where it is none
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for name, given, file in (("token", self.token, self.token_file), ("password", self.password, self.password_file)):
            if given is not None and file is not None:
                msg = f"{name} and {name}_file say the same: give one"
                raise ValueError(msg)
        return self

    @property
    def registered(self) -> str:
        """The registered model's plain name."""
        return self.model.removeprefix("models:/")

    def server(self, fails: Callable[[str], WatchtowerError]) -> "MlflowServer":
        """Prepares; connects at each call."""
        credentials = Credentials(_secret(self.token, self.token_file), self.username, _secret(self.password, self.password_file))
        return MlflowServer(self.url, credentials, seconds=self.time_limit.total_seconds(), fails=fails)


class Credentials:
    """A bearer token, or a user with a password; what the settings leave out comes from MLflow's own environment variables."""

    def __init__(self, token: Secret | None, username: str, password: Secret | None) -> None:
        self._token, self._username, self._password = token, username, password

    def headers(self) -> dict[str, str]:
        """`Authorization`, where there is anything to say; Unavailable where a secret's file cannot be read."""
        token, user, password = self._known()
        if user:
            return {"Authorization": f"Basic {_basic(user, password)}"}
        return {"Authorization": f"Bearer {token}"} if token else {}

    def hidden(self, text: str) -> str:
        """*text*, which the far end wrote, without our secrets."""
        token, user, password = self._known()
        for each in (_basic(user, password), token, password):
            text = text.replace(each, "(hidden)") if each else text
        return text

    def _known(self) -> tuple[str, str, str]:
        token = self._token.get() if self._token is not None else ""
        user, password = self._username, self._password.get() if self._password is not None else ""
        if token or user:
            return token, user, password
        return _environ("TOKEN"), _environ("USERNAME"), _environ("PASSWORD")


class MlflowServer:
    """One tracking server and registry.

    Every method raises Unavailable where the server does not answer, and *fails* where it refuses; both without secrets.
    """

    def __init__(self, url: str, credentials: Credentials, *, seconds: float, fails: Callable[[str], WatchtowerError]) -> None:
        """*seconds* bound each call but downloads, which have ten times as long."""
        self._url, self._credentials, self._seconds, self._fails = url.rstrip("/"), credentials, seconds, fails

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be told of the address."""
        return http.origin(self._url)

    # ------------------------------------------------------------------------------------------------- registry

    def model(self, name: str) -> Json | None:
        """The registered model, its aliases in `aliases`: [{alias, version}]; None where there is none."""
        found = self._get("registered-models/get", {"name": name})
        return None if found is None else mapping(found.get("registered_model"))

    def aliases(self, name: str) -> Mapping[str, str] | None:
        """Alias -> version; None where there is no such model."""
        found = self.model(name)
        return None if found is None else {str(each.get("alias")): str(each.get("version")) for each in listed(found.get("aliases"))}

    def version(self, name: str, version: str) -> Json | None:
        """A model version; None where there is none."""
        found = self._get("model-versions/get", {"name": name, "version": version})
        return None if found is None else mapping(found.get("model_version"))

    def versions(self, name: str) -> Sequence[Json]:
        """All versions of a model, in the registry's order."""
        asked = {"filter": f"name='{name}'", "max_results": str(_PAGE)}
        found: list[Json] = []
        for _ in range(_PAGES):
            page = self._get("model-versions/search", asked) or {}
            found += listed(page.get("model_versions"))
            token = page.get("next_page_token")
            if not token:
                break
            asked["page_token"] = str(token)
        return found

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Points *alias* to *version*; there is no compare-and-set."""
        self._post("registered-models/alias", {"name": name, "alias": alias, "version": version})

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Writes a tag of a model version."""
        self._post("model-versions/set-tag", {"name": name, "version": version, "key": key, "value": value})

    def download_uri(self, name: str, version: str) -> str:
        """Where a version's artefacts are: `mlflow-artifacts:/…`, `s3://…`, a path; "" where there is no such version."""
        found = self._get("model-versions/get-download-uri", {"name": name, "version": version}) or {}
        return self._resolved(str(found.get("artifact_uri", "")))

    def run(self, run_id: str) -> Json | None:
        """The run with `info`, `data` and `inputs`; None where there is none."""
        found = self._get("runs/get", {"run_id": run_id})
        return None if found is None else mapping(found.get("run"))

    def _resolved(self, uri: str) -> str:
        """Where `runs:/…` and `models:/m-…`, which name a place in the server, lie."""
        scheme, _, rest = uri.partition(":/")
        if scheme == "runs":
            run_id, _, path = rest.strip("/").partition("/")
            base = str(mapping((self.run(run_id) or {}).get("info")).get("artifact_uri", ""))
            return f"{base.rstrip('/')}/{path}"
        if scheme == "models" and rest.startswith("m-"):
            found = self._get(f"logged-models/{quote(rest, safe='')}", {}) or {}
            return str(mapping(mapping(found.get("model")).get("info")).get("artifact_uri", ""))
        return uri

    # ------------------------------------------------------------------------------------------------- artefacts

    def proxies(self, uri: str) -> bool:
        """Whether this server hands out the artefacts at *uri* itself; refused where another one would, since our credentials are not for it."""
        if not uri.startswith(_PROXIED):
            return False
        host = urlsplit(uri).netloc
        if host and host != urlsplit(self._url).netloc:
            msg = f"the artefacts are at {host}, another server than {self.origin}: it is not asked, since the credentials are not for it"
            raise self._fails(msg)
        return True

    def artefacts(self, uri: str) -> Mapping[str, int]:
        """Files that lie directly at a proxied *uri*, by name -> bytes; empty where there is nothing."""
        asked = urlencode({"path": urlsplit(uri).path.strip("/")})
        found = mapping(self._answered("GET", f"{_PROXY}?{asked}", None) or {})
        return {str(each.get("path")): _whole(each.get("file_size")) for each in listed(found.get("files")) if not each.get("is_dir")}

    def text(self, uri: str, name: str) -> bytes:
        """A small file at a proxied *uri*."""
        answer = http.call("GET", self._file(uri, name), None, self._headers(), seconds=self._seconds, largest=_LARGEST)
        if answer.status != 200:
            raise self._refusal(name, answer)
        return answer.body

    def download(self, uri: str, name: str, into: Path, *, largest: int) -> None:
        """Writes the file *name* at a proxied *uri* to the path *into*."""
        into.parent.mkdir(parents=True, exist_ok=True)
        with into.open("wb") as file:
            answer = http.save(self._file(uri, name), self._headers(), file, seconds=10 * self._seconds, largest=largest)
        if answer.status != 200:
            raise self._refusal(name, answer)

    def _file(self, uri: str, name: str) -> str:
        return f"{self._url}/{_PROXY}/{quote(urlsplit(uri).path.strip('/'))}/{quote(name)}"

    # ------------------------------------------------------------------------------------------------- calls

    def _get(self, path: str, asked: Mapping[str, str]) -> Json | None:
        return self._answered("GET", f"{_API}/{path}?{urlencode(asked)}", None)

    def _post(self, path: str, said: Json) -> None:
        if self._answered("POST", f"{_API}/{path}", json.dumps(said).encode()) is None:
            msg = f"MLflow at {self.origin} has no {said.get('name')} {said.get('version', '')}".rstrip()
            raise self._fails(msg)

    def _answered(self, method: str, path: str, body: bytes | None) -> Json | None:
        """The answer's JSON; None where what was asked for is not there."""
        headers = self._headers() | ({} if body is None else {"Content-Type": "application/json"})
        answer = http.call(method, f"{self._url}/{path}", body, headers, seconds=self._seconds, largest=_LARGEST)
        if answer.status == 200:
            return mapping(_json(answer.body))
        if str(mapping(_json(answer.body)).get("error_code")) in _MISSING:
            return None
        raise self._refusal(path.partition("?")[0].removeprefix(f"{_API}/"), answer)

    def _headers(self) -> dict[str, str]:
        return {"User-Agent": "watchtower"} | self._credentials.headers()

    def _refusal(self, what: str, answer: http.Answer) -> WatchtowerError:
        said = self._credentials.hidden(str(mapping(_json(answer.body)).get("message", ""))).partition("\n")[0][:300]
        hint = ": are token or username and password right, and may they do this?" if answer.status in {401, 403} else ""
        return self._fails(f"MLflow at {self.origin} refused {what} with {answer.status}{hint}" + (f": {said}" if said and not hint else ""))


def mapping(value: object) -> Json:
    """*value* where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[Json]:
    """The JSON objects in *value*, where it is a list."""
    return list(_mappings(value))


def _mappings(value: object) -> Iterator[Json]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield each


def _json(body: bytes) -> object:
    try:
        return json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}


def _secret(given: SecretStr | None, file: str | None) -> Secret | None:
    return Secret(given.get_secret_value() if given else None, Path(file) if file else None) if given or file else None


def _environ(name: str) -> str:
    return os.environ.get(f"MLFLOW_TRACKING_{name}", "")


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else 0
