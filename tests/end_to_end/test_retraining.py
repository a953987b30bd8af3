"""A real daemon that asks for a retraining, killed right before and right after the call: the pipeline trains once, and replay asks nobody."""

from pathlib import Path

import pytest

from tests.end_to_end.rollback import damaged
from tests.end_to_end.running import Daemon, free_port, listed, watchtower, write_rules
from tests.end_to_end.test_kills import KILLED
from tests.servers.trainer import SECRET, TrainerServer
from watchtower.edges.points import VARIABLE
from watchtower.programs.demo.scene import MODEL

pytestmark = pytest.mark.timeout(240)
RULE = (
    f"{{name: PredictionDrift, model: {MODEL}, when: {{kind: above, measure: prediction.kolmogorov_smirnov, value: 0.1}}, "
    "hold: 2 windows, grace: 0 windows, respond: [retrain], notify: []}"
)
TOLD = f'watchtower_notifications_total{{notifier="retrain/{MODEL}",outcome="delivered"}}'


def asking(root: Path, port: int, url: str) -> None:
    """The folder of a rollback, in which the rule asks for a retraining instead, and nothing can be switched."""
    damaged(root, port)
    write_rules(root, [RULE])
    settings = root / "watchtower.yaml"
    lines = [line for line in settings.read_text().splitlines() if "rollback:" not in line and "notifiers:" not in line]
    lines.insert(lines.index(f"  {MODEL}:") + 1, f"    retrain: {{kind: webhook, url: '{url}', secret: {SECRET}}}")
    settings.write_text("\n".join(lines) + "\n")


def metric(daemon: Daemon, name: str) -> str | None:
    """The number behind *name*, where it is shown."""
    shown = (daemon.get("/metrics") or (0, ""))[1].splitlines()
    return next((line.removeprefix(name).strip() for line in shown if line.startswith(name)), None)


def test_killed_around_the_call_it_asks_again_under_the_same_key_and_is_trained_once(tmp_path: Path) -> None:
    root, port = tmp_path / "run", free_port()
    with TrainerServer() as pipeline, Daemon(root, port) as daemon:
        asking(root, port, pipeline.url)
        assert watchtower("check", "--connect", folder=root).stdout.count(f"retrain of {MODEL}") == 1
        assert f"{MODEL} -> retrain PredictionDrift[] fires" in watchtower("replay", "predictions.jsonl", folder=root).stdout
        for point, calls in (("outbox.before_call", 0), ("outbox.after_call", 1)):
            daemon.start({VARIABLE: point})
            assert daemon.died(90) == KILLED, daemon.words()
            assert len(pipeline.posts) == calls
        daemon.start()
        daemon.wait_until(lambda: metric(daemon, TOLD) == "1.0", 60, "the retraining was told")
        (told,) = (each for each in listed(daemon.json("/api/v1/incidents"), "incidents") if each["model"] == MODEL)
        answer = daemon.get(f"/api/v1/incidents/{told['id']}")
        assert daemon.stop()[0] == 0
    assert pipeline.keys() == [told["id"], told["id"]]
    assert len({raw for _, raw in pipeline.posts}) == 1
    assert list(pipeline.trained) == [told["id"]]
    body = pipeline.bodies()[0]
    assert (body["model"], body["live"], body["reasons"]) == (MODEL, "2", ["PredictionDrift[] fires"])
    assert [(alert["rule"], alert["version"]) for alert in body["alerts"]] == [("PredictionDrift", "2")]
    assert body["alerts"][0]["value"] > 0.1
    assert body["features"]
    assert body["reference"]["id"]
    assert answer is not None
    assert answer[0] == 200
    assert "retraining is asked for: PredictionDrift[] fires" in answer[1]
