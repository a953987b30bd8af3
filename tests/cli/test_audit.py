"""`watchtower audit`: shows the record, hands an incident's out, and exits 1 where it was changed."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.workers._acting import at, begin
from watchtower.cli.main import main
from watchtower.nouns.provenance import Act
from watchtower.store import Store

INCIDENT, PLAN = "fraud-i1", "fraud-p1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, and a store in which a trial began."""
    (tmp_path / "watchtower.yaml").write_text("source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}\n")
    store = Store.open(f"sqlite:///{tmp_path}/watchtower.db", now=lambda: at(0))
    begin(store)
    store.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def forge(folder: Path) -> None:
    with sqlite3.connect(folder / "watchtower.db") as raw:
        raw.execute("DROP TRIGGER facts_no_update")
        raw.execute('UPDATE facts SET body = CAST(replace(CAST(body AS TEXT), \'"live":"2"\', \'"live":"3"\') AS BLOB)')


def test_a_plan_and_its_incident_show_the_same_facts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.is_dir()
    told = []
    for name in (INCIDENT, PLAN):
        assert run("audit", name, "--json") == 0
        told.append(json.loads(capsys.readouterr().out)["plans"])
    assert told[0] == told[1]
    assert [(plan["id"], plan["intact"], [each["fact"]["kind"] for each in plan["facts"]]) for plan in told[0]] == [(PLAN, True, ["fired"])]
    assert run("audit", INCIDENT) == 0
    shown = capsys.readouterr().out
    assert "candidates 1; 0" in shown
    assert "again" not in shown  # an empty list is not named
    assert run("audit") == 0
    assert PLAN in capsys.readouterr().out


def test_what_people_did_beside_plans_stands_with_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(f"sqlite:///{folder}/watchtower.db", now=lambda: at(0))
    for model in ("fraud", "", "credit"):
        store.audit.act(Act("freeze", model, "ann", "cli host-1", (("reason", "month's end"),)), at(1))
    store.close()
    assert run("audit", INCIDENT, "--json") == 0
    assert [each["model"] for each in json.loads(capsys.readouterr().out)["acts"]] == ["fraud", ""]
    assert run("audit", INCIDENT) == 0
    assert "by ann · origin cli host-1 · reason month's end" in " ".join(capsys.readouterr().out.split())


def test_verify_exits_1_and_names_plan_and_seq(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", "verify") == 0
    head = capsys.readouterr().out.split()[-1]
    assert run("audit", "verify", "--head", head) == 0
    forge(folder)
    assert run("audit", "verify") == 1
    assert f"plan {PLAN}, seq 1" in capsys.readouterr().err
    assert run("audit", "verify", "--json") == 1
    assert json.loads(capsys.readouterr().out)["broken"].startswith(f"plan {PLAN}, seq 1")


def test_an_exported_incident_verifies_without_the_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "i1.json"
    assert run("audit", INCIDENT, "--export", str(out)) == 0
    (folder / "watchtower.db").unlink()
    assert run("audit", "verify", str(out)) == 0
    out.write_text(out.read_text().replace('\\"live\\":\\"2\\"', '\\"live\\":\\"3\\"'))
    assert run("audit", "verify", str(out)) == 1
    assert f"plan {PLAN}, seq 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("audit", "nobody"), 1, "no incident and no plan nobody"),
        (("audit", "nobody", "--export", "x.json"), 1, "no incident and no plan nobody"),
        (("audit", "verify", "missing.json"), 1, "cannot be checked"),
        (("audit", "verify", "watchtower.yaml"), 1, "cannot be checked"),
        (("audit", "--export", "x.json"), 64, "say which incident"),
        (("audit", INCIDENT, "x.json"), 64, "a file goes with verify"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str) -> None:
    assert folder.is_dir()
    assert run(*words) == code
    assert said in capsys.readouterr().err
