"""A rollback that cannot be weighed is not done: BROKEN with its reason, people told, nothing switched."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.rollback import damaged
from tests.end_to_end.running import Daemon, Json, free_port, listed, watchtower
from watchtower.programs.demo.files import Folder
from watchtower.programs.demo.scene import MODEL

pytestmark = pytest.mark.timeout(120)


def without_an_earlier_version(folder: Folder) -> None:
    """Nobody says that version 1 is healthy, and it has not served for long."""
    _rewrite(folder, 'healthy: ["1"]', "healthy: []")


def with_the_candidate_missing(folder: Folder) -> None:
    """Version 1 has no file."""
    (folder.models / "1" / "model.onnx").unlink()


def with_the_candidate_cut(folder: Folder) -> None:
    """Half of version 1's file is gone, and nothing beside it says how long it was."""
    file = folder.models / "1" / "model.onnx"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (folder.models / "1" / "metadata.json").unlink()


def with_another_digest(folder: Folder) -> None:
    """Version 1's file is not the one that was recorded."""
    (folder.models / "1" / "metadata.json").write_text(json.dumps({"sha256": "0" * 64}))


def with_another_input(folder: Folder) -> None:
    """The models read an applicant's age, which is no longer logged under that name."""
    _rewrite(folder, "age: numeric, ", "")
    folder.log.write_text(folder.log.read_text().replace('"age"', '"years"'))


CASES: list[tuple[Callable[[Folder], None], str]] = [
    (without_an_earlier_version, "no earlier healthy version"),
    (with_the_candidate_missing, "model.onnx"),
    (with_the_candidate_cut, "does not load"),
    (with_another_digest, "sha256"),
    (with_another_input, "age"),
]


def _rewrite(folder: Folder, old: str, new: str) -> None:
    text = folder.settings.read_text()
    assert old in text
    folder.settings.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that a rollback needs, still in one piece."""
    root = tmp_path_factory.mktemp("damaged") / "run"
    damaged(root, free_port())
    return root


@pytest.mark.parametrize(("harm", "says"), CASES, ids=lambda each: each.__name__ if callable(each) else "")
def test_it_is_broken_and_says_why_and_nothing_is_switched(before: Path, tmp_path: Path, harm: Callable[[Folder], None], says: str) -> None:
    root = shutil.copytree(before, tmp_path / "run", symlinks=True)
    harm(Folder(root))
    done = watchtower("replay", "predictions.jsonl", "--trial", "--json", folder=root)
    assert done.returncode == 10, done.stderr
    decided = [line for line in map(json.loads, done.stdout.splitlines()) if line["type"] == "decision"]
    held = [line for line in decided if line["decision"] == "hold"]
    assert [line.get("verdict") for line in held] == ["broken"], decided
    assert says in held[0]["reason"]
    assert "notify" in {line["decision"] for line in decided}
    assert "roll_back" not in {line["decision"] for line in decided}


def test_the_daemon_tells_people_and_leaves_the_target_alone(before: Path, tmp_path: Path) -> None:
    root, port = shutil.copytree(before, tmp_path / "run", symlinks=True), free_port()
    folder = Folder(root)
    with_the_candidate_missing(folder)
    settings = folder.settings.read_text().splitlines()
    folder.settings.write_text("\n".join([*settings[:-1], f'server: {{listen: "127.0.0.1:{port}"}}']) + "\n")
    with Daemon(root, port).start() as daemon:

        def held() -> Json | None:
            plans = [each["plan"] for each in listed(daemon.json("/api/v1/incidents"), "incidents")]
            return next((plan for plan in plans if isinstance(plan, dict) and plan["step"] == "held"), None)

        plan = daemon.wait_until(held, 40, "the plan is held")
        assert (plan["verdict"], plan["live"]) == ("broken", "2")
        assert "model.onnx" in str(plan["reason"])
        daemon.wait_until(lambda: "broken" in daemon.log.read_text(), 10, "people are told")
        assert daemon.stop()[0] == 0
    assert (root / "models" / MODEL / "current").readlink() == Path("2")
