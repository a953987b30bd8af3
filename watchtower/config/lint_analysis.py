"""What slow scores need that settings lack, so that their rules never fire."""

from collections.abc import Iterator

from watchtower.config.rulebook import Written
from watchtower.config.settings import ModelSettings, Settings
from watchtower.core.naming import WEIGHTED, is_analysis, is_slow
from watchtower.nouns.errors import Problem
from watchtower.nouns.score import MeasureName, matches
from watchtower.nouns.settings import FileReference


def analysis_warnings(written: Written, settings: Settings) -> Iterator[Problem]:
    """All that there is to say of the slow scores of one rule."""
    for condition, keys in written.conditions():
        measure = getattr(condition, "measure", None)
        if not isinstance(measure, MeasureName) or not is_slow(measure):
            continue
        if (is_analysis(measure) or measure.family == "importance") and written.rule.segment:
            what = f"{measure} looks at the live version's whole: rule {written.rule.name!r} never fires for {written.rule.segment}"
            yield Problem(written.place("segment"), what, "leave segment: out")
        for name, model in settings.models.items():
            if matches(written.rule.model, name) or name == "*":
                yield from (Problem(written.place(*keys), what, advice) for what, advice in _lacking(measure, name, model))


def _lacking(measure: MeasureName, name: str, model: ModelSettings) -> Iterator[tuple[str, str]]:
    """What *model* lacks for *measure*, and what to write."""
    if is_analysis(measure):
        return
    if model.artifacts is None and model.shadow.runner.NEEDS_ARTEFACT and not (measure == WEIGHTED and model.importance):
        advice = "say where its artifacts: are" + (", or importance: {feature: weight}" if measure == WEIGHTED else "")
        yield f"{measure} runs versions again, and model {name!r} has no artifacts: it is never had", advice
    if measure.family == "estimated" and not isinstance(model.reference, FileReference):
        yield (
            f"{measure} needs labelled reference rows, and model {name!r} has no reference file",
            "give it reference: {kind: file, path: …} with a column label",
        )
