"""The scenarios, a model each: what went wrong, and what is to be concluded and done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tests.scenarios.world import ALIKE, DAMAGED, GOOD, TRUTH, WORSE, Floats, Net, Service, everything, nulls, probability

ANSWERS = "{kind: above, measure: prediction.kolmogorov_smirnov, value: 0.1}"
UNLIKE_BEFORE = "{kind: above, measure: prediction.kolmogorov_smirnov, relative_to: previous_version, value: 0.1}"
INPUTS = "{kind: above, measure: drift.psi, feature: '*', value: 0.2}"
ACCURACY = "{kind: below, measure: performance.accuracy, value: 0.72}"
NEVER_GOOD_ENOUGH = "{kind: below, measure: performance.accuracy, value: 0.999}"
DISTANCE = "{kind: above, measure: performance.mae, value: 0.8}"
LATENCY = "{kind: above, measure: latency.p50, value: 0.05}"
EMPTY = "{kind: above, measure: quality.missing_share, feature: '*', value: 0.1}"
LOST = "{kind: above, measure: prediction.psi, value: 0.2}"
UNTIL_SILENT = ", no_data: resolve"
SWITCHED, HELD, WAITING = "verifying", "held", "awaiting_approval"


@dataclass(frozen=True)
class Scenario:
    """One model's story: *make* writes it, *rules* watch it, the rest is what must come of it.

    *labelled*: it runs in the daemon that labels are configured for. *settings*: `dry` or `approval`. *rest*: further keys of its rules.
    *trials*: how many begin, where earlier versions are tried too before the one of the story. *decided*: what else is decided, at least once.
    """

    name: str
    make: Callable[[Service], None]
    verdict: str | None
    diagnosis: Sequence[str]
    step: str
    says: str = ""
    candidate: str | None = "1"
    rules: Sequence[str] = (ANSWERS,)
    labelled: bool = False
    settings: Sequence[str] = ()
    healthy: Sequence[str] = ("1",)
    respond: str = "[rollback]"
    version: str = ""
    number: bool = False
    rest: str = ""
    trials: int = 1
    decided: Sequence[str] = field(default_factory=tuple)


def damaged_weights(service: Service) -> None:
    """The new version's weights are damaged; reference rows of its own are labelled."""
    service.place("1", GOOD)
    service.place("2", DAMAGED, meant=ALIKE)
    service.serve(10, "1")
    service.serve(24, "2")


def wrong_preprocessing(service: Service) -> None:
    """The service feeds the model something else than it logs; the artefact is fine."""
    service.place("1", GOOD)
    service.place("2", ALIKE)
    service.serve(10, "1")
    service.serve(24, "2", served=lambda x: x * np.array([-1, 1, 1, 0.2]) + 1)


def drifted(x: Floats) -> Floats:
    """Everybody's amount and age move."""
    return np.asarray(x + np.array([1.2, -0.9, 0, 0]), dtype=np.float64)


def inputs_drift(service: Service) -> None:
    """Other people come, and every version suffers alike."""
    service.place("1", GOOD)
    service.place("2", ALIKE)
    service.serve(8, "1")
    service.serve(8, "2")
    service.serve(18, "2", shift=drifted)


def meaning_changes(service: Service) -> None:
    """The same people come, and what a label means is another thing."""

    def turned(x: Floats) -> Floats:
        return (service.rng.random(len(x)) < probability(x * np.array([-1, 1, 1, -0.4]))).astype(np.float64)

    service.place("1", GOOD)
    service.place("2", ALIKE)
    service.serve(5, "1", labelled=everything)
    service.serve(6, "2", labelled=everything)
    service.serve(23, "2", truth=turned, labelled=everything)


def slower(service: Service) -> None:
    """The new version says the same and takes much longer."""
    service.place("1", GOOD, labels=False)
    service.place("2", replace(GOOD, slow=6), labels=False)
    service.serve(10, "1")
    service.serve(24, "2", latency=120)


def slower_but_nobody_asked(service: Service) -> None:
    """The same, but what fired is not a rule on latency: inputs drifted."""
    service.place("1", GOOD, labels=False)
    service.place("2", replace(GOOD, slow=6), labels=False)
    service.serve(8, "1")
    service.serve(8, "2", latency=120)
    service.serve(18, "2", latency=120, shift=drifted)


