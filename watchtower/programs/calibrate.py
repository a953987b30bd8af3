"""What a model's rules are calibrated to: bounds that keep to a budget of false alarms, and what written bounds must be expected to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from watchtower.core import budgets
from watchtower.core.calibration import Calibration
from watchtower.core.rules import Rule, RuleBook, auto
from watchtower.edges.children import Child
from watchtower.edges.clock import Clock
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place
from watchtower.store import Store
from watchtower.workers.calibrator import calibrated, keep, order_for


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One rule: *is_auto* where the bound was asked for, else it is as written and only its alarms were."""

    rule: Rule
    made: Calibration
    is_auto: bool


def lines(store: Store, book: RuleBook, model: str, clock: Clock) -> Iterator[Line]:
    """A line for each rule of *model* whose condition is a bound; bounds that were asked for are kept in the store and hold from the next evaluation on.

    ConfigError where no rule of the model has one, or nothing of the model was seen yet.
    """
    rules = [rule for rule in book.of(model) if budgets.terms_of(rule, book.size) is not None]
    if not rules:
        raise ConfigError([Problem(Place("MODEL"), f"no rule with a bound (above, below) watches {model!r}", "name a model that your rules watch")])
    if store.evaluations.memory(model).evaluated_through is None:
        raise ConfigError([Problem(Place("MODEL"), f"nothing of {model!r} was seen yet", "start watchtower run")])
    child = Child()
    try:
        for rule in rules:
            made = calibrated(store, order_for(store, rule, model, book.size), clock.now(), child)
            asked = auto(rule) is not None
            yield Line(rule, keep(store, made) if asked else made, is_auto=asked)
    finally:
        child.close()
