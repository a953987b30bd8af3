"""Settings: all of them, or every problem at once."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.config.folder import RULE, SOURCE, problems, warnings, written
from watchtower.config.reader import read_model, read_settings, store_url
from watchtower.config.settings import StoreSettings
from watchtower.nouns.errors import ConfigError
from watchtower.nouns.settings import FileReference
from watchtower.nouns.written import Frozen
from watchtower.sources.file import File

FIVE = """\
source: {kind: file, path: log.jsonl, formt: {kind: watchtower_json}}
window: {size: 1m, lateness: soon}
models:
  fraud:
    features: {amount: numric}
    rollback:
      target: {kind: directry, path: models}
notifiers:
  ml_oncall: {kind: slak, channel: x}
"""


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    assert problems(written(tmp_path, FIVE, rules=RULE)) == [
        "watchtower.yaml:1:9: 'format' is missing",
        "watchtower.yaml:1:39: unknown key 'formt'; did you mean 'format'?",
        "watchtower.yaml:2:30: lateness: 'soon' is no duration: write a number and a unit, such as 30s, 5m, 1h or 7d",
        "watchtower.yaml:5:24: amount: expected 'numeric', 'categorical', 'text' or 'embedding'; did you mean 'numeric'?",
        (
            "watchtower.yaml:7:22: unknown rollback target kind 'directry'; did you mean 'directory'? "
            "known kinds: command, directory, kubernetes, mlflow, triton, webhook"
        ),
        "watchtower.yaml:9:21: unknown notifier kind 'slak'; did you mean 'slack'? known kinds: log, slack, webhook",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("modles: {}", "2:1: unknown key 'modles'; did you mean 'models'?"),
        ("zzzzz: {}", "2:1: unknown key 'zzzzz'; known keys: "),
        ("models: {fraud: {healthy: [6]}}", "2:28: expected text, not a number; put it in quotes"),
        ("models: {fraud: {reference: {kind: fil, path: x}}}", "2:36: unknown kind 'fil'; known kinds: file, first_windows"),
        ("models: {fraud: {reference: {kind: file, pth: x}}}", "2:42: unknown key 'pth'; did you mean 'path'?"),
        ("models: {fraud: {reference: {path: x}}}", "2:29: reference: 'kind' is missing"),
        ("models: {fraud: {rollback: {target: {kind: directory, path: x}, guards: {at_most: lots}}}}", "2:83: at_most: 'lots': write a number of times"),
        ("models: [fraud]", "2:9: models: expected a mapping, not a list"),
        ("models: {fraud: 3}", "2:17: fraud: expected a mapping, not a number"),
        ("window: {idle: soon}", "2:16: idle: 'soon' is no duration"),
        ("window: {size: 0s}", "2:16: size: expected greater than 0 seconds"),
        ("notifiers: {a: {kind: slack, channel: x}}", "2:16: a: slack needs token or token_file"),
        ("notifiers: {a: {channel: x}}", "2:16: a: 'kind' is missing; known kinds: log, slack, webhook"),
        ("notifiers: {a: slack}", "2:16: a: expected a mapping with kind: one of"),
        ("meters: {kind: nvml}", "2:9: meters: expected a list, not a mapping; write [one, two]"),
        ("server: {max_series: 5}", "2:22: max_series: expected greater than or equal to 100"),
        ("store: {url: watchtower.db}", "2:14: url: the text should match pattern"),
        ("source: {}", "2:1: key 'source' stands twice; it stands at line 1 already"),
        ("sources: []", "2:10: sources: the list should have at least 1 item"),
        ("models: {fraud: {rollback: {target: {kind: directory, path: ''}}}}", "2:61: path: the text should have at least 1 character"),
    ],
)
def test_a_problem_says_what_and_what_instead(tmp_path: Path, line: str, problem: str) -> None:
    found = problems(written(tmp_path, SOURCE + line + "\n"))
    assert any(each.startswith(f"watchtower.yaml:{problem}") for each in found), found


def test_settings_that_are_missing_altogether_are_one_problem(tmp_path: Path) -> None:
    assert "there is no such file; say -c FILE, or write one" in problems(tmp_path / "watchtower.yaml")[0]
    assert problems(written(tmp_path, "")) == ["watchtower.yaml:1:1: the settings are no mapping; begin with sources: and models:"]
    assert problems(written(tmp_path, "rules: rules\n")) == ["watchtower.yaml:1:1: 'sources' is missing"]


def test_relative_paths_are_from_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(
        tmp_path,
        SOURCE
        + """\
models:
  fraud:
    reference: {kind: file, path: "references/{version}.parquet"}
    artifacts: {kind: directory, path: /srv/models}