def saturated_device(service: Service) -> None:
    """Others fill the device: what is slow is not the version."""
    service.place("1", GOOD, labels=False)
    service.place("2", ALIKE, labels=False)
    service.serve(10, "1")
    service.serve(24, "2", latency=120)


def not_a_number(service: Service) -> None:
    """A weight of the new version is no number: every answer is missing."""
    service.place("1", GOOD, labels=False)
    service.place("2", Net(TRUTH * np.array([np.nan, 1, 1, 1])), labels=False, meant=ALIKE)
    service.serve(10, "1")
    service.serve(24, "2")


def always_the_same(service: Service) -> None:
    """The new version says the same to everybody."""
    service.place("1", GOOD, labels=False)
    service.place("2", Net(TRUTH * 0, 0.3), labels=False, meant=ALIKE)
    service.serve(10, "1")
    service.serve(24, "2")


def upstream_sends_nothing(service: Service) -> None:
    """Two features come empty in four of ten rows."""
    service.place("1", GOOD)
    service.place("2", ALIKE)
    service.serve(8, "1")
    service.serve(8, "2")
    service.serve(18, "2", shift=nulls(0.4, 0, 3))


def candidate_worse(service: Service) -> None:
    """Version 2 answers otherwise than version 1 did, because it is better."""
    service.place("1", WORSE)
    service.place("2", GOOD)
    service.serve(10, "1")
    service.serve(24, "2")


def candidate_cut(service: Service) -> None:
    """Half of version 1's file is gone."""
    damaged_weights(service)
    file = service.models / "1" / "model.onnx"
    file.write_bytes(file.read_bytes()[:100])


def live_missing(service: Service) -> None:
    """Version 2's own file is gone."""
    damaged_weights(service)
    (service.models / "2" / "model.onnx").unlink()


def little_traffic(service: Service) -> None:
    """Four labelled rows a window cannot tell a small difference, and at last the rule is content."""
    service.place("1", GOOD, labels=False)
    service.place("2", replace(ALIKE, bias=0.6), labels=False)
    service.serve(14, "2", labelled=everything, rows=24)
    service.serve(20, "2", rows=24)


def canary_is_worse(service: Service) -> None:
    """A fifth of the traffic goes to a damaged version."""
    service.place("2", DAMAGED, meant=ALIKE)
    service.place("1", GOOD)
    service.serve(10, "1", rows=600)
    service.serve(24, {"1": 0.7, "2": 0.3}, rows=600)


def equal_versions(service: Service) -> None:
    """Nothing is wrong with version 2 but that a rule asks too much."""
    service.place("1", GOOD, labels=False)
    service.place("2", GOOD, labels=False)
    service.serve(5, "1", labelled=everything)
    service.serve(29, "2", labelled=everything)


def flapping(service: Service) -> None:
    """Inputs drift every few windows and come back: the rule flaps, its incident stays one, going back would not help."""
    service.place("1", GOOD)
    service.place("2", ALIKE)
    service.serve(5, "1")
    service.serve(5, "2")
    for _ in range(3):
        service.serve(5, "2", shift=drifted)
        service.serve(3, "2")


def newest_is_bad_too(service: Service) -> None:
    """Two versions may be gone back to, and the newer one has the same damage."""
    service.place("1", GOOD)
    service.place("2", replace(DAMAGED, bias=0.55), meant=ALIKE)
    service.place("3", DAMAGED, meant=ALIKE)
    service.serve(4, "1")
    service.serve(4, "2")
    service.serve(26, "3")


def number_with_labels(service: Service) -> None:
    """A model of a number, damaged; labels of live rows say so."""
    service.place("1", Net(TRUTH, number=True), labels=False)
    service.place("2", Net(TRUTH * np.array([0.1, 1, 1, 0.3]), number=True), labels=False)
    service.serve(6, "1", labelled=everything)
    service.serve(28, "2", labelled=everything)


def labels_are_selected(service: Service) -> None:
    """Only rows to which version 2 said yes get a label: no evidence about the others."""

    def said_yes(_labels: Floats, answers: Floats) -> NDArray[np.bool_]:
        return np.asarray(answers > 0.5, dtype=np.bool_)

    service.place("1", GOOD, labels=False)
    service.place("2", replace(GOOD, bias=1.2), labels=False)
    service.serve(5, "1", labelled=said_yes)
    service.serve(17, "2", labelled=said_yes)
    service.serve(12, "2")


