"""An incident's audit in one piece: a JSON document that anybody can check without the store, by SHA-256 alone."""

import hashlib
from collections.abc import Mapping, Sequence

from watchtower.store.codec import Json, chained, decode_json, encode

FORMAT = "watchtower-audit/1"


def bundle(incident: Json, plans: Sequence[Json], acts: Sequence[Json], heads: Mapping[object, Json], journal: str, at: str, release: str) -> Json:  # noqa: PLR0913, PLR0917  what a bundle holds
    """What is handed out: every link's `body` is the very text that its `hash` is of (SHA-256 of the hash before it, in hex, followed by the text).

    *heads*: how long the journal says that each plan's chain is, and its last hash; *journal*: the journal's own head at that moment. `sha256` is of
    the rest of the document as canonical JSON (keys sorted, no blanks, UTF-8).
    """
    rest = {
        "format": FORMAT,
        "watchtower": release,
        "exported": at,
        "incident": incident,
        "plans": list(plans),
        "acts": list(acts),
        "heads": dict(heads),
        "journal": journal,
    }
    return {**rest, "sha256": _digest(rest)}


def wrong_with(document: object) -> str | None:
    """Why a bundle does not hold, its first broken link named; None where it does. ValueError where it is no bundle."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        msg = f"this is no audit bundle: its format is not {FORMAT}"
        raise ValueError(msg)
    heads = document.get("heads")
    for plan in _mappings(document.get("plans")):
        links = _mappings(plan.get("links"))
        wrong = _broken(links, str(plan.get("id")))
        noted = heads.get(plan.get("id")) if isinstance(heads, dict) else None
        last = {"count": len(links), "head": links[-1].get("hash") if links else ""}
        if wrong is None and noted and noted != last:
            wrong = f"plan {plan.get('id')}, seq {len(links) + 1}: it is missing, the journal had {noted.get('count')} facts"
        if wrong is not None:
            return wrong
    unlisted = set(heads) - {plan.get("id") for plan in _mappings(document.get("plans"))} if isinstance(heads, dict) else set()
    if unlisted:
        return f"plan {min(unlisted)}, seq 1: the whole plan is missing"
    rest = {name: value for name, value in document.items() if name != "sha256"}
    return None if document.get("sha256") == _digest(rest) else "the document was changed outside its facts: its sha256 is not of what it holds"


def facts_in(document: Json) -> int:
    """How many facts a bundle holds."""
    return sum(len(_mappings(plan.get("links"))) for plan in _mappings(document.get("plans")))


def _broken(links: Sequence[Json], plan: str) -> str | None:
    previous = ""
    for number, link in enumerate(links, start=1):
        text = str(link.get("body"))
        previous = chained(previous, text.encode())
        if link.get("hash") != previous or link.get("seq") != number:
            return f"plan {plan}, seq {number}: it was changed, moved or removed"
        said = decode_json(text.encode())
        if not isinstance(said, dict) or (said.get("plan"), said.get("seq")) != (plan, number):
            return f"plan {plan}, seq {number}: it is another plan's"
    return None


def _mappings(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _digest(rest: object) -> str:
    return hashlib.sha256(encode(decode_json(encode(rest)))).hexdigest()
