"""What is allowed and yet likely not meant, and what only settings and rules together show."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from watchtower.config.document import Document
from watchtower.config.lint_analysis import analysis_warnings
from watchtower.config.lint_comparisons import comparison_warnings
from watchtower.config.lint_conditions import condition_warnings
from watchtower.config.lint_inputs import input_warnings
from watchtower.config.lint_names import EVERY, name_warnings
from watchtower.config.lint_retrain import trainer_warnings, unasked_trainers
from watchtower.config.lint_rollbacks import rollback_warnings
from watchtower.config.lint_targets import races, target_warnings
from watchtower.config.rulebook import Gathered, Written
from watchtower.config.settings import ModelSettings, Settings
from watchtower.nouns.batch import FeatureType
from watchtower.nouns.errors import Problem
from watchtower.nouns.score import MeasureName, matches


@dataclass(frozen=True, slots=True)
class Findings:
    """*errors* keep it from starting; *warnings* are told."""

    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def check(document: Document, settings: Settings, rules: Gathered) -> Findings:
    """All that there is to say about *settings*, which *document* holds, and *rules*."""
    errors = [problem for name, model in settings.models.items() if model.rollback for problem in races(document, name, model.rollback)]
    warnings = [*_rules_left_out(document, settings, rules)]
    for name, model in settings.models.items():
        warnings += [*_health(document, name, model), *_segments(document, name, model)]
        warnings += [*target_warnings(document, name, model), *input_warnings(document, name, model)]
        warnings += unasked_trainers(document, name, model, rules.written)
    for written in rules.written:
        warnings += [*condition_warnings(written, settings.window.size), *analysis_warnings(written, settings)]
        warnings += [*comparison_warnings(written, settings.store.retention.windows), *name_warnings(written, settings)]
        warnings += [*_shares(written), *_unwatched(written, settings), *_cannot_respond(written, settings), *_unmetered(written, settings)]
        warnings += [*trainer_warnings(written, settings), *rollback_warnings(document, written, settings)]
    return Findings(tuple(errors), tuple(warnings))


def _rules_left_out(document: Document, settings: Settings, rules: Gathered) -> Iterator[Problem]:
    if not rules.written:
        place = document.place(("rules",)) if "rules" in settings.model_fields_set else document.place(())
        yield Problem(place, "there are no rules, so nothing will ever fire", f"write one into {settings.rules}")


def _health(document: Document, name: str, model: ModelSettings) -> Iterator[Problem]:
    for index, version in enumerate(model.healthy):
        if version in model.unhealthy:
            yield Problem(document.place(("models", name, "healthy", index)), f"version {version!r} is listed healthy and unhealthy", "unhealthy holds")


def _segments(document: Document, name: str, model: ModelSettings) -> Iterator[Problem]:
    for index, segment in enumerate(model.segments):
        feature = model.features.get(segment)
        if model.features and (feature is None or feature.type is not FeatureType.CATEGORICAL):
            what = f"segment {segment!r} is no categorical feature of {name!r}"
            yield Problem(document.place(("models", name, "segments", index)), what, f"list it under features: as {segment}: categorical")


def _shares(written: Written) -> Iterator[Problem]:
    for condition, keys in written.conditions():
        fields = type(condition).model_fields
        measure = getattr(condition, "measure", None)
        share = isinstance(measure, MeasureName) and (measure.family == "quality" or (measure.family, measure.name) == ("errors", "share"))
        plain = getattr(condition, "relative_to", "reference") == "reference"
        if share and plain and "min_rows" in fields and condition.kind_name() != "absent" and getattr(condition, "min_rows", None) is None:
            yield Problem(written.place(*keys), f"{measure} has no p-value: a few rows can fire rule {written.rule.name!r}", "say min_rows:, such as 200")


def _unmetered(written: Written, settings: Settings) -> Iterator[Problem]:
    """A rule on a measure that no meter reads never fires."""
    read = frozenset().union(*(meter.resources() for meter in settings.meters))
    read |= {"resource.memory_slope"} if "resource.memory_used" in read else frozenset()
    for condition, keys in written.conditions():
        measure = getattr(condition, "measure", None)
        if isinstance(measure, MeasureName) and measure.family == "resource" and str(measure) not in read:
            near = get_close_matches(str(measure), sorted(read), 1)
            advice = f"did you mean {near[0]}?" if near else "say under meters: {kind: prometheus, queries: …} what it is"
            yield Problem(written.place(*keys), f"no meter reads {measure}: rule {written.rule.name!r} never fires", advice)


def _unwatched(written: Written, settings: Settings) -> Iterator[Problem]:
    if settings.models and EVERY not in settings.models and not any(matches(written.rule.model, name) for name in settings.models):
        yield Problem(written.place("model"), f"no configured model matches {written.rule.model!r}", f"models: {', '.join(sorted(settings.models))}")


def _cannot_respond(written: Written, settings: Settings) -> Iterator[Problem]:
    """A rule that asks for what the settings of a model that it watches do not allow."""
    asked = [each for each in written.rule.respond if each != "retrain"]
    for name, model in settings.models.items():
        if not asked or not (matches(written.rule.model, name) or name == EVERY):
            continue
        if model.artifacts is None and model.shadow.runner.NEEDS_ARTEFACT:
            yield Problem(written.place("respond"), f"model {name!r} has no artifacts: no version can be re-run", f"say models: {name}: artifacts:")
        if "rollback" in asked and model.rollback is None:
            yield Problem(written.place("respond"), f"model {name!r} has no rollback target: nothing can be switched", f"say models: {name}: rollback: target:")
