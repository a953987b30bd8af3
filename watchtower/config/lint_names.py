"""Names in rules that no model has: such a rule never finds anything, and never says so."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from watchtower.config.rulebook import Written
from watchtower.config.settings import ModelSettings, Settings
from watchtower.nouns.errors import Problem
from watchtower.nouns.score import MeasureName, matches

EVERY = "*"
_OF_FEATURES = frozenset({"drift", "quality"})
_SIGNS = frozenset("*?[")


def name_warnings(written: Written, settings: Settings) -> Iterator[Problem]:
    """A segment of no column that a watched model has, and a feature that none declares."""
    watched = [model for name, model in settings.models.items() if name == EVERY or matches(written.rule.model, name)]
    if watched:
        yield from _segment(written, watched)
        yield from _features(written, watched)


def _segment(written: Written, watched: Sequence[ModelSettings]) -> Iterator[Problem]:
    asked = written.rule.segment
    columns = sorted({column for model in watched for column in model.segments})
    if asked and not any(fnmatchcase(column, asked.partition("=")[0]) for column in columns):
        advice = f"segments are by: {', '.join(columns)}" if columns else "say models: NAME: segments: [COLUMN]"
        yield Problem(written.place("segment"), f"no model that rule {written.rule.name!r} watches has segments {asked!r}: it never fires", advice)


def _features(written: Written, watched: Sequence[ModelSettings]) -> Iterator[Problem]:
    """Only where every watched model declares its features: else rows may bring others."""
    if not all(model.features for model in watched):
        return
    declared = sorted({name for model in watched for name in model.features or {}})
    for condition, keys in written.conditions():
        measure, feature = getattr(condition, "measure", None), getattr(condition, "feature", None)
        if not isinstance(measure, MeasureName) or measure.family not in _OF_FEATURES or not feature or _SIGNS & set(feature):
            continue
        if not any(feature == name or feature.startswith(f"{name}.") for name in declared):
            near = get_close_matches(feature, declared, 1)
            what = f"no model that rule {written.rule.name!r} watches has a feature {feature!r}"
            yield Problem(written.place(*keys, "feature"), what, f"did you mean {near[0]}?" if near else f"features: {', '.join(declared)}")