notifiers: {a: {kind: slack, channel: x, token_file: secrets/slack}}
""",
        fraud=RULE,
    )
    monkeypatch.chdir(tmp_path.parent)
    loaded = read_settings(Path(tmp_path.name) / path.name)
    settings = loaded.settings
    assert isinstance(settings.sources[0], File)
    assert settings.sources[0].path == str(tmp_path / "log.jsonl")
    assert settings.store.url == f"sqlite:///{tmp_path}/watchtower.db"
    assert settings.rules == str(tmp_path / "rules")
    reference = settings.models["fraud"].reference
    assert isinstance(reference, FileReference)
    assert reference.path == f"{tmp_path}/references/{{version}}.parquet"
    assert "/srv/models" in repr(settings.models["fraud"].artifacts)
    assert f"{tmp_path}/secrets/slack" in repr(settings.notifiers["a"])
    assert loaded.path == path


@pytest.mark.parametrize(
    ("written_url", "url"),
    [
        ("sqlite:///state/w.db", "sqlite:///{folder}/state/w.db"),
        ("sqlite:////var/w.db", "sqlite:////var/w.db"),
        ("sqlite://", "sqlite://"),
        ("postgresql+psycopg://me@db/w", "postgresql+psycopg://me@db/w"),
    ],
)
def test_an_sqlite_file_is_from_the_settings_file_too(tmp_path: Path, written_url: str, url: str) -> None:
    path = written(tmp_path, f"{SOURCE}store: {{url: '{written_url}'}}\n", fraud=RULE)
    assert read_settings(path).settings.store.url == url.format(folder=tmp_path)
    assert store_url(path) == url.format(folder=tmp_path)


def test_the_store_is_found_whatever_is_wrong_elsewhere(tmp_path: Path) -> None:
    assert store_url(written(tmp_path, FIVE + "${NOWHERE}: 1\nx: ${NOWHERE}\n")) == f"sqlite:///{tmp_path}/watchtower.db"
    with pytest.raises(ConfigError, match="unknown key 'ulr'; did you mean 'url'"):
        store_url(written(tmp_path, "store: {ulr: x}\n"))
    with pytest.raises(ConfigError, match="no such file"):
        store_url(tmp_path / "none.yaml")


def test_json_settings_are_read_alike(tmp_path: Path) -> None:
    settings = {
        "source": {"kind": "file", "path": "x", "format": {"kind": "watchtower_json"}},
        "window": {"size": "60s"},
        "models": {"fraud": {"healthy": ["6"]}},
    }
    loaded = read_settings(
        written(
            tmp_path,
            json.dumps(settings, indent=1),
            fraud=json.dumps({"rules": [{"name": "A", "model": "*", "when": {"kind": "absent", "measure": "traffic.rate"}}]}, indent=1),
        )
    )
    assert loaded.settings.window.size == timedelta(minutes=1)
    assert [rule.name for rule in loaded.book.rules] == ["A"]


def test_fragments_beside_the_settings_add_models(tmp_path: Path) -> None:
    path = written(tmp_path, SOURCE + "models:\n  fraud: {}\n", fraud=RULE)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.yaml").write_text("credit: {healthy: ['6']}\n")
    (tmp_path / "models" / "b.yaml").write_text("models:\n  churn: {}\n")
    loaded = read_settings(path)
    assert sorted(loaded.settings.models) == ["churn", "credit", "fraud"]
    assert loaded.settings.models["credit"].healthy == ("6",)
    assert [file.name for file in loaded.files()] == ["watchtower.yaml", "a.yaml", "b.yaml", "fraud.yaml"]


def test_problems_in_fragments_have_the_fragments_place(tmp_path: Path) -> None:
    path = written(tmp_path, SOURCE + "models:\n  fraud: {}\n", fraud=RULE)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.yaml").write_text("credit: {helthy: ['6']}\nfraud: {}\n")
    (tmp_path / "models" / "b.yaml").write_text("- churn\n")
    assert problems(path) == [
        "models/a.yaml:1:10: unknown key 'helthy'; did you mean 'healthy'?",
        "models/a.yaml:2:1: model 'fraud' stands twice; it stands at watchtower.yaml:3:3 already",
        "models/b.yaml:1:1: a file of models is a mapping; write the model's name, and its settings below",
    ]


def test_fragments_alone_are_models_too(tmp_path: Path) -> None:
    path = written(tmp_path, SOURCE, fraud=RULE)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.yaml").write_text("fraud: {}\n")
    assert list(read_settings(path).settings.models) == ["fraud"]


def test_a_variable_of_the_environment_stands_for_any_string(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "127.0.0.1:0")
    monkeypatch.setenv("MOST", "1234")
    server = read_settings(written(tmp_path, SOURCE + "server:\n  listen: ${WHERE}\n  max_series: ${MOST}\n", fraud=RULE)).settings.server
    assert (server.listen, server.max_series) == ("127.0.0.1:0", 1234)


def test_a_secret_shows_in_no_error_and_no_repr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "xoxb-hidden")
    fine = written(tmp_path, SOURCE + 'notifiers: {a: {kind: slack, channel: x, token: "${TOKEN}"}}\n', fraud=RULE)
    assert "hidden" not in repr(read_settings(fine))
    wrong = written(tmp_path, SOURCE + 'notifiers: {a: {kind: slack, channel: x, token: "${TOKEN}", token_file: x, colour: "${TOKEN}"}}\n')
    assert not [each for each in problems(wrong) if "hidden" in each]


def test_rules_that_are_named_but_missing_are_a_problem(tmp_path: Path) -> None:
    assert problems(written(tmp_path, SOURCE + "rules: rulez\n")) == ["watchtower.yaml:2:8: there is no file or folder rulez; make it, or leave rules: out"]
    (tmp_path / "rules").rmdir()
    (tmp_path / "watchtower.yaml").write_text(SOURCE)
    assert [each for each in warnings(tmp_path / "watchtower.yaml") if "there are no rules" in each]


def test_any_model_can_be_read_with_places(tmp_path: Path) -> None:
    class Thing(Frozen):
        size: int
        store: StoreSettings = StoreSettings()

    (tmp_path / "thing.yaml").write_text("size: 3\nstore: {url: 'sqlite:///x.db'}\n")
    assert read_model(tmp_path / "thing.yaml", Thing).store.url == f"sqlite:///{tmp_path}/x.db"
    (tmp_path / "thing.yaml").write_text("siz: 3\n")
    with pytest.raises(ConfigError, match=r"thing.yaml:1:1: unknown key 'siz'; did you mean 'size'"):
        read_model(tmp_path / "thing.yaml", Thing)
