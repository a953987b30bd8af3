"""Rules as operators write them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from pydantic import Field

from watchtower.conditions import Condition
from watchtower.conditions._bounded import AUTO, Bounded
from watchtower.conditions._reading import reach
from watchtower.nouns.provenance import RuleText
from watchtower.nouns.score import MeasureName, Need, Over, matches
from watchtower.nouns.written import Frozen, Span, Stretch

REFERENCE = "reference"
_PLAIN = MeasureName("", "")


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
    written: Mapping[str, Rule] = field(default_factory=dict)
    """By name, rules with a calibrated bound as they were written: that is their identity."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """By name, why a rule has no calibrated bound yet."""
    relative_to: Mapping[str, str] = field(default_factory=dict)
    """By model ("*" the others), what statistics compare with in rules that do not say."""
    texts: Mapping[str, RuleText] = field(default_factory=dict, compare=False)
    """By name, the rules as they stand in their files."""

    def digest_of(self, rule: Rule) -> str:
        """As :meth:`Rule.digest`; a new bound of the same rule does not change it."""
        written = self.written.get(rule.name)
        return rule.digest() if written is None else _as_written(rule, written).digest()

    def bounded(self, bounds: Mapping[str, float], lacking: Mapping[str, str]) -> "RuleBook":
        """The book with these *bounds*, by rule, in the place of `value: auto`, and why others have none."""
        rules = tuple(rule if rule.name not in bounds else _with_bound(rule, bounds[rule.name]) for rule in self.rules)
        return replace(self, rules=rules, written={rule.name: rule for rule in self.rules if rule.name in bounds}, lacking=lacking)

    def of(self, model: str) -> tuple[Rule, ...]:
        """The rules that watch *model*, with what its settings say they compare with."""
        against = self.relative_to.get(model, self.relative_to.get("*", REFERENCE))
        watching = (rule for rule in self.rules if matches(rule.model, model))
        return tuple(rule if against == REFERENCE else rule.model_copy(update={"when": _compared_with(rule.when, against)}) for rule in watching)

    def needs(self, model: str) -> Iterator[Need]:
        """Every score that the rules of *model* ask for."""
        for rule in self.of(model):
            yield from rule.needs(self.size)


def auto(rule: Rule) -> Bounded | None:
    """The rule's condition, where its bound is to be calibrated."""
    return rule.when if isinstance(rule.when, Bounded) and rule.when.value == AUTO else None


def _compared_with(condition: Condition, against: str) -> Condition:
    """*condition* with *against* where a statistic in it does not say what it compares with; plain measures stay what they are."""
    changes: dict[str, object] = {}
    for name in type(condition).model_fields:
        value = getattr(condition, name)
        if isinstance(value, Condition):
            changes[name] = _compared_with(value, against)
        elif isinstance(value, tuple):
            changes[name] = tuple(_compared_with(each, against) if isinstance(each, Condition) else each for each in value)
        elif name == "relative_to" and name not in condition.model_fields_set and getattr(condition, "measure", _PLAIN).is_tested:
            changes[name] = against
    return condition.model_copy(update=changes) if changes else condition


def _as_written(rule: Rule, written: Rule) -> Rule:
    """*rule* with the bound that *written* asks for."""
    when = auto(written)
    return rule if when is None else rule.model_copy(update={"when": rule.when.model_copy(update={"value": when.value, "false_alarms": when.false_alarms})})


def _with_bound(rule: Rule, bound: float) -> Rule:
    when = rule.when.model_copy(update={"value": bound, "false_alarms": None})
    return rule.model_copy(update={"when": when})