def no_two_answers_alike(service: Service) -> None:
    """Version 2 draws lots: what it said cannot be had again."""
    service.place("1", GOOD)
    service.place("2", replace(DAMAGED, noise=0.5), meant=ALIKE)
    service.serve(10, "1")
    service.serve(24, "2")


def only_a_dry_run(service: Service) -> None:
    """The rule is on trial itself: it tells and never acts."""
    damaged_weights(service)


def wanted_by_hand(service: Service) -> None:
    """Somebody must approve."""
    damaged_weights(service)


SCENARIOS = (
    Scenario("damaged-weights", damaged_weights, "accept", ["model_regression"], SWITCHED, "candidate error"),
    Scenario("wrong-preprocessing", wrong_preprocessing, "broken", ["serving_skew"], HELD, "serving and artefact differ"),
    Scenario(
        "inputs-drift",
        inputs_drift,
        "reject",
        ["data_drift"],
        HELD,
        "going back would not help",
        rules=(INPUTS,),
        respond="[rollback, retrain]",
        decided=("retrain",),
    ),
    Scenario("meaning-changes", meaning_changes, "reject", ["concept_drift"], HELD, "going back would not help", rules=(ACCURACY,), labelled=True),
    Scenario("slower", slower, "accept", ["infrastructure"], SWITCHED, "times as long", rules=(LATENCY,)),
    Scenario("slower-but-nobody-asked", slower_but_nobody_asked, "reject", ["data_drift"], HELD, "going back would not help", rules=(INPUTS,)),
    Scenario("saturated-device", saturated_device, "reject", ["infrastructure"], HELD, "going back would not help", rules=(LATENCY,)),
    Scenario("not-a-number", not_a_number, "accept", ["model_regression"], SWITCHED, "invalid outputs", rules=(ANSWERS, LOST)),
    Scenario("always-the-same", always_the_same, "accept", ["model_regression"], SWITCHED, "invalid outputs"),
    Scenario("upstream-sends-nothing", upstream_sends_nothing, "reject", ["upstream_data_quality"], HELD, "missing in", rules=(EMPTY, INPUTS)),
    Scenario("candidate-worse", candidate_worse, "reject", ["model_regression"], HELD, "going back would not help", rules=(UNLIKE_BEFORE,)),
    Scenario("candidate-cut", candidate_cut, "broken", ["unknown"], HELD, "does not load"),
    Scenario("live-missing", live_missing, "broken", ["unknown"], HELD, "model.onnx"),
    Scenario("no-candidate", damaged_weights, "broken", ["unknown"], HELD, "no earlier healthy version", candidate=None, healthy=()),
    Scenario(
        "little-traffic", little_traffic, "inconclusive", ["unknown"], HELD, "labelled rows", rules=(NEVER_GOOD_ENOUGH,), labelled=True, rest=UNTIL_SILENT
    ),
    Scenario("equal-versions", equal_versions, "reject", ["unknown", "concept_drift"], HELD, "not lower", rules=(NEVER_GOOD_ENOUGH,), labelled=True, trials=2),
    Scenario("flapping", flapping, "reject", ["data_drift"], HELD, "going back would not help", rules=(INPUTS,)),
    Scenario("newest-is-bad-too", newest_is_bad_too, "accept", ["model_regression"], SWITCHED, "candidate error", healthy=("1", "2"), trials=2),
    Scenario("number-with-labels", number_with_labels, "accept", ["model_regression"], SWITCHED, "n=", rules=(DISTANCE,), labelled=True, number=True),
    Scenario(
        "labels-are-selected",
        labels_are_selected,
        "inconclusive",
        ["unknown"],
        WAITING,
        "selection",
        rules=(NEVER_GOOD_ENOUGH,),
        labelled=True,
        trials=2,
        rest=UNTIL_SILENT,
    ),
    Scenario("no-two-answers-alike", no_two_answers_alike, "broken", ["serving_skew", "unknown"], HELD, "differ"),
    Scenario("only-a-dry-run", only_a_dry_run, "accept", ["model_regression"], HELD, "dry run", settings=("dry",)),
    Scenario("wanted-by-hand", wanted_by_hand, "accept", ["model_regression"], WAITING, "approval", settings=("approval",)),
)
