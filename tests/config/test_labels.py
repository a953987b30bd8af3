"""`labels:` as it is written: each kind with its own keys, and what is wrong with them."""

from datetime import timedelta
from pathlib import Path

import pytest

from watchtower.config.reader import read_settings
from watchtower.config.settings import FileLabels, HttpLabels, KafkaLabels, Settings
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.errors import ConfigError

FILE = "source: {kind: file, path: p.jsonl, format: {kind: watchtower_json}}\n"
SECURITY = "{protocol: SASL_SSL, mechanism: PLAIN, username: u, password: p}"
KAFKA = f"source: {{kind: kafka, brokers: [b:1], topic: p, format: {{kind: watchtower_json}}, security: {SECURITY}}}\n"


def read(folder: Path, text: str) -> Settings:
    (folder / "watchtower.yaml").write_text(text)
    return read_settings(folder / "watchtower.yaml").settings


def test_a_file_is_from_the_settings_folder(tmp_path: Path) -> None:
    labels = read(tmp_path, FILE + "labels: {kind: file, path: l.jsonl, wait: 2h, max_rows: 5}\n").labels
    assert isinstance(labels, FileLabels)
    assert (labels.path, labels.wait, labels.max_rows, labels.format) == (str(tmp_path / "l.jsonl"), timedelta(hours=2), 5, WatchtowerJson())


def test_a_topic_takes_brokers_and_security_of_the_predictions_but_not_their_group(tmp_path: Path) -> None:
    labels = read(tmp_path, KAFKA + "labels: {kind: kafka, topic: labels}\n").labels
    assert isinstance(labels, KafkaLabels)
    assert (labels.brokers, labels.topic, labels.group, labels.wait) == (("b:1",), "labels", "watchtower-labels", timedelta(hours=24))
    assert labels.security is not None
    assert labels.security.username == "u"


def test_own_brokers_stay(tmp_path: Path) -> None:
    labels = read(tmp_path, KAFKA + "labels: {kind: kafka, topic: labels, brokers: [c:2]}\n").labels
    assert isinstance(labels, KafkaLabels)
    assert (labels.brokers, labels.security) == (("c:2",), None)


def test_posted_labels_need_nothing_more(tmp_path: Path) -> None:
    labels = read(tmp_path, FILE + "labels: {kind: http, max_rows: 10}\n").labels
    assert labels == HttpLabels(kind="http", max_rows=10)


@pytest.mark.parametrize(
    ("labels", "wrong"),
    [
        ("{kind: fil, path: l}", "2:16: unknown kind 'fil'; known kinds: kafka, file, http"),
        ("{kind: file, path: l, wayt: 1h}", "2:31: unknown key 'wayt'; did you mean 'wait'?"),
        ("{kind: file, path: l, wait: 24x}", "2:37: wait: '24x' is no duration"),
        ("{kind: file}", "'path' is missing"),
        ("{kind: http, path: l}", "unknown key 'path'"),
        ("{kind: kafka, topic: l}", "labels: brokers are missing, and no Kafka source has some"),
        ("{kind: file, path: l, max_rows: 0}", "max_rows: expected greater than or equal to 1"),
        ("{path: l}", "'kind' is missing"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, labels: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"{FILE}labels: {labels}\n")
    assert wrong in str(caught.value)
