"""Names of measures: which are known, and what stands behind each."""

from collections.abc import Mapping
from difflib import get_close_matches

from pydantic import ValidationError

from watchtower.analyses import Analysis
from watchtower.measures import Measure
from watchtower.nouns.score import MeasureName
from watchtower.statistics import Statistic

AUTO = "auto"
WEIGHTED = MeasureName("drift", "weighted")
_SLOW_FAMILIES = ("importance", "estimated")
_FAMILIES_OF_STATISTICS = ("drift", "prediction")


def known(measure: MeasureName) -> str | None:
    """None where *measure* can be scored; else a sentence that names the nearest one that can."""
    plain = MeasureName(measure.family, measure.name)
    if str(plain) not in names() and not is_open(plain):
        near = get_close_matches(str(plain), names(), 1, cutoff=0.5)
        return f"unknown measure '{measure}'" + (f" (did you mean {near[0]}?)" if near else f"; known families: {', '.join(_families())}")
    if not measure.parameters:
        return None
    if allowed := _parameters_of(measure):
        return _fits(measure, allowed)
    if not (is_statistic(measure) or is_analysis(measure) or is_of_labels(measure)) or measure.name in (AUTO, WEIGHTED.name):
        return f"measure '{plain}' takes no parameters"
    try:
        _ = analysis_of(measure) if is_analysis(measure) else statistic_of(measure)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        member = Analysis.member(measure.name) if is_analysis(measure) else Statistic.member(measure.name)
        fields = ", ".join(member.model_fields) or "none"
        return f"measure '{measure}': {first['loc'][0]}: {first['msg']}; its parameters: {fields}"
    return None


def _parameters_of(measure: MeasureName) -> Mapping[str, tuple[int, ...]]:
    return Measure.member(measure.family).parameters.get(measure.name, {}) if measure.family in Measure.kinds() else {}


def _fits(measure: MeasureName, allowed: Mapping[str, tuple[int, ...]]) -> str | None:
    """What is wrong with the parameters of a measure that takes *allowed* ones."""
    for name, value in measure.parameters:
        if name not in allowed:
            return f"measure '{measure}': it has no parameter {name}; its parameters: {', '.join(allowed)}"
        if value not in allowed[name]:
            return f"measure '{measure}': {name} is one of {', '.join(map(str, allowed[name]))}"
    return None


def names() -> tuple[str, ...]:
    """Every measure that can be scored, without parameters."""
    statistics = [f"{family}.{kind}" for family in _FAMILIES_OF_STATISTICS for kind in Statistic.kinds()]
    slow = [f"drift.{kind}" for kind in Analysis.kinds()]
    statistics += [f"labels.{kind}" for kind in Statistic.kinds()]
    return (*statistics, *slow, f"drift.{AUTO}", str(WEIGHTED), *(f"{family}.{name}" for family in Measure.kinds() for name in Measure.member(family).names))


def _families() -> list[str]:
    return sorted({"drift", *Measure.kinds()})


def is_statistic(measure: MeasureName) -> bool:
    """Whether it compares two profiles, or is made of such comparisons (`drift.weighted`)."""
    return (measure.family == "drift" and not is_analysis(measure)) or (measure.family == "prediction" and measure.name in Statistic.kinds())


def is_of_labels(measure: MeasureName) -> bool:
    """Whether it compares labels and residuals."""
    return measure.family == "labels" and measure.name in Statistic.kinds()


def statistic_of(measure: MeasureName) -> Statistic:
    """The statistic behind *measure*, with its parameters; ValidationError where they are wrong."""
    return Statistic.member(measure.name).model_validate(dict(measure.parameters))


def is_of_model(measure: MeasureName) -> bool:
    """Whether it is the whole model's, told with version ""."""
    return measure.family in Measure.kinds() and (is_open(measure) or measure.name in Measure.member(measure.family).of_model)


def is_open(measure: MeasureName) -> bool:
    """Whether it is of a family whose names settings may add to: `resource.queue_depth` is whatever a meter calls so."""
    return measure.family in Measure.kinds() and Measure.member(measure.family).is_open


def is_analysis(measure: MeasureName) -> bool:
    """Whether it compares rows, in the analysis child."""
    return measure.family == "drift" and measure.name in Analysis.kinds()


def analysis_of(measure: MeasureName) -> Analysis:
    """The analysis behind *measure*, with its parameters; ValidationError where they are wrong."""
    return Analysis.member(measure.name).model_validate(dict(measure.parameters))


def is_slow(measure: MeasureName) -> bool:
    """Whether it needs something of a child process: rows compared, or a version run again."""
    return is_analysis(measure) or measure == WEIGHTED or measure.family in _SLOW_FAMILIES
