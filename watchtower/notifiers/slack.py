"""Slack's Web API: one message per incident, what follows is told in its thread."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from watchtower.edges.secrets import Secret
from watchtower.notifiers import Notifier, Receipt
from watchtower.notifiers import _codes as codes
from watchtower.notifiers import _retraining as retraining
from watchtower.notifiers import _wording as wording
from watchtower.nouns.errors import ConfigError, DeliveryError, Problem, Unavailable
from watchtower.nouns.incident import Incident, IncidentState
from watchtower.nouns.place import Place
from watchtower.nouns.retraining import Retraining
from watchtower.nouns.written import Duration, PathText

PASSING = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
"""Slack's own words for what may pass; every other error of its stays one (invalid_auth, channel_not_found, …)."""
_WORD = re.compile(r"[a-z_]{1,64}")


class Slack(Notifier):
    """Posts to one channel as a bot (scope `chat:write`)."""

    channel: str = Field(min_length=1)
    """A channel's name or id: "#ml-oncall"."""
    token: SecretStr | None = None
    """The bot token (or `token_file`)."""
    token_file: PathText | None = None
    """A file with the bot token; read again when it changes."""
    base_url: str = "https://slack.com/api/"
    """Another address that speaks Slack's Web API."""
    time_limit: Duration = timedelta(seconds=10)
    """How long an answer may take."""

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token is None) == (self.token_file is None):
            msg = "slack needs token or token_file, one of them"
            raise ValueError(msg)
        return self

    def look(self) -> str:
        """Whether Slack takes the token (auth.test); nothing is posted."""
        self.open().greet()
        return f"Slack takes the token; whether {self.channel} is open to it shows at the first delivery"

    def open(self) -> "SlackSession":
        """Prepares to post; ConfigError where slack-sdk is missing."""
        try:
            from slack_sdk import WebClient  # noqa: PLC0415  nothing but this notifier pays for it
        except ModuleNotFoundError as missing:
            raise ConfigError([Problem(Place("notifiers"), "slack needs the package slack-sdk", "pip install slack-sdk")]) from missing
        quiet = logging.getLogger("watchtower.notifiers.slack.sdk")
        quiet.setLevel(logging.CRITICAL)
        base = self.base_url if self.base_url.endswith("/") else f"{self.base_url}/"
        client = WebClient(base_url=base, timeout=max(1, round(self.time_limit.total_seconds())), retry_handlers=[], logger=quiet)
        secret = Secret(self.token.get_secret_value() if self.token else None, Path(self.token_file) if self.token_file else None)

        def call(method: str, message: Message) -> Answer:
            client.token = secret.get()
            found = client.api_call(method, json=message)
            return {"channel": str(found.get("channel", "")), "ts": str(found.get("ts", ""))}

        return SlackSession(self.channel, call)


Message = dict[str, str | list[wording.Block]]
Answer = dict[str, str]


class SlackSession:
    """Posts, and answers in threads. *call* is one call of the Web API."""

    def __init__(self, channel: str, call: Callable[[str, Message], Answer]) -> None:
        self._channel = channel
        self._call = call

    def deliver(self, incident: Incident, since: int, receipt: Receipt | None) -> Receipt:  # noqa: ARG002  the receipt knows more exactly
        """Posts the incident, or what is new of it into its thread; a closed one is marked in its first message."""
        new = wording.news(incident, receipt)
        if receipt is None or "ts" not in receipt.fields:
            text = wording.escaped(wording.plain(incident, new))
            answer = self._said("chat.postMessage", {"channel": self._channel, "text": text, "blocks": wording.blocks(incident, new, first=True)})
            return wording.receipt(incident, answer)
        thread = {"channel": receipt.fields["channel"], "ts": receipt.fields["ts"]}
        if incident.state is IncidentState.CLOSED:
            self._mark(incident, thread)
        if new:
            text = wording.escaped("\n".join(wording.lines(new)))
            where = {"channel": thread["channel"], "thread_ts": thread["ts"]}
            self._said("chat.postMessage", {**where, "text": text, "blocks": wording.blocks(incident, new, first=False)})
        return wording.receipt(incident, thread)

    def retrain(self, asked: Retraining) -> None:
        """One message of its own; Slack knows no idempotency keys, so that a kill between the call and its record may bring it twice."""
        title = retraining.title(asked)
        text = wording.escaped("\n".join([title, *retraining.lines(asked)]))
        self._said("chat.postMessage", {"channel": self._channel, "text": text, "blocks": wording.titled(title, retraining.lines(asked))})

    def close(self) -> None:
        """Holds nothing open."""

    def greet(self) -> None:
        """DeliveryError where the token is not taken."""
        self._said("auth.test", {})

    def _mark(self, incident: Incident, thread: Answer) -> None:
        """Says in the first message that it is over; that this cannot be done (the message is gone) must not keep the thread from being told."""
        message: Message = {**thread, "text": wording.escaped(wording.headline(incident)), "blocks": wording.blocks(incident, incident.timeline, first=True)}
        try:
            self._said("chat.update", message)
        except DeliveryError as refused:
            if refused.retryable:
                raise

    def _said(self, method: str, message: Message) -> Answer:
        from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415  see open()

        try:
            return self._call(method, message)
        except SlackApiError as refused:
            raise _refusal(refused.response.status_code, dict(refused.response.headers), str(refused.response.get("error", ""))) from None
        except Unavailable as unread:
            msg = f"slack: {unread}"
            raise DeliveryError(msg, retryable=True) from None
        except (OSError, HTTPException) as away:
            msg = f"slack did not answer: {type(away).__name__}"
            raise DeliveryError(msg, retryable=True) from None
        except SlackClientError as other:
            msg = f"slack: {type(other).__name__}"
            raise DeliveryError(msg, retryable=False) from None


def _refusal(status: int, headers: dict[str, str], error: str) -> DeliveryError:
    """What Slack said, in its own word where it is one; anything longer could repeat what we sent."""
    word = error if _WORD.fullmatch(error) else "no word of Slack's"
    lower = {name.lower(): value for name, value in headers.items()}
    if not codes.is_fine(status):
        return codes.refusal("slack", status, lower, word)
    return DeliveryError(f"slack refused: {word}", retryable=error in PASSING or not _WORD.fullmatch(error), after=codes.wait_asked(lower))
