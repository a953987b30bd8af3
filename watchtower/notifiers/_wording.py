"""What a notifier says of an incident: words for people, Slack's blocks, and the same as JSON."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from watchtower.notifiers import Receipt
from watchtower.nouns.incident import Incident, IncidentState, Moment

ENTRIES = "entries"
"""The receipt's field that counts the timeline's entries that were told."""
MOST_ALERTS = 10
_HEADER = 150
_SECTION = 3000
_BLOCKS = 50

Text = dict[str, str]
Block = dict[str, str | Text | list[Text]]


def news(incident: Incident, receipt: Receipt | None) -> tuple[Moment, ...]:
    """The timeline's entries that *receipt* does not know yet, oldest first."""
    told = int(receipt.fields.get(ENTRIES, "0")) if receipt else 0
    return incident.timeline[told:]


def receipt(incident: Incident, fields: Text | None = None) -> Receipt:
    """A receipt that says that all of *incident* was told."""
    return Receipt({**(fields or {}), ENTRIES: str(len(incident.timeline))})


def headline(incident: Incident) -> str:
    """``PAGE fraud: PredictionDrift and 2 more rules (open)``."""
    rules = list(dict.fromkeys(alert.rule for alert in incident.alerts))
    more = len(rules) - 1
    named = (rules[0] if rules else "incident") + (f" and {more} more rule{'s' if more > 1 else ''}" if more > 0 else "")
    sign = "\N{WHITE HEAVY CHECK MARK}" if incident.state is IncidentState.CLOSED else "\N{POLICE CARS REVOLVING LIGHT}"
    return _cut(f"{sign} {incident.severity.upper()} {incident.model}: {named} ({incident.state})", _HEADER)


def lines(moments: Sequence[Moment]) -> list[str]:
    """A line an entry, with its time; of a storm's alerts the first ten, and how many more."""
    alerts = [each for each in moments if each.what == "alert"]
    hidden = set(map(id, alerts[MOST_ALERTS:]))
    shown = [f"{_clock(each.at)} {each.text}" for each in moments if id(each) not in hidden]
    return [*shown, f"and {len(hidden)} more alert changes"] if hidden else shown


def footer(incident: Incident) -> str:
    """Which incident it is, and since when."""
    closed = f", closed {_stamp(incident.closed_at)}" if incident.closed_at else ""
    return f"incident {incident.id}, opened {_stamp(incident.opened_at)}{closed}"


def plain(incident: Incident, moments: Sequence[Moment]) -> str:
    """All of it as one text."""
    return "\n".join([headline(incident), *lines(moments)])


def blocks(incident: Incident, moments: Sequence[Moment], *, first: bool) -> list[Block]:
    """Slack's blocks: a header where the message is the *first* one, sections of at most 3,000 characters, a context line."""
    header: list[Block] = [{"type": "header", "text": {"type": "plain_text", "text": headline(incident)}}] if first else []
    sections: list[Block] = [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in _sections(lines(moments))]
    context: Block = {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(footer(incident))}]}
    return [*header, *sections[: _BLOCKS - 2], context]


def titled(title: str, texts: Sequence[str]) -> list[Block]:
    """Slack's blocks of a message that is about no incident's news: a header, then *texts* in sections."""
    sections: list[Block] = [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in _sections(texts)]
    return [{"type": "header", "text": {"type": "plain_text", "text": _cut(title, _HEADER)}}, *sections[: _BLOCKS - 1]]


def escaped(text: str) -> str:
    """*text* with Slack's three control characters taken out of their role, so that no name can mention a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def body(incident: Incident, since: int, moments: Sequence[Moment]) -> dict[str, object]:
    """The JSON that a webhook gets; docs say each key."""
    return {
        "version": 1,
        "incident": incident.id,
        "revision": incident.revision,
        "since": since,
        "model": incident.model,
        "state": str(incident.state),
        "severity": incident.severity,
        "opened": _stamp(incident.opened_at),
        "closed": _stamp(incident.closed_at) if incident.closed_at else None,
        "alerts": [{"rule": each.rule, "version": each.version, "segment": each.segment, "subject": each.subject} for each in incident.alerts],
        "title": headline(incident),
        "news": [{"at": _stamp(each.at), "what": each.what, "text": each.text} for each in moments],
    }


def _sections(each_line: Sequence[str]) -> Iterator[str]:
    text = ""
    for line in each_line:
        added = escaped(_cut(line, _SECTION // 5))
        if text and len(text) + 1 + len(added) > _SECTION:
            yield text
            text = added
        else:
            text = f"{text}\n{added}" if text else added
    if text:
        yield text


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}Z"


def _stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
