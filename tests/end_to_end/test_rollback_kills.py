"""kill -9 around a rollback of the real daemon: it is switched exactly once, seen where it happens, and the record is whole."""

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.rollback import damaged
from tests.end_to_end.running import Daemon, free_port, listed, watchtower
from tests.end_to_end.test_kills import KILLED, Far
from watchtower.edges.points import VARIABLE
from watchtower.programs.demo.scene import MODEL

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def on_trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose daemon was killed before the first verdict was committed."""
    root, port = tmp_path_factory.mktemp("trial") / "run", free_port()
    damaged(root, port)
    with Daemon(root, port) as daemon:
        daemon.start({VARIABLE: "plan.before_commit.judged"})
        assert daemon.died(90) == KILLED, daemon.words()
    return root


def copied(before: Path, tmp_path: Path) -> Daemon:
    """The same moment again, on another port."""
    root, port = tmp_path / "run", free_port()
    shutil.copytree(before, root, symlinks=True)
    settings = root / "watchtower.yaml"
    settings.write_text("\n".join([*settings.read_text().splitlines()[:-1], f'server: {{listen: "127.0.0.1:{port}"}}']) + "\n")
    return Daemon(root, port)


def newest(daemon: Daemon) -> dict[str, object]:
    found = listed(daemon.json("/api/v1/rollbacks"), "rollbacks")
    return found[0] if found else {}


def audited(daemon: Daemon, *words: str) -> dict[str, object]:
    """What `audit … --json` says, which must exit 0."""
    done = watchtower("audit", *words, "--json", folder=daemon.folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_killed_at_each_step_in_turn_it_is_switched_once_and_the_record_is_whole(on_trial: Path, tmp_path: Path) -> None:
    daemon = copied(on_trial, tmp_path)
    points = ("plan.after_commit.judged", "switch.after_state", "switch.confirmed", "switch.after_call")
    with Far(daemon.folder / "models" / MODEL) as far, daemon:
        for point in points:
            daemon.start({VARIABLE: point})
            assert daemon.died(60) == KILLED, daemon.words()
        daemon.start()
        daemon.wait_until(lambda: newest(daemon).get("step") == "verifying", 60, "the plan waits for the traffic")
        plan = newest(daemon)
        assert (plan["live"], plan["candidate"], plan["intact"]) == ("2", "1", True)
        incident = daemon.json(f"/api/v1/incidents/{plan['incident']}")
        assert daemon.stop()[0] == 0
    assert far.seen == ["1"]
    assert incident is not None
    (told,) = listed(incident, "audit")
    facts = [each["fact"] for each in listed(told, "facts")]
    assert [each["kind"] for each in facts] == ["fired", "judged", "prepared", "switched"]  # type: ignore[index]
    (rule,) = facts[0]["provenance"]["rules"]  # type: ignore[index]
    assert (rule["name"], rule["file"], rule["line"]) == ("PredictionDrift", "rules/rules.yaml", 2)
    assert rule["text"].startswith("- {name: PredictionDrift, model: credit, when: {kind: above")
    assert audited(daemon, "verify")["intact"] is True
    bundle = tmp_path / "incident.json"
    assert watchtower("audit", str(plan["incident"]), "--export", str(bundle), folder=daemon.folder).returncode == 0
    shutil.rmtree(daemon.folder)
    assert watchtower("audit", "verify", str(bundle), folder=tmp_path).returncode == 0


def test_a_running_daemon_drills_and_tells_a_deployment_that_nobody_announced(tmp_path: Path) -> None:
    root, port = tmp_path / "run", free_port()
    damaged(root, port)
    (root / "rules" / "rules.yaml").write_text("rules: []\n")
    with Daemon(root, port) as daemon:
        daemon.start().wait_ready()
        daemon.wait_until(lambda: f'watchtower_rollback_ready{{model="{MODEL}"}} 1.0' in (daemon.get("/metrics") or (0, ""))[1], 60, "a drill was done")
        (drill,) = listed(daemon.json("/api/v1/status"), "drills")
        assert (drill["live"], drill["candidate"], drill["reasons"]) == ("2", "1", [])
        served = [(each["version"], each["how"]) for each in listed(daemon.json("/api/v1/versions"), "versions")]
        assert served == [("2", "person"), ("1", "first")]
        (told,) = listed(daemon.json("/api/v1/incidents"), "incidents")
        assert (told["model"], told["state"]) == ("watchtower", "closed")
        judgement = daemon.json(f"/api/v1/judgements/{MODEL}") or {}
        assert (judgement["version"], judgement["judgement"]) == ("2", "hold")
        assert daemon.stop()[0] == 0
