"""The manifests for delivery controllers: their fields are those of the CRDs, and what they ask is answered as they read it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.web.test_judgement_api import QUIET, alert, asked
from watchtower.config.rulebook import read_rules
from watchtower.nouns.alert import AlertState
from watchtower.nouns.memory import Memory

DEPLOY = Path(__file__).parents[2] / "deploy"
Plain = Mapping[str, object]
METRIC = {
    *("name", "interval", "initialDelay", "count", "successCondition", "failureCondition", "failureLimit", "inconclusiveLimit"),
    *("consecutiveErrorLimit", "consecutiveSuccessLimit", "provider"),
}
WEB = {"method", "url", "headers", "body", "jsonBody", "timeoutSeconds", "jsonPath", "insecure", "authentication"}
WEBHOOK = {"name", "type", "url", "timeout", "metadata", "retries", "disableTLS", "muteAlert"}
HOOKS = {"confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion", "post-rollout", "event", "rollback"}
"""Fields of AnalysisTemplate (Argo Rollouts 1.8) and Canary (Flagger 1.x) that these manifests may use."""


def documents(file: str) -> list[Plain]:
    return list(yaml.safe_load_all((DEPLOY / file).read_text(encoding="utf-8")))


def metrics() -> Iterator[Plain]:
    for each in documents("argo-rollouts/watchtower.yaml"):
        if each["kind"] == "AnalysisTemplate":
            yield from cast("list[Plain]", cast("Plain", each["spec"])["metrics"])


def hooks() -> list[Plain]:
    (canary,) = documents("flagger/canary.yaml")
    return cast("list[Plain]", cast("Plain", cast("Plain", canary["spec"])["analysis"])["webhooks"])


def test_the_fields_are_those_that_the_crds_have() -> None:
    assert [each["apiVersion"] for each in documents("argo-rollouts/watchtower.yaml")] == ["argoproj.io/v1alpha1"] * 3
    for metric in metrics():
        web = cast("Plain", cast("Plain", metric["provider"])["web"])
        assert set(metric) <= METRIC
        assert set(web) <= WEB
    assert documents("flagger/canary.yaml")[0]["apiVersion"] == "flagger.app/v1beta1"
    for hook in hooks():
        assert set(hook) <= WEBHOOK
        assert hook["type"] in HOOKS
        assert all(isinstance(value, str) for value in cast("Plain", hook["metadata"]).values()), "Flagger's metadata are texts"


def test_the_rollout_names_templates_and_arguments_that_are_there() -> None:
    *templates, rollout = documents("argo-rollouts/watchtower.yaml")
    args = {cast("Plain", each["metadata"])["name"]: {arg["name"] for arg in cast("Plain", each["spec"])["args"]} for each in templates}  # type: ignore[attr-defined]
    canary = cast("Plain", cast("Plain", cast("Plain", rollout["spec"])["strategy"])["canary"])
    used = [canary["analysis"], *(step["analysis"] for step in cast("list[Plain]", canary["steps"]) if "analysis" in step)]
    for analysis in cast("list[Mapping[str, list[Mapping[str, str]]]]", used):
        (template,) = analysis["templates"]
        assert {each["name"] for each in analysis["args"]} <= args[template["templateName"]]


def phase(metric: Plain, result: float) -> str:
    """As Argo Rollouts evaluates a measurement: both conditions, neither is inconclusive."""
    said = {name: _holds(str(metric[name]), result) for name in ("successCondition", "failureCondition")}
    return "failed" if said["failureCondition"] else "successful" if said["successCondition"] else "inconclusive"


def _holds(condition: str, result: float) -> bool:
    found = re.fullmatch(r"result (==|<|>=) (-?\d+)", condition)
    assert found is not None, condition
    bound = float(found[2])
    return {"==": result == bound, "<": result < bound, ">=": result >= bound}[found[1]]


PAGED = replace(QUIET, alerts=(alert(AlertState.FIRING, "page"),))
PENDING = replace(QUIET, alerts=(alert(AlertState.PENDING),))


@pytest.mark.parametrize(
    ("memory", "gate", "watch"),
    [(QUIET, "successful", "successful"), (PENDING, "inconclusive", "successful"), (None, "inconclusive", "successful"), (PAGED, "failed", "failed")],
)
def test_argo_reads_an_answer_as_it_is_meant(memory: Memory | None, gate: str, watch: str) -> None:
    with asked(memory) as client:
        found = []
        for metric in metrics():
            web = cast("Plain", cast("Plain", metric["provider"])["web"])
            assert web["jsonPath"] == "{$.value}"
            path = str(web["url"]).replace("{{args.address}}", "").replace("{{args.model}}", "fraud").replace("{{args.version}}", "8")
            answer = client.get(path)
            assert answer.status_code == httpx.codes.OK
            found.append(phase(metric, answer.json()["value"]))
    assert found == [gate, watch]


@pytest.mark.parametrize(
    ("memory", "goes_on", "goes_back"),
    [(QUIET, True, False), (PENDING, False, False), (None, False, False), (PAGED, False, True)],
)
def test_flagger_reads_an_answer_as_it_is_meant(memory: Memory | None, goes_on: bool, goes_back: bool) -> None:  # noqa: FBT001  pytest calls it so
    with asked(memory, rows=50_000) as client:
        for hook in hooks():
            payload = {"name": "fraud", "namespace": "ml", "phase": "Progressing", "checksum": "1", "metadata": hook["metadata"]}
            status = client.post(urlsplit(str(hook["url"])).path, json=payload).status_code
            assert (status <= httpx.codes.ACCEPTED) == (goes_back if hook["type"] == "rollback" else goes_on), hook["name"]


def test_the_rule_for_canaries_on_the_page_is_accepted(tmp_path: Path) -> None:
    page = (DEPLOY.parent / "docs" / "delivery.md").read_text(encoding="utf-8")
    (tmp_path / "canaries.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    (rule,) = read_rules([tmp_path], timedelta(minutes=1)).rules
    assert (rule.name, rule.version, rule.severity) == ("CanaryDrift", "*", "page")
