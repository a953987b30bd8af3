"""Rules as operators write them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import Field

from watchtower.conditions import Condition
from watchtower.conditions._reading import reach
from watchtower.nouns.score import Need, Over, matches
from watchtower.nouns.settings import Frozen, Span, Stretch


class Rule(Frozen):
    """Condition + over + hold + severity + notify + respond, from `rules/`."""

    name: str = Field(min_length=1, max_length=200)
    """Unique over all files: it is the rule's identity."""
    model: str
    """A glob over model names."""
    when: Condition
    """What is looked for."""
    version: str | None = None
    """A glob over versions; left out: the live version."""
    segment: str | None = None
    """A glob over segments, such as country=*; left out: the whole."""
    over: Span | None = None
    """How far back windows are merged (default 1 window)."""
    hold: Span = Stretch(windows=1)
    """Fires at this many consecutive evaluations with a finding (3 windows, or 5m; at least one)."""
    keep_firing: Span = Stretch(windows=0)
    """Resolves at one more than this many consecutive evaluations without a finding."""
    severity: Literal["info", "warn", "page"] = "warn"
    """page: wakes somebody, and counts against a version's health."""
    notify: tuple[str, ...] | None = None
    """Names of notifiers; left out: all."""
    respond: tuple[Literal["shadow", "rollback", "retrain"], ...] = ()
    """What else happens when it fires."""
    dry_run: bool = False
    """Evaluates and tells, never acts."""
    no_data: Literal["keep", "fire", "resolve"] = "keep"
    """What a NoScore does: neither advances nor resets, counts as a finding, or as none."""
    grace: Span = Stretch(windows=3)
    """Windows after a version change in which it does not respond."""
    summary: str = ""
    """A Jinja text with model, subject, value, version, segment, rule."""
    runbook: str = ""
    """Where to read on."""

    def reach(self, size: timedelta) -> Over:
        """*over* in base windows of *size*."""
        return reach(self.over, size, Over())

    def needs(self, size: timedelta) -> Iterator[Need]:
        """Every score that its condition asks for."""
        yield from self.when.needs(self.reach(size), size)

    def digest(self) -> str:
        """Changes when `when`, `over`, `version`, `segment` or `model` do."""
        text = f"{self.when!r}|{self.over!r}|{self.model}|{self.version}|{self.segment}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules, the window's size, and the notifiers that `notify:` left out means."""

    rules: tuple[Rule, ...]
    size: timedelta
    notifiers: tuple[str, ...] = ()
    digest: str = ""

    def of(self, model: str) -> tuple[Rule, ...]:
        """The rules that watch *model*."""
        return tuple(rule for rule in self.rules if matches(rule.model, model))

    def needs(self, model: str) -> Iterator[Need]:
        """Every score that the rules of *model* ask for."""
        for rule in self.of(model):
            yield from rule.needs(self.size)
