"""What a source hands out, gathered into pieces that are worth folding."""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from watchtower.nouns.batch import Messages
from watchtower.nouns.errors import Unavailable
from watchtower.sources import SourceSession

ENOUGH = 10_000
"""Messages that are folded at once, …"""
HEAVY = 4_000_000
"""… or so many bytes of them (batches), …"""
GATHER = 0.2
"""… or what came in so many seconds."""
GLANCE = 0.005
"""Seconds for what predictions must not wait for."""


def gathered(session: SourceSession, seconds: float) -> tuple[list[Messages], Unavailable | None]:
    """What came in *seconds*, until it is enough; and why no more came, where the source is away."""
    found: list[Messages] = []
    until, count, size = monotonic() + seconds, 0, 0
    while count < ENOUGH and size < HEAVY:
        left = until - monotonic()
        try:
            messages = session.poll(max(left, 0.0))
        except Unavailable as away:
            return found, away
        found += messages
        count += sum(len(each.values) for each in messages)
        size += sum(map(_bytes, messages))
        if left <= 0 or (not messages and session.caught_up()):
            break
    return found, None


def _bytes(messages: Messages) -> int:
    return sum(map(len, filter(None, messages.values)))


def pieces(messages: Sequence[Messages]) -> list[list[Messages]]:
    """*messages* in pieces of at most about 4 MB and 10,000 messages, in order: batches are many rows a message, and memory must not grow with them."""
    found: list[list[Messages]] = []
    size = count = 0
    for each in messages:
        for part in _cut(each):
            bigger = _bytes(part)
            if not found or size + bigger > HEAVY or count + len(part.values) > ENOUGH:
                found.append([])
                size = count = 0
            found[-1].append(part)
            size, count = size + bigger, count + len(part.values)
    return found


def _cut(messages: Messages) -> list[Messages]:
    total = _bytes(messages)
    if total <= HEAVY and len(messages.values) <= ENOUGH:
        return [messages]
    step = max(1, min(ENOUGH, len(messages.values) * HEAVY // max(total, 1)))
    return [_between(messages, first, min(first + step, len(messages.values))) for first in range(0, len(messages.values), step)]


def _between(messages: Messages, first: int, last: int) -> Messages:
    whole = last == len(messages.values)
    through = messages.next_position if whole else int(messages.positions[last])
    return replace(
        messages, values=messages.values[first:last], positions=messages.positions[first:last], appended=messages.appended[first:last], next_position=through
    )
