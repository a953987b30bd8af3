"""Tells: what lags behind an incident goes to its notifiers, rejected messages to their dead letters. The line never waits for it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from watchtower.edges.points import reached
from watchtower.notifiers import NotifierSession, Receipt
from watchtower.nouns.errors import DeliveryError, Unavailable
from watchtower.store import Store
from watchtower.store.intake import DeadLetter
from watchtower.store.retrainings import TOPIC
from watchtower.store.told import Lag

log = logging.getLogger(__name__)

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=5)
GIVEN_UP_AFTER = timedelta(hours=24)
LEAST_ATTEMPTS = 5
"""A delivery that the daemon could not even try (it was down) is not given up before so many attempts."""
AT_ONCE = 500


class LetterWriter(Protocol):
    """Where dead letters go: a Kafka topic, a file."""

    def send(self, letters: Sequence[tuple[str, bytes]]) -> None:
        """Sends all (key, value) and returns when they have arrived; Unavailable where they have not."""


def unheard(_notifier: str, _outcome: str) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Outbox:
    """Delivers what lags, at least once.

    Attributes:
        notifiers: open sessions by the name that rules use.
        letters: the writer for the dead letters of a source's topic; those of other topics stay in the store.
        heard: told (notifier, outcome) of each attempt; outcome is delivered, failed or dead (a metric).
        trainers: a model's open `retrain:`; None where it has none.

    """

    store: Store
    notifiers: Mapping[str, NotifierSession]
    letters: Mapping[str, LetterWriter] = field(default_factory=dict)
    heard: Callable[[str, str], None] = unheard
    trainers: Callable[[str], NotifierSession | None] = field(default=lambda _model: None)
    _letters_at: datetime | None = None
    _letters_wait: timedelta = FIRST_WAIT

    def step(self, now: datetime) -> bool:
        """Delivers all that is due, oldest first, each on its own; True where something was told."""
        lags = self.store.told.lagging(now)
        for lag in lags:
            self._tell(lag, now)
        return self._send_letters(now) or bool(lags)

    def _tell(self, lag: Lag, now: datetime) -> None:
        is_retraining = lag.topic.startswith(TOPIC)
        session = self.trainers(lag.incident.model) if is_retraining else self.notifiers.get(lag.notifier)
        if session is None:
            self._bury(lag, f"{lag.incident.model} has no retrain:" if is_retraining else f"no notifier is called {lag.notifier}", now)
            return
        try:
            receipt = self._told(session, lag)
        except DeliveryError as error:
            self._failed(lag, error, now)
            return
        self.store.told.delivered(lag, receipt, now)
        log.info("incident_told notifier=%s topic=%s revision=%d", lag.notifier, lag.topic, lag.revision)
        self.heard(lag.notifier, "delivered")

    def _told(self, session: NotifierSession, lag: Lag) -> Receipt:
        asked = self.store.retrainings.of(lag.incident.id) if lag.topic.startswith(TOPIC) else None
        reached("outbox.before_call")
        if asked is None:
            receipt = session.deliver(lag.incident, lag.told_revision, lag.receipt)
        else:
            session.retrain(asked)
            receipt = Receipt()
        reached("outbox.after_call")
        return receipt

    def _failed(self, lag: Lag, error: DeliveryError, now: datetime) -> None:
        given_up = now - lag.since >= GIVEN_UP_AFTER and lag.attempts + 1 >= LEAST_ATTEMPTS
        if given_up or not error.retryable:
            self._bury(lag, str(error), now)
            return
        wait = backoff(lag.attempts, error.after)
        again = wait.total_seconds()
        log.warning("delivery_failed notifier=%s topic=%s attempt=%d again_in=%.0fs reason=%s", lag.notifier, lag.topic, lag.attempts + 1, again, error)
        self.store.told.failed(lag, str(error), now + wait, now)
        self.heard(lag.notifier, "failed")

    def _bury(self, lag: Lag, reason: str, now: datetime) -> None:
        """Given up until the incident has something new; visible in the store and counted."""
        log.error("delivery_given_up notifier=%s topic=%s revision=%d reason=%s", lag.notifier, lag.topic, lag.revision, reason)
        self.store.told.dead(lag, reason, now)
        self.heard(lag.notifier, "dead")

    def _send_letters(self, now: datetime) -> bool:
        """Dead letters in batches; a writer that is away is left alone for a while and holds up nothing else."""
        if not self.letters or (self._letters_at is not None and now < self._letters_at):
            return False
        waiting = self.store.intake.dead_letters.waiting(AT_ONCE, list(self.letters))
        try:
            for topic in dict.fromkeys(letter.topic for letter in waiting):
                self._send(topic, [letter for letter in waiting if letter.topic == topic])
        except Unavailable as away:
            log.warning("dead_letters_waited again_in=%.0fs reason=%s", self._letters_wait.total_seconds(), away)
            self._letters_at = now + self._letters_wait
            self._letters_wait = min(self._letters_wait * 2, LONGEST_WAIT)
            return False
        self._letters_at, self._letters_wait = None, FIRST_WAIT
        return bool(waiting)

    def _send(self, topic: str, letters: Sequence[DeadLetter]) -> None:
        self.letters[topic].send([(letter.key, letter.value) for letter in letters])
        self.store.intake.dead_letters.sent([letter.id for letter in letters])


def backoff(attempts: int, asked: float | None) -> timedelta:
    """How long to wait after *attempts* earlier failures: 5 s, doubling up to 5 min; longer where the far end *asked* for more seconds."""
    doubled: int = 1 << min(attempts, 10)
    wait = min(FIRST_WAIT * doubled, LONGEST_WAIT)
    return max(wait, timedelta(seconds=asked)) if asked is not None else wait
