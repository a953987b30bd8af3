"""A version that stands in git: written there, and then followed in the cluster until the GitOps controller has brought it about."""

from collections.abc import Sequence

from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import State, Switch
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._kubernetes_git import Git, Head, Repository
from watchtower.rollback_targets._kubernetes_naming import Naming
from watchtower.rollback_targets._kubernetes_session import ObjectSession

ATTEMPTS = 5
"""How often the file is committed anew because the branch was pushed to in between."""


class GitOpsSession:
    """An object whose version is written in git. The cluster is only read; the file is the place where the compare-and-set happens."""

    def __init__(self, settings: Git, cluster: ObjectSession, naming: Naming) -> None:
        self._settings = settings
        self._cluster = cluster
        self._naming = naming
        self._repository = Repository(settings)

    def current(self) -> str | None:
        """The version that the object in the cluster names: what is served."""
        return self._cluster.current()

    def state(self) -> State:
        """What the cluster names; the token is the last commit that touched the file, so going away and coming back shows."""
        seen = self._cluster.state()
        with self._repository.head() as head:
            detail = {
                "repository": self._settings.url,
                "branch": self._settings.branch,
                "file": self._settings.file,
                "commit": head.commit,
                "file_names": head.version,
            }
            return State(seen.version, head.commit, {**seen.detail, **detail})

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        """From *expected* to *candidate* by one commit on the fetched head, pushed without force; then waits until the cluster has it.

        Where the file names the candidate already, nothing is written and the cluster is waited for: so it is after a kill between push and sync.
        """
        before = self._cluster.read()
        if (named := self._cluster.named(before)) not in {candidate, expected}:
            raise Moved(self._cluster.what, expected, named)
        written = self._written(candidate, expected, token, f"Watchtower, plan {key or 'by hand'}", dry_run=dry_run)
        if not dry_run:
            self._cluster.follow(candidate, before, before, late_sync=True)
        detail = {**self._repository.told, "key": key, **(written or {})}
        return Switch(candidate if written is None else expected, candidate, changed=written is not None, dry_run=dry_run, detail=detail)

    def _written(self, candidate: str, expected: str | None, token: str, signed: str, *, dry_run: bool) -> dict[str, object] | None:
        """The commit that was pushed; None where the file names *candidate* already. Pushes of other files in between do not matter."""
        self._naming.spell(candidate)
        for _ in range(ATTEMPTS):
            with self._repository.head() as head:
                if head.version == candidate:
                    return None
                token = token or head.commit
                self._expect(head, expected, token)
                message = f"Back to version {candidate} from {expected}\n\n{signed}"
                pushed = self._repository.push(head, self._settings.value.replace("{version}", candidate), message, dry_run=dry_run)
                if not pushed.moved:
                    return {"parent": head.commit} if dry_run else {"parent": head.commit, "commit": pushed.commit}
        msg = f"{self._repository.what} was pushed to {ATTEMPTS} times while we tried: nothing was switched"
        raise RollbackError(msg, retryable=True)

    def ready(self, candidate: str) -> Sequence[str]:
        """Whether the cluster can be read, the file names a version, and a push would be taken (`git push --dry-run`)."""
        missing: list[str] = []
        try:
            self._cluster.current()
        except RollbackError as wrong:
            missing.append(str(wrong))
        try:
            with self._repository.head() as head:
                if head.version is None:
                    missing.append(f"{self._repository.what} has {head.place.value!r}, which is not as {self._settings.value!r} says")
                elif self._naming.spell(candidate) and head.version != candidate:
                    self._repository.push(head, self._settings.value.replace("{version}", candidate), "rehearsed", dry_run=True)
        except RollbackError as wrong:
            missing.append(str(wrong))
        return missing

    def close(self) -> None:
        """Lets go of the connection."""
        self._cluster.close()

    def _expect(self, head: Head, expected: str | None, token: str) -> None:
        if head.version != expected:
            raise Moved(self._repository.what, expected, head.version)
        if token and token != head.commit:
            raise Moved(self._repository.what, expected, head.version, since="was committed to since it was read")
