"""By which rules, settings and release a plan was opened: put beside the fact that opens it, for the audit. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from watchtower.core.rules import RuleBook
from watchtower.nouns.facts import Fact, Fired
from watchtower.nouns.provenance import Provenance, RuleText


def proven(facts: Sequence[Fact], book: RuleBook, settings: str, release: str) -> tuple[Fact, ...]:
    """*facts*, what opens a plan with the text of the rules whose alerts opened it; *settings* is their files' SHA-256, *release* Watchtower's own."""
    return tuple(_proven(fact, book, settings, release) if isinstance(fact, Fired) else fact for fact in facts)


def _proven(fact: Fired, book: RuleBook, settings: str, release: str) -> Fired:
    names = dict.fromkeys(alert.rule for alert in fact.alerts)
    return replace(fact, provenance=Provenance(tuple(book.texts.get(name, RuleText(name)) for name in names), settings, release))
