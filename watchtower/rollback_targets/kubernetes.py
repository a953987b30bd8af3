"""A Deployment, or the selector of a Service, of a Kubernetes cluster."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from watchtower.nouns.written import Duration, PathText
from watchtower.rollback_targets import Caution, RollbackTarget, TargetSession
from watchtower.rollback_targets._kubernetes_api import Api
from watchtower.rollback_targets._kubernetes_deployment import DeploymentSession
from watchtower.rollback_targets._kubernetes_git import Git
from watchtower.rollback_targets._kubernetes_gitops import GitOpsSession
from watchtower.rollback_targets._kubernetes_naming import Naming
from watchtower.rollback_targets._kubernetes_service import ServiceSession
from watchtower.rollback_targets._kubernetes_session import ObjectSession


class Kubernetes(RollbackTarget):
    """Rolls a Deployment back, or moves a Service's selector (blue-green), by a conditional JSON Patch, and waits until the pods are there.

    What Argo CD, Flux or an operator owns is refused, or written to git where `git` says how. Replicas are never written. Needs the extra `kubernetes`.
    """

    deployment: str | None = None
    """The Deployment (or `service`)."""
    service: str | None = None
    """The Service whose selector names the version (or `deployment`)."""
    version: Naming
    """Where the version is written: `{image: "registry.example/fraud:{version}"}`, `{env: MODEL_VERSION}`, `{annotation: …}`, `{label: …}`,
    `{selector: version}`."""
    by: Literal["revision", "patch"] = "revision"
    """revision: the whole pod template of the newest revision that served the version, as `kubectl rollout undo`. patch: only the value that names it."""
    container: str | None = None
    """The container that `image` or `env` means, where several could be."""
    namespace: str | None = None
    """Left out: the service account's, or the kubeconfig's context's."""
    kubeconfig: PathText | None = None
    """Left out: the pod's service account, else KUBECONFIG or ~/.kube/config."""
    context: str | None = None
    """Of the kubeconfig; left out: its current one."""
    git: Git | None = None
    """Where a GitOps controller reads the version from: then the change is written there, and the cluster is only read."""
    time_limit: Duration = timedelta(minutes=10)
    """How long the rollout may take (with `git`, the controller's sync too)."""
    answer_within: Duration = timedelta(seconds=10)
    """How long the API server may take for one answer."""

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if bool(self.deployment) == bool(self.service):
            msg = "give a deployment or a service"
            raise ValueError(msg)
        if bool(self.service) != bool(self.version.selector):
            msg = "version: {selector: KEY} belongs to a service, and a service needs it"
            raise ValueError(msg)
        if self.container and not (self.version.image or self.version.env):
            msg = "container: belongs to version: {image: …} or {env: …}"
            raise ValueError(msg)
        return self

    def cautions(self) -> Iterator[Caution]:
        """What it needs and is not here."""
        if find_spec("kubernetes") is None:
            yield Caution("", "the package kubernetes is not installed", "the daemon needs it where it runs: pip install 'watchtower-ml[kubernetes]'")
        if self.kubeconfig is not None and not Path(self.kubeconfig).is_file():
            yield Caution("kubeconfig", f"{self.kubeconfig} is not there", "the daemon must find it where it runs; in a pod leave it out")
        if self.git is not None and shutil.which("git") is None:
            yield Caution("git", "the program git is on no folder of PATH", "the daemon must find it where it runs")

    def open(self) -> TargetSession:
        """Prepares; touches nothing. RollbackError where the client library is missing."""
        api = Api(self.kubeconfig, self.context, self.namespace, seconds=self.answer_within.total_seconds())
        cluster = self._object(api)
        return cluster if self.git is None else GitOpsSession(self.git, cluster, self.version)

    def _object(self, api: Api) -> ObjectSession:
        seconds = self.time_limit.total_seconds()
        if self.service:
            return ServiceSession(api, self.service, self.version, seconds=seconds)
        return DeploymentSession(api, self.deployment or "", self.version, self.container, by_revision=self.by == "revision", seconds=seconds)
