"""A compare-and-set on one object of Kubernetes: what a Deployment and a Service have in common."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import State, Switch
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._kubernetes_api import Api, Reply, Resource
from watchtower.rollback_targets._kubernetes_json import Object, Operation, text
from watchtower.rollback_targets._kubernetes_owners import owner

POLL = 1.0
"""Seconds between two looks while the far end takes a switch over."""
ATTEMPTS = 10
"""How often a patch is written anew because a status changed in between, or because an answer was lost."""


@dataclass(frozen=True, slots=True)
class Change:
    """The patch that brings about a candidate, without its `test` of the resourceVersion; *detail* is what the audit keeps, without secrets."""

    operations: Sequence[Operation]
    detail: Mapping[str, object] = field(default_factory=dict)


class ObjectSession(ABC):
    """An open object. The patch is a JSON Patch whose first operation tests the resourceVersion that was read right before.

    That makes the write itself exact: whoever else wrote in between, the server refuses it (422). A controller that only wrote the status changes the
    resourceVersion as well, so a refused patch is looked at again: the same :meth:`token`, and it is sent again; another one raises Moved.
    """

    resource: Resource

    def __init__(self, api: Api, name: str, *, seconds: float) -> None:
        """*seconds*: how long the far end may take to take a switch over."""
        self._api = api
        self._name = name
        self._seconds = seconds

    @abstractmethod
    def named(self, found: Object) -> str | None:
        """The version that *found* names."""

    @abstractmethod
    def token(self, found: Object) -> str:
        """What changes whenever anybody writes what is served."""

    @abstractmethod
    def told(self, found: Object) -> Mapping[str, object]:
        """What a person needs to restore *found* by hand."""

    @abstractmethod
    def change(self, found: Object, candidate: str) -> Change:
        """The patch from *found* to *candidate*; RollbackError where there is nothing to go back to."""

    @abstractmethod
    def arrived(self, found: Object, candidate: str, before: Object) -> str:
        """Why *found* has not taken *candidate* over yet, "" where it has; RollbackError where it never will. *before*: as it was when we came."""

    @abstractmethod
    def hindrance(self, found: Object) -> str:
        """Why *found* must not be patched now, "" where it may."""

    @abstractmethod
    def permissions(self) -> Sequence[str]:
        """The permissions that are missing."""

    def current(self) -> str | None:
        """The version that it names; changes nothing."""
        return self.named(self.read())

    def state(self) -> State:
        """Its state; the token changes whenever anybody writes what is served."""
        found = self.read()
        return State(self.named(found), self.token(found), {**self._where(), **self.told(found)})

    def switch_to(self, candidate: str, *, expected: str | None, token: str = "", key: str = "", dry_run: bool = False) -> Switch:
        """From *expected* to *candidate* by one conditional patch, and waits until it has been taken over; a dry run is the server's (`dryRun=All`)."""
        found = before = self.read()
        detail: dict[str, object] = {**self._where(), "key": key}
        sent = False
        token = token or (self.token(found) if self.named(found) == expected else "")
        for again in range(ATTEMPTS):
            if self.named(found) == candidate:
                break
            self._expect(found, expected, token)
            if hindered := self._hindered(found):
                msg = f"{self.what} was not switched: {hindered}"
                raise RollbackError(msg)
            change = self.change(found, candidate)
            detail |= change.detail
            reply = self._patch(found, change, dry_run=dry_run)
            if reply.fine:
                sent = True
                if not dry_run:
                    found = reply.body
                    detail |= {"resource_version": text(found, "metadata", "resourceVersion")}
                break
            sent |= reply.unknown
            found = self._after(reply, found, again)
        else:
            msg = f"{self.what} was not switched: it was written, or gave no answer, {ATTEMPTS} times while we tried"
            raise RollbackError(msg, retryable=True)
        if not dry_run:
            self.follow(candidate, before, found)
        return Switch(expected if sent else candidate, candidate, changed=sent, dry_run=dry_run, detail=detail)

    def ready(self, candidate: str) -> Sequence[str]:
        """What stands in the way of *candidate*: the revision, permissions, owners, and what a server-side dry run says."""
        missing: list[str] = []
        try:
            missing += self.permissions()
            found = self.read()
            if hindered := self._hindered(found):
                missing.append(f"{self.what}: {hindered}")
            if self.named(found) != candidate:
                change = self.change(found, candidate)
                if not missing:
                    self._rehearse(found, change)
        except RollbackError as wrong:
            missing.append(str(wrong))
        return missing

    def close(self) -> None:
        """Lets go of the connection."""
        self._api.close()

    @property
    def what(self) -> str:
        """The object, as messages call it."""
        return f"{self.resource.plural}/{self._name} in namespace {self._api.namespace}"

    def read(self) -> Object:
        """The object as it is now."""
        return self._api.get(self.resource, self._name)

    def _where(self) -> dict[str, object]:
        return {"namespace": self._api.namespace, "object": f"{self.resource.plural}/{self._name}"}

    def _expect(self, found: Object, expected: str | None, token: str) -> None:
        named = self.named(found)
        if named != expected:
            raise Moved(self.what, expected, named)
        if token and token != self.token(found):
            raise Moved(self.what, expected, named, since="was written since it was read")

    def _hindered(self, found: Object) -> str:
        if text(found, "metadata", "deletionTimestamp"):
            return "it is being deleted"
        if owned := owner(found):
            return f"{owned} and would put it back; set git: and the change is written where it comes from"
        return self.hindrance(found)

    def _patch(self, found: Object, change: Change, *, dry_run: bool) -> Reply:
        first: Operation = {"op": "test", "path": "/metadata/resourceVersion", "value": text(found, "metadata", "resourceVersion")}
        return self._api.patch(self.resource, self._name, [first, *change.operations], dry_run=dry_run)

    def _after(self, reply: Reply, found: Object, again: int) -> Object:
        """The object as it is after a patch that did not go through; RollbackError where trying again would not help.

        A failed `test` and an invalid object are both 422: the server did not like the patch itself where the resourceVersion is still the same.
        """
        if not (reply.unknown or reply.status in {409, 422}):
            raise self._api.refusal(reply, f"{self.what} was not switched")
        if reply.unknown:
            time.sleep(min(2.0, 0.05 * 2**again))
        fresh = self.read()
        same = text(fresh, "metadata", "resourceVersion") == text(found, "metadata", "resourceVersion")
        if same and not reply.unknown:
            raise self._api.refusal(reply, f"{self.what} was not switched")
        return fresh

    def _rehearse(self, found: Object, change: Change) -> None:
        """The server-side dry run of *change*: validation, admission and permissions as they would be."""
        for again in range(ATTEMPTS):
            reply = self._patch(found, change, dry_run=True)
            if reply.fine:
                return
            found = self._after(reply, found, again)

    def follow(self, candidate: str, before: Object, found: Object, *, late_sync: bool = False) -> None:
        """Looks again until the far end has taken *candidate* over; RollbackError where it does not within the time limit.

        With *late_sync*, somebody else is going to write the object: that it still names what it named *before* is no reason to give up.
        """
        old = self.named(before) if late_sync else candidate
        until = time.monotonic() + self._seconds
        lost = ""
        while True:
            waiting = self._look(found, candidate, before, old)
            if not waiting:
                return
            if time.monotonic() >= until:
                msg = f"{self.what} was switched to {candidate}, and after {self._seconds:.0f} s that had not come about: {lost or waiting}"
                raise RollbackError(msg)
            time.sleep(POLL)
            try:
                found, lost = self.read(), ""
            except RollbackError as away:  # the switch is made: only the time limit ends the waiting
                lost = str(away)

    def _look(self, found: Object, candidate: str, before: Object, old: str | None) -> str:
        named = self.named(found)
        if named != candidate and named == old:
            return f"it still names {old or 'nothing'}"
        if named != candidate:
            msg = f"{self.what} was switched to {candidate}, and before that had come about somebody switched it to {named or 'nothing'}"
            raise RollbackError(msg)
        return self.arrived(found, candidate, before)
