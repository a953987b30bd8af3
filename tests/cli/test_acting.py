"""freeze, thaw, clear, approve, reject and rollback, as an operator types them."""

import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from tests.end_to_end.running import COMMAND, until
from watchtower.cli.main import main
from watchtower.cli.rollback import _held
from watchtower.config.reader import read_settings
from watchtower.nouns.errors import RollbackError
from watchtower.nouns.step import Step
from watchtower.programs.rollback import by_hand
from watchtower.store import Store

SETTINGS = """
source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}
store: {checkpoint: 200ms}
rules: rules/
window: {size: 1s, lateness: 0s}
incidents: {quiet: 1 window}
server: {listen: "127.0.0.1:0"}
models:
  fraud:
    features: {amount: numeric}
    prediction: {kind: probability}
    reference: {kind: first_windows, count: 2}
    rollback: {target: {kind: directory, path: models}, guards: {cooldown: 1h}}
"""
RULE = "rules:\n  - {name: Failing, model: fraud, when: {kind: above, measure: errors.share, value: 0.5, min_rows: 5}}\n"
Told = tuple[int, str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose target names version 2."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "any.yaml").write_text(RULE)
    (tmp_path / "watchtower.yaml").write_text(SETTINGS)
    (tmp_path / "log.jsonl").touch()
    for version in ("1", "2"):
        (tmp_path / "models" / version).mkdir(parents=True)
    (tmp_path / "models" / "current").symlink_to("2")
    return tmp_path


@pytest.fixture
def serving(folder: Path) -> Iterator[None]:
    """The serving process: ten predictions a tenth of a second, by the version that `current` names."""
    over = threading.Event()

    def serve() -> None:
        with (folder / "log.jsonl").open("a") as log:
            while not over.wait(0.1):
                version = (folder / "models" / "current").readlink().name
                row = {"model": "fraud", "version": version, "time": datetime.now(UTC).isoformat(), "features": {"amount": 1.5}, "prediction": 0.5}
                log.write((json.dumps(row) + "\n") * 10)
                log.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    over.set()
    thread.join(10)


@pytest.fixture
def daemon(folder: Path) -> Iterator[None]:
    with (folder / "run.log").open("w") as log:
        run = subprocess.Popen([*COMMAND, "run", "-c", str(folder / "watchtower.yaml")], stderr=log)
    try:
        yield
    finally:
        run.terminate()
        assert run.wait(15) == 0, (folder / "run.log").read_text()


def call(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Told:
    with pytest.raises(SystemExit) as ended:
        main([*words, "-c", str(folder / "watchtower.yaml")])
    told = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, told.out, told.err


def store(folder: Path) -> Store:
    return Store.open(f"sqlite:///{folder}/watchtower.db", now=lambda: datetime.now(UTC))


def until_live(folder: Path, version: str) -> None:
    limit = time.monotonic() + 30
    opened = store(folder)
    while opened.evaluations.memory("fraud").served.live != version:
        assert time.monotonic() < limit, "the daemon evaluated nothing"
        time.sleep(0.2)
    opened.close()


def test_a_freeze_lasts_is_listed_and_is_thawed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(folder, capsys, "freeze", "fraud", "--reason", "migration", "--for", "2h")
    assert code == 0
    assert out.startswith("fraud is frozen until 2")
    assert "(no daemon runs; the next one finds it)" in out
    assert call(folder, capsys, "freeze")[0] == 0
    listed = json.loads(call(folder, capsys, "status", "--json")[1])["frozen"]
    assert [(each["model"], each["reason"], each["until"] is None) for each in listed] == [(None, "", True), ("fraud", "migration", False)]
    assert "frozen: every model until it is thawed, by " in call(folder, capsys, "status")[1]
    assert call(folder, capsys, "thaw")[1] == "every model is thawed; still frozen: fraud\n"
    assert call(folder, capsys, "thaw", "fraud")[1] == "fraud is thawed\n"
    assert call(folder, capsys, "thaw", "fraud") == (1, "", "fraud was not frozen\n")
    assert call(folder, capsys, "thaw") == (1, "", "there is no freeze of all models\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("freeze", "fraudd"), 1, "no model 'fraudd' is configured, and none was ever read; models: fraud"),
        (("freeze", "--for", "soon"), 64, "is no duration"),
        (("freeze", "--for", "0s"), 64, "is no time at all"),
        (("clear", "fraud"), 64, "write MODEL/VERSION"),
        (("clear", "fraud/2"), 1, "fraud/2 was not rolled back from"),
        (("approve", "i1"), 1, "there is no incident or plan 'i1'; `watchtower incidents` lists them"),
        (("reject", "i1"), 1, "there is no incident or plan 'i1'"),
        (("rollback", "fraud", "--to", "9", "--yes"), 1, "fraud cannot go back to 9: "),
        (("rollback", "churn", "--to", "1", "--yes"), 1, "churn has no rollback target: set models.churn.rollback.target"),
        (("rollback", "fraud", "--to", "1"), 1, "nobody is there to ask: say --yes"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str) -> None:
    found = call(folder, capsys, *words)
    assert found[0] == code
    assert said in found[2].replace("\n", " ")
    assert (folder / "models" / "current").readlink() == Path("2")


def test_where_it_is_already_there_is_nothing_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(folder, capsys, "rollback", "fraud", "--to", "2", "--yes") == (0, "fraud is at 2 already: there is nothing to do\n", "")


def test_a_guard_holds_a_rollback_by_hand_and_that_is_in_the_audit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(folder, capsys, "freeze", "--reason", "migration")
    code, _, err = call(folder, capsys, "rollback", "fraud", "--to", "1", "--yes")
    assert code == 13
    assert err.startswith("held: frozen: ")
    assert (folder / "models" / "current").readlink() == Path("2")
    opened = store(folder)
    (plan,) = opened.audit.rollbacks()
    assert (plan["step"], plan["intact"]) == ("held", True)
    opened.close()


def test_a_dry_run_looks_and_touches_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(folder, capsys, "freeze")
    call(folder, capsys, "thaw")
    code, out, _ = call(folder, capsys, "rollback", "fraud", "--to", "1", "--dry-run", "--json")
    told = json.loads(out)
    assert (code, told["step"], told["from"], told["to"], told["guards"]) == (0, "dry_run", "2", "1", [])
    assert told["rehearsed"]["would_change"] is True
    assert (folder / "models" / "current").readlink() == Path("2")
    opened = store(folder)
    assert opened.audit.rollbacks() == []
    opened.close()


@pytest.mark.usefixtures("serving")
def test_without_a_daemon_the_command_switches_and_follows_the_traffic(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(folder, capsys, "rollback", "fraud", "--to", "1", "--yes", "--reason", "it looks wrong", "--within", "60s")
    assert (code, out) == (0, "rolled back: fraud is at 1, the traffic shows it and nothing fires\n"), err
    assert (folder / "models" / "current").readlink() == Path("1")
    kinds = [line.partition(" ")[2] for line in err.splitlines() if line[:1].isdigit()]
    assert kinds == ["asked", "prepared", "switched", "serving", "all resolved"]
    opened = store(folder)
    memory = opened.evaluations.memory("fraud")
    assert (memory.served.rolled_back_from, len(memory.rollbacks)) == (("2",), 1)
    assert opened.audit.verify().broken is None
    opened.close()
    assert call(folder, capsys, "clear", "fraud/2")[:2] == (0, "fraud/2 may be gone back to again\n")
    code, _, err = call(folder, capsys, "rollback", "fraud", "--to", "2", "--yes")
    assert code == 13
    assert "cooldown: " in err


@pytest.mark.usefixtures("serving", "daemon")
def test_with_a_daemon_the_command_records_and_follows_what_it_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    until_live(folder, "2")
    code, out, err = call(folder, capsys, "rollback", "fraud", "--to", "1", "--yes", "--json", "--within", "60s")
    told = json.loads(out)
    assert (code, told["step"], told["from"], told["to"], told["switched"]) == (0, str(Step.ROLLED_BACK), "2", "1", True), err
    assert (folder / "models" / "current").readlink() == Path("1")


def test_what_was_overtaken_while_a_person_thought_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with by_hand(read_settings(folder / "watchtower.yaml"), "fraud", acting=True) as hand:
        wish = hand.look("1")
        assert not wish.asked.guards
        first = hand.ask(wish)
        held = hand.ask(wish)
        assert (first.step, held.step) == (Step.SWITCHING, Step.HELD)
        with pytest.raises(typer.Exit):
            _held(wish, held, as_json=False)
        assert capsys.readouterr().err.startswith(f"held: one at a time: plan {first.id} of fraud is switching, 1 open plan >= 1")
        (folder / "models" / "current").unlink()
        (folder / "models" / "current").symlink_to("1")
        with pytest.raises(RollbackError, match="fraud is at 1 by now: somebody else switched meanwhile"):
            hand.ask(wish)


@pytest.mark.usefixtures("daemon")
def test_a_daemon_renews_its_lease_while_its_workers_have_nothing_to_write(folder: Path) -> None:
    def expires() -> int:
        with closing(sqlite3.connect(f"file:{folder}/watchtower.db?mode=ro", uri=True)) as store:
            return int(store.execute("SELECT expires_at FROM lease").fetchone()[0])

    until(lambda: (folder / "watchtower.db").exists() and "daemon_started" in (folder / "run.log").read_text(), 30, "it runs")
    seen = {expires()}

    def renewed() -> bool:
        seen.add(expires())
        return len(seen) >= 3

    until(renewed, 12, "it was renewed twice")
