"""Deliver what happened to people."""

from abc import abstractmethod
from typing import Protocol

from watchtower.kinds import Kind
from watchtower.nouns.incident import Incident, Receipt
from watchtower.nouns.retraining import Retraining

__all__ = ["Notifier", "NotifierSession", "Receipt"]


class NotifierSession(Protocol):
    """An open notifier. Used by the outbox thread alone."""

    def deliver(self, incident: Incident, since: int, receipt: Receipt | None) -> Receipt:
        """Tell what is new after revision *since* (0: all); DeliveryError says whether to retry. Delivering twice must do no harm."""

    def retrain(self, asked: Retraining) -> None:
        """Asks for a retraining; DeliveryError as above. What is asked twice is the same, under the incident's id as its key."""

    def close(self) -> None:
        """Lets go of everything."""


class Notifier(Kind):
    """Frozen settings of one notifier."""

    @abstractmethod
    def open(self) -> NotifierSession:
        """Prepares to deliver; ConfigError with the install command where a package is missing."""

    def look(self) -> str:
        """What `check --connect` tells of it, in a few words; tells nobody anything. DeliveryError where it would not be let in."""
        self.open().close()
        return "it is ready; whether the far end takes it shows at the first delivery"
