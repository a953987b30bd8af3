"""What rules and `rollback:` together show: canaries that nothing can abort, and alerts that cannot resolve in their time."""

from collections.abc import Iterator

from watchtower.config.document import Document
from watchtower.config.lint_names import EVERY
from watchtower.config.rulebook import Written
from watchtower.config.settings import Settings
from watchtower.core import wording
from watchtower.core.opening import LEAST_WINDOWS
from watchtower.nouns.errors import Problem
from watchtower.nouns.score import matches


def rollback_warnings(document: Document, written: Written, settings: Settings) -> Iterator[Problem]:
    """Of one rule that responds with a rollback, for each model that it watches."""
    rule, size = written.rule, settings.window.size
    if "rollback" not in rule.respond:
        return
    for name, model in settings.models.items():
        if model.rollback is None or not (matches(rule.model, name) or name == EVERY):
            continue
        if rule.version is not None and not model.rollback.target.aborts_canaries:
            kind = model.rollback.target.kind_name()
            what = f"target {kind} of {name!r} cannot take a canary's traffic away: of a version that is not live, abort is only told"
            yield Problem(written.place("version"), what, "let the delivery controller ask the judgement API")
        within = model.rollback.resolve_within
        windows = [LEAST_WINDOWS if need.over.rows else need.over.windows for need in rule.needs(size)]
        needed = (max(windows, default=1) + rule.keep_firing.in_windows(size)) * size
        if within is not None and within < needed:
            given = f"resolve_within gives them {wording.span(within)}"
            what = f"alerts of {rule.name!r} need {wording.span(needed)} to resolve, and {given}: each rollback would end failed"
            yield Problem(document.place(("models", name, "rollback", "resolve_within")), what, f"say at least {wording.span(needed).replace(' ', '')}")
