"""Rules that ask for a retraining, and models that say who is told: one without the other comes to nothing."""

from collections.abc import Iterator, Sequence

from watchtower.config.document import Document
from watchtower.config.lint_names import EVERY
from watchtower.config.rulebook import Written
from watchtower.config.settings import ModelSettings, Settings
from watchtower.core.rules import Rule
from watchtower.nouns.errors import Problem
from watchtower.nouns.score import matches


def trainer_warnings(written: Written, settings: Settings) -> Iterator[Problem]:
    """A rule that asks for a retraining of models that nobody trains."""
    if "retrain" not in written.rule.respond:
        return
    watched = {name: model for name, model in settings.models.items() if _watches(written.rule, name)}
    for name in [name for name, model in watched.items() if model.retrain is None] if watched else [EVERY]:
        what = f"model {name!r} has no retrain: nobody is told that rule {written.rule.name!r} asks for it"
        yield Problem(written.place("respond"), what, f"say models: {name}: retrain: {{kind: webhook, url: …}}")


def unasked_trainers(document: Document, name: str, model: ModelSettings, rules: Sequence[Written]) -> Iterator[Problem]:
    """A trainer whom no rule asks; dry runs never do."""
    if model.retrain is None or any("retrain" in each.rule.respond and not each.rule.dry_run and _watches(each.rule, name) for each in rules):
        return
    yield Problem(document.place(("models", name, "retrain")), f"no rule asks for a retraining of {name!r}", "say respond: [retrain] in one")


def _watches(rule: Rule, name: str) -> bool:
    return name == EVERY or matches(rule.model, name)
