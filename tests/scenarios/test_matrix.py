"""Every row of the scenario matrix through the real daemon: diagnosis, verdict, decision, and what the target names at the end.

Two daemons (one with labels) watch all the models at once, so the incidents are under way at the same time.
"""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.running import Daemon, Json, free_port, listed, write_rules
from tests.scenarios.matrix import HELD, SCENARIOS, SWITCHED, Scenario
from tests.scenarios.world import FEATURES, Service, write_logs

pytestmark = pytest.mark.timeout(400)
SETTINGS = """\
source: {{kind: file, path: predictions.jsonl, format: {{kind: watchtower_json}}}}
{labels}
store: {{url: sqlite:///watchtower.db, checkpoint: 200ms}}
window: {{size: 2s, lateness: 1s, idle: never}}
notifiers: {{terminal: {{kind: log}}}}
server: {{listen: "127.0.0.1:{port}"}}
models:
"""
MODEL = """\
  {name}:
    features: {{{features}}}
    inputs: {{X: [{inputs}]}}
    prediction: {{kind: {kind}{positive}}}
    reference: {{kind: file, path: "references/{name}/{{version}}.parquet"}}
    healthy: {healthy}
    artifacts: {{kind: directory, path: models/{name}}}
    shadow: {{rows: 2048, device: cpu}}
    rollback: {{target: {{kind: directory, path: models/{name}}}, approval: {approval}, verify_within: 1h}}
"""
LABELS = "labels: {kind: file, path: labels.jsonl, wait: 24h}"
WITHIN = 240.0
"""Seconds for all the trials of one daemon on a busy machine."""
Outcomes = dict[str, Json]


def settings(scenario: Scenario) -> str:
    """The model's part of the settings file."""
    return MODEL.format(
        name=scenario.name,
        features=", ".join(f"{name}: numeric" for name in FEATURES),
        inputs=", ".join(FEATURES),
        kind="number" if scenario.number else "probability",
        positive="" if scenario.number else ", positive: 1",
        healthy=json.dumps(list(scenario.healthy)),
        approval="required" if "approval" in scenario.settings else "none",
    )


def rules(scenario: Scenario) -> list[str]:
    """Its rules, each acting."""
    dry = ", dry_run: true" if "dry" in scenario.settings else ""
    return [
        f"{{name: {scenario.name}-{i}, model: {scenario.name}{scenario.version}, when: {when}, over: 2 windows, hold: 2 windows, "
        f"severity: page, respond: {scenario.respond}, notify: [terminal]{dry}{scenario.rest}}}"
        for i, when in enumerate(scenario.rules)
    ]


def made(root: Path, labelled: bool, port: int) -> list[Scenario]:  # noqa: FBT001  which of the two daemons
    """The folder of one daemon."""
    chosen = [each for each in SCENARIOS if each.labelled is labelled]
    services = [Service(root, each.name, number=each.number) for each in chosen]
    for scenario, service in zip(chosen, services, strict=True):
        scenario.make(service)
    write_logs(root, services)
    (root / "watchtower.yaml").write_text(SETTINGS.format(labels=LABELS if labelled else "", port=port) + "".join(map(settings, chosen)))
    write_rules(root, [rule for each in chosen for rule in rules(each)])
    return chosen


def decided(plan: Json | None) -> bool:
    """Whether there is nothing more to come without a person or the traffic."""
    return plan is not None and plan["step"] in {HELD, SWITCHED, "awaiting_approval", "failed", "cancelled", "rolled_back"}


def outcomes(root: Path, labelled: bool) -> Outcomes:  # noqa: FBT001  which of the two daemons
    """Runs the daemon until every plan is decided; model -> its incident, with its decisions."""
    port = free_port()
    chosen = made(root, labelled, port)
    with Daemon(root, port).start() as daemon:
        found: Outcomes = {}

        def incidents() -> Outcomes:
            for incident in listed(daemon.json("/api/v1/incidents"), "incidents"):
                found.setdefault(str(incident["model"]), {}).update(incident)
            return found

        def all_decided() -> bool:
            incidents()
            return all(decided(found.get(each.name, {}).get("plan")) for each in chosen)  # type: ignore[arg-type]

        with suppress(AssertionError):  # each test says what is missing of its own
            daemon.wait_until(all_decided, WITHIN, "every plan is decided")
        daemon.wait_until(lambda: not any(_switching(each) for each in incidents().values()), 60, "nothing is being switched")
        metrics = daemon.get("/metrics")
        assert daemon.stop()[0] == 0
    assert metrics is not None
    for model, decisions in counted(metrics[1]).items():
        found.setdefault(model, {})["decisions"] = decisions
    return found


def counted(metrics: str) -> dict[str, dict[str, int]]:
    """Model -> decision -> how many, as /metrics tells."""
    counts: dict[str, dict[str, int]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples if family.name == "watchtower_decisions" else ():
            if sample.name.endswith("_total") and sample.value:
                counts.setdefault(sample.labels["model"], {})[sample.labels["decision"]] = int(sample.value)
    return counts


def _switching(incident: Json) -> bool:
    plan = incident.get("plan")
    return isinstance(plan, dict) and plan["step"] == "switching"


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcomes]:
    root = tmp_path_factory.mktemp("unlabelled")
    return root, outcomes(root, labelled=False)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcomes]:
    root = tmp_path_factory.mktemp("labelled")
    return root, outcomes(root, labelled=True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_it_is_diagnosed_judged_and_decided_as_the_matrix_says(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    root, found = request.getfixturevalue("labelled" if scenario.labelled else "unlabelled")
    incident = found.get(scenario.name, {})
    plan = incident.get("plan")
    assert isinstance(plan, dict), f"no plan was decided within {WITHIN:g} s"
    assert (plan["verdict"], plan["step"]) == (scenario.verdict, scenario.step), plan["reason"]
    assert plan["diagnosis"] in scenario.diagnosis, plan["reason"]
    assert scenario.says in str(plan["reason"])
    if scenario.step in {SWITCHED, "awaiting_approval"}:
        assert plan["candidate"] == scenario.candidate
    decisions = incident["decisions"]
    assert isinstance(decisions, dict)
    switched = scenario.step == SWITCHED
    assert (decisions.get("begin_trial", 0), decisions.get("roll_back", 0)) == (scenario.trials, int(switched))
    assert set(scenario.decided) <= set(decisions)
    live = str(plan["live"])
    names = (root / "models" / scenario.name / "current").readlink().name
    assert names == (scenario.candidate if switched else live)
