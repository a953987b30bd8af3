"""Who we are at the API server: a pod's service account, or a kubeconfig as kubectl reads it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Protocol, cast

from watchtower.edges.secrets import Secret
from watchtower.nouns.errors import RollbackError, Unavailable

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PLUGIN_WITHIN = 30.0
"""Seconds that a kubeconfig's exec plugin may take."""
_INSTALL = "the target kubernetes needs the package kubernetes: pip install 'watchtower-ml[kubernetes]'"


class Answering(Protocol):
    """What urllib3 gives back of a request whose body was not read yet."""

    status: int
    headers: object

    def read1(self, amount: int) -> bytes: ...

    def release_conn(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Login:
    """One login: *host* is told in messages; *bearer* gives the Authorization header of this moment, "" where a certificate says who we are."""

    host: str
    namespace: str
    bearer: Callable[[], str]
    pool: "Pool"


class Pool(Protocol):
    """The connections of the client library."""

    def request(self, method: str, url: str, **options: object) -> Answering: ...

    def clear(self) -> None: ...


def needed() -> None:
    """RollbackError with what to install where the client library is missing."""
    try:
        import kubernetes.client  # noqa: F401, PLC0415  optional, and slow to import
    except ImportError:
        raise RollbackError(_INSTALL) from None


def login(kubeconfig: str | None, context: str | None) -> Login:
    """Reads the credentials as they are now; RollbackError where there are none, or an exec plugin gives none within 30 s."""
    if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
        return _in_cluster()
    return _from_file(kubeconfig, context)


def _in_cluster() -> Login:
    """The service account's token is read again whenever its file changes: the kubelet rotates it."""
    from kubernetes.client import Configuration  # noqa: PLC0415  optional, and slow to import

    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    configuration = Configuration()
    configuration.host = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    configuration.ssl_ca_cert = str(SERVICE_ACCOUNT / "ca.crt")
    token = Secret(None, SERVICE_ACCOUNT / "token")
    try:
        namespace = (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        namespace = "default"
    return Login(str(configuration.host), namespace, lambda: f"Bearer {_secret(token)}", _pool(configuration))


def _secret(token: Secret) -> str:
    try:
        return token.get()
    except Unavailable as missing:
        raise RollbackError(str(missing)) from None


def _from_file(file: str | None, context: str | None) -> Login:
    from kubernetes.client import Configuration  # noqa: PLC0415  optional, and slow to import
    from kubernetes.config import list_kube_config_contexts, load_kube_config  # noqa: PLC0415  as above

    configuration = Configuration()
    named = file or "the kubeconfig (KUBECONFIG or ~/.kube/config)"
    file = file or os.environ.get("KUBECONFIG") or "~/.kube/config"
    _within(lambda: load_kube_config(file, context, configuration, persist_config=False), named)  # type: ignore[no-untyped-call]  # comes without types
    contexts, active = list_kube_config_contexts(file)  # type: ignore[no-untyped-call]  # as above
    chosen = next((each for each in contexts if each["name"] == context), active)
    given = configuration.auth_settings().get("BearerToken")
    if given is None and not configuration.cert_file:
        msg = f"{named} gives no credentials: its user has neither a token nor a client certificate, or its exec plugin failed (the log says how)"
        raise RollbackError(msg)
    bearer = str(given["value"]) if given else ""
    return Login(str(configuration.host), chosen["context"].get("namespace") or "default", lambda: bearer, _pool(configuration))


def _within(load: Callable[[], None], named: str) -> None:
    """Runs *load*, which may run an exec plugin, that the library waits for without end."""
    wrong: list[Exception] = []

    def run() -> None:
        try:
            load()
        except Exception as bad:  # noqa: BLE001  the library raises its own error, and those of YAML, files and its parser
            wrong.append(bad)

    thread = Thread(target=run, daemon=True, name="kubeconfig")
    thread.start()
    thread.join(PLUGIN_WITHIN)
    if thread.is_alive():
        msg = f"{named}: its exec plugin gave no credentials within {PLUGIN_WITHIN:.0f} s"
        raise RollbackError(msg)
    if wrong:
        msg = f"{named} cannot be used: {wrong[0] if type(wrong[0]).__name__ == 'ConfigException' else type(wrong[0]).__name__}"
        raise RollbackError(msg)


def _pool(configuration: object) -> Pool:
    """Connections that try nothing again by themselves and follow no redirect: a PATCH whose answer was lost is looked at first."""
    from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415  as above

    return cast("Pool", RESTClientObject(configuration).pool_manager)
