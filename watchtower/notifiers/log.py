"""A line on stderr."""

import json
import sys

from watchtower.notifiers import Notifier, NotifierSession, Receipt
from watchtower.notifiers import _retraining as retraining
from watchtower.notifiers import _wording as wording
from watchtower.nouns.incident import Incident
from watchtower.nouns.retraining import Retraining


class Log(Notifier):
    """Writes one JSON line per telling to stderr: event `incident_told`, then the keys of the webhook's body."""

    def open(self) -> NotifierSession:
        """Nothing to prepare."""
        return LogSession()


class LogSession:
    """Writes lines."""

    def deliver(self, incident: Incident, since: int, receipt: Receipt | None) -> Receipt:
        """One line with what is new; never fails."""
        told = {"event": "incident_told", **wording.body(incident, since, wording.news(incident, receipt))}
        sys.stderr.write(json.dumps(told, ensure_ascii=False) + "\n")
        sys.stderr.flush()
        return wording.receipt(incident)

    def retrain(self, asked: Retraining) -> None:
        """One line: event `retraining_asked`, then the keys of the webhook's body."""
        sys.stderr.write(json.dumps({"event": "retraining_asked", **retraining.body(asked)}, ensure_ascii=False) + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Holds nothing open."""
