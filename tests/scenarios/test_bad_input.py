"""Whatever comes in, the line goes on: what is wrong is counted by reason, kept, and said."""

import hashlib
import json
import re
import signal
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.end_to_end.running import Daemon, Json, counts, free_port, listed, rejected, status, watchtower, write_rules
from tests.servers.kafka import Broker
from tests.servers.slack import Slack, SlackServer

pytestmark = pytest.mark.timeout(120)
BIG = 20_000_000
FILE_SOURCE = "source: {kind: file, path: predictions.jsonl, format: {kind: watchtower_json}}"
KAFKA_SOURCE = """\
source:
  kind: kafka
  brokers: ["{broker}"]
  topic: {topic}
  group: {topic}
  format: {{kind: watchtower_json}}
  dead_letters: {{topic: {topic}.rejected, keep: {keep}}}"""
SETTINGS = """\
{source}
store: {{url: sqlite:///watchtower.db}}
window: {{size: 2s, lateness: 1s}}
models:
  fraud: {{features: {{amount: numeric, country: categorical}}, prediction: {{kind: probability}}, reference: {{kind: first_windows, count: 2}}}}
{more}
server: {{listen: "127.0.0.1:{port}"}}
"""
SLOW = "{name: SlowAnswers, model: '*', when: {kind: above, measure: latency.p99, value: 1.0}}"


def prepared(folder: Path, source: str = FILE_SOURCE, more: str = "") -> Daemon:
    """Settings with one rule, and the daemon that would use them."""
    port = free_port()
    (folder / "watchtower.yaml").write_text(SETTINGS.format(source=source, more=more, port=port))
    write_rules(folder, [SLOW])
    return Daemon(folder, port)


def good(moment: datetime, **other: object) -> Json:
    """One sound prediction."""
    message: Json = {
        "model": "fraud",
        "version": "7",
        "time": moment.isoformat(),
        "features": {"amount": 12.5, "country": "DE"},
        "prediction": 0.25,
        "latency_ms": 5.0,
    }
    return message | other


def line(message: Json) -> bytes:
    """As it is logged."""
    return json.dumps(message).encode()


def bad_messages(now: datetime) -> list[tuple[bytes | None, str]]:
    """Messages that are no prediction, and the reason that the contract gives."""
    rows: Json = {"rows": 3, "features": {"amount": [1, 2, 3]}, "prediction": [0.1, 0.2, 0.3]}
    without = {key: value for key, value in good(now).items() if key not in {"features", "prediction"}}
    return [
        (b"\xff\xfe\x00 prediction", "not_json"),
        (line(good(now))[:60], "not_json"),
        (line(good(now)) * 2, "not_json"),
        (line([good(now)]), "not_json"),  # type: ignore[arg-type]
        (b'"a text"', "not_json"),
        (None, "empty"),
        (b"[" * 20_000 + b"]" * 20_000, "too_deep"),
        (b'{"model": "fraud", "features": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}", "too_deep"),
        (line({key: value for key, value in good(now).items() if key != "model"}), "missing_field"),
        (line(without), "missing_field"),
        (line(good(now, model=7)), "bad_type"),
        (line(good(now, features="amount=3")), "bad_type"),
        (line(good(now, latency_ms="fast")), "bad_type"),
        (line(good(now, rows="many")), "bad_type"),
        (line(good(now, **rows | {"rows": 0})), "rows_out_of_range"),
        (line(good(now, **rows | {"rows": 100_001})), "rows_out_of_range"),
        (line(good(now, **rows | {"features": {"amount": [1, 2]}})), "unequal_lengths"),
        (line(good(now, **rows | {"prediction": [0.1, 0.2]})), "unequal_lengths"),
        (line(good(now, time="yesterday")), "bad_time"),
        (line(good(now, time=[1, 2])), "bad_time"),
        (line(good(now + timedelta(hours=1))), "time_in_future"),
        (line(good(now, time=9e12)), "time_in_future"),
        (line(good(now, model="fraud\x07")), "bad_name"),
        (line(good(now, version="v" * 201)), "bad_name"),
        (line(good(now, padding="x" * BIG)), "too_large"),
    ]


def odd_messages(now: datetime) -> list[bytes]:
    """Messages that look wrong and count: what is wrong stands inside a feature or a prediction."""
    return [
        line(good(now, features={"amount": float("nan"), "country": "DE"})),
        line(good(now, features={"amount": float("inf"), "country": 7})),
        line(good(now, features={"amount": "twelve", "country": ["DE"]})),
        line(good(now, prediction=float("-inf"))),
        line(good(now, prediction=None)),
        line(good(now, prediction={"wrong": "type"})),
        line(good(now, features={})),
        line(good(now, unknown_key=[1, {"a": 2}])),
        line(good(now, version=7)),
        line(good(now, time=now.timestamp())),
    ]


# ------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("keep", ["digest", "raw"])
def test_every_bad_message_is_counted_by_reason_kept_as_a_dead_letter_and_stops_nothing(kafka_broker: Broker, tmp_path: Path, keep: str) -> None:
    topic = f"bad-{uuid.uuid4().hex[:8]}"
    kafka_broker.create(topic, 2, max_message_bytes="30000000")
    kafka_broker.create(f"{topic}.rejected", 1)
    now = datetime.now(UTC) - timedelta(seconds=1)
    bad, odd = bad_messages(now), odd_messages(now)
    sent = _send(kafka_broker, topic, now, [value for value, _ in bad], odd)
    with prepared(tmp_path, KAFKA_SOURCE.format(broker=kafka_broker.address, topic=topic, keep=keep)).start() as daemon:
        daemon.wait_until(lambda: _total(daemon) == len(bad) + 2 * len(odd), 30, "everything was counted")
        assert rejected(daemon.json("/api/v1/status")) == Counter(reason for _, reason in bad)
        letters = daemon.wait_until(lambda: _letters(kafka_broker, f"{topic}.rejected", len(bad)), 20, "every dead letter was sent")
        assert daemon.stop()[0] == 0
    for (value, reason), (partition, offset) in zip(bad, sent, strict=True):
        letter = letters[f"{topic}/{partition}/{offset}"]
        assert (letter["reason"], letter["topic"], letter["partition"], letter["offset"]) == (reason, topic, partition, offset)
        assert letter["sha256"] == (None if value is None else hashlib.sha256(value).hexdigest())
        assert letter["size"] == len(value or b"")
        assert ("original" in letter) == (keep == "raw" and value is not None and len(value) < BIG)
    assert counts(status(tmp_path)) == {("fraud", "7"): (2 * len(odd), 0)}


def _send(broker: Broker, topic: str, now: datetime, bad: list[bytes | None], odd: list[bytes]) -> list[tuple[int, int]]:
    """Bad messages among others, over both partitions; where each bad one is."""
    producer = KafkaProducer(bootstrap_servers=broker.address, max_request_size=30_000_000)
    at = int(now.timestamp() * 1000)
    for value in odd:
        producer.send(topic, value, partition=0, timestamp_ms=at)
    futures = [producer.send(topic, value, key=b"some", partition=number % 2, timestamp_ms=at) for number, value in enumerate(bad)]
    for value in odd:
        producer.send(topic, value, partition=1, timestamp_ms=at)
    found = [(number % 2, int(each.get(30).offset)) for number, each in enumerate(futures)]
    producer.flush(30)
    producer.close()
    return found


def _total(daemon: Daemon) -> int:
    found = daemon.json("/api/v1/status")
    return sum(each for each, _ in counts(found).values()) + sum(rejected(found).values())


def _letters(broker: Broker, topic: str, wanted: int) -> dict[str, Json] | None:
    consumer = KafkaConsumer(
        bootstrap_servers=broker.address, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", max_partition_fetch_bytes=60_000_000
    )
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    found: dict[str, Json] = {}
    end, limit = consumer.end_offsets([place])[place], time.monotonic() + 10
    while consumer.position(place) < end and time.monotonic() < limit:
        for records in consumer.poll(500).values():
            found.update({record.key.decode(): json.loads(record.value) for record in records})
    consumer.close()
    return found if len(found) >= wanted else None


def test_a_replay_counts_what_is_no_prediction_and_reads_on(tmp_path: Path) -> None:
    prepared(tmp_path)
    now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    bad = [value for value, reason in bad_messages(now) if value is not None and reason != "time_in_future"]
    lines = [*odd_messages(now), *bad, *odd_messages(now + timedelta(seconds=2)), line({**good(now), "time": None})]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(each.replace(b"\n", b" ") for each in lines) + b"\n")
    done = watchtower("replay", "log.jsonl", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["predictions"], summary["rejected"], summary["late"]) == (2 * len(odd_messages(now)), len(bad) + 1, 0)


def test_a_first_row_from_long_ago_does_not_stop_the_line(tmp_path: Path) -> None:
    prepared(tmp_path)
    now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    rows = [good(datetime(1970, 1, 2, tzinfo=UTC)), *(good(now + timedelta(milliseconds=20 * number)) for number in range(300))]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(map(line, rows)) + b"\n")
    done = watchtower("replay", "log.jsonl", "--json", folder=tmp_path, limit=60)
    assert json.loads(done.stdout.splitlines()[-1])["predictions"] == 301


def test_a_row_from_the_far_past_counts_as_late(tmp_path: Path) -> None:
    prepared(tmp_path)
    now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    rows = [
        *(good(now + timedelta(milliseconds=20 * number)) for number in range(300)),
        good(datetime(1971, 1, 1, tzinfo=UTC)),
        good(now + timedelta(seconds=6)),
    ]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(map(line, rows)) + b"\n")
    done = watchtower("replay", "log.jsonl", "--json", folder=tmp_path)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["predictions"], summary["late"], summary["rejected"]) == (302, 1, 0)


def test_a_row_far_in_the_future_of_a_file_is_rejected_and_moves_nothing(tmp_path: Path) -> None:
    prepared(tmp_path)
    now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    rows = [good(now + timedelta(milliseconds=20 * number)) for number in range(300)]
    rows.insert(100, good(now + timedelta(days=400)))
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(map(line, rows)) + b"\n")
    summary = json.loads(watchtower("replay", "log.jsonl", "--json", folder=tmp_path).stdout.splitlines()[-1])
    assert (summary["predictions"], summary["late"], summary["rejected"]) == (300, 0, 1)


def test_a_model_that_is_not_listed_is_watched_with_inferred_features(tmp_path: Path) -> None:
    prepared(tmp_path, more='  "*": {reference: {kind: first_windows, count: 2}}')
    write_rules(tmp_path, ["{name: Drift, model: '*', when: {kind: above, measure: drift.psi, feature: '*', value: 0.2}}"])
    now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    rows = [
        good(
            now + timedelta(milliseconds=5 * number),
            model="surprise",
            features={"size": (number * 37 % 100) + (500 if number >= 1600 else 0), "colour": "red" if number % 3 else "blue"},
        )
        for number in range(2400)
    ]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(map(line, rows)) + b"\n")
    done = watchtower("replay", "log.jsonl", "--json", "--scores", folder=tmp_path)
    assert done.returncode == 10, done.stderr
    lines = [json.loads(each) for each in done.stdout.splitlines()]
    scored = {each["subject"] for each in lines if each["type"] == "score" and each["model"] == "surprise" and each["value"] is not None}
    fired = {each["subject"] for each in lines if each["type"] == "alert" and each["state"] == "firing"}
    assert (scored, fired) == ({"size", "colour"}, {"size"})


# ------------------------------------------------------------------------------------------------- settings and rules

WRONG_SETTINGS = """\
source: {kind: file, path: predictions.jsonl, format: {kind: watchtower_jsn}}
window: {size: 1 minute}
models:
  fraud: {features: {amount: number}}
"""
WRONG_RULES = """\
rules:
  - name: Drift
    model: fraud
    when: {kind: abov, measure: drift.psi, value: 0.2}
  - name: Slow
    model: fraud
    when: {kind: above, measure: latency.p99, value: 1.0}
    hodl: 3 windows
"""


def test_five_mistakes_are_five_messages_with_their_places_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "watchtower.yaml").write_text(WRONG_SETTINGS)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "fraud.yaml").write_text(WRONG_RULES)
    wanted = ["watchtower.yaml:1:", "watchtower.yaml:2:", "watchtower.yaml:4:", "rules/fraud.yaml:4:", "rules/fraud.yaml:8:"]
    for command in ("check", "run"):
        done = watchtower(command, folder=tmp_path)
        assert done.returncode == 1
        said = re.findall(r"^(\S+?:\d+:)(\d+): \S", done.stderr + done.stdout, re.MULTILINE)
        assert len(said) == len(wanted), done.stderr + done.stdout
        assert all(any(place.endswith(each) for place, _ in said) for each in wanted), said
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "watchtower.db").exists()


def test_status_without_a_store_says_so_and_exits_1(tmp_path: Path) -> None:
    prepared(tmp_path)
    done = watchtower("status", "--json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "watchtower.db" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "watchtower.db").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    prepared(tmp_path)
    done = watchtower("replay", "nowhere.jsonl", folder=tmp_path)
    assert done.returncode == 1
    assert "nowhere.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------------- the process


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_ten_seconds_with_0_and_everything_read_is_stored(tmp_path: Path, sign: signal.Signals) -> None:
    rows = [good(datetime.now(UTC)) for _ in range(1000)]
    (tmp_path / "predictions.jsonl").write_bytes(b"\n".join(map(line, rows)) + b"\n")
    with prepared(tmp_path, more="").start() as daemon:
        daemon.wait_until(lambda: daemon.get("/healthz"), 30, "/healthz answers")
        daemon.wait_ready()
        code, seconds = daemon.stop(sign)
    assert code == 0, daemon.words()
    assert seconds < 10
    assert sum(each for each, _ in counts(status(tmp_path)).values()) in {0, 1000}


def test_a_second_daemon_on_the_same_store_is_refused(tmp_path: Path) -> None:
    with prepared(tmp_path).start() as daemon:
        daemon.wait_ready()
        settings = (tmp_path / "watchtower.yaml").read_text().replace(f":{daemon.port}", f":{free_port()}")
        (tmp_path / "second.yaml").write_text(settings)
        done = watchtower("run", "-c", "second.yaml", folder=tmp_path)
        assert done.returncode == 1
        assert "watchtower.db" in done.stderr
        assert "Traceback" not in done.stderr
        assert daemon.is_ready()


def test_kafka_away_at_the_start_and_later_is_said_and_waited_for(kafka_broker: Broker, tmp_path: Path) -> None:
    """A broker of this test's own, which comes late and goes early; the session's one only shows that there is Kafka."""
    assert kafka_broker.address
    own, topic = Broker(tmp_path), "away"
    try:
        with prepared(tmp_path, KAFKA_SOURCE.format(broker=own.address, topic=topic, keep="digest")).start() as daemon:
            daemon.wait_until(lambda: own.address in (_not_ready(daemon) or ""), 30, "/readyz answers 503 and names the broker")
            assert daemon.get("/healthz") is not None
            own.start()
            own.create(topic, 1)
            _send_good(own, topic, 100)
            daemon.wait_until(lambda: _total(daemon) == 100, 30, "everything was counted once the broker was there")
            daemon.wait_ready(10)
            own.stop()
            daemon.wait_until(lambda: _not_ready(daemon), 30, "/readyz says that the broker went away")
            own.start()
            _send_good(own, topic, 100)
            daemon.wait_until(lambda: _total(daemon) == 200, 30, "it reads on where it was")
            assert daemon.stop()[0] == 0
    finally:
        own.stop()


def _send_good(broker: Broker, topic: str, rows: int) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for _ in range(rows):
        producer.send(topic, line(good(datetime.now(UTC))))
    producer.flush(30)
    producer.close()


def _not_ready(daemon: Daemon) -> str | None:
    answer = daemon.get("/readyz")
    return answer[1] if answer is not None and answer[0] == 503 and json.loads(answer[1]) else None


def test_slack_away_is_kept_and_tried_again_while_the_line_goes_on(tmp_path: Path) -> None:
    (tmp_path / "slack.token").write_text("xoxb-test-token\n")
    port = free_port()
    more = f'notifiers: {{oncall: {{kind: slack, channel: "#ml-oncall", token_file: slack.token, base_url: "http://127.0.0.1:{port}/api/"}}}}'
    log = tmp_path / "predictions.jsonl"
    log.touch()
    with prepared(tmp_path, more=more).start() as daemon:
        daemon.wait_ready()
        _write(log, 50)
        daemon.wait_until(lambda: any(each["state"] == "firing" for each in listed(daemon.json("/api/v1/status"), "alerts")), 30, "the alert fires")
        daemon.wait_until(lambda: _metric(daemon, 'watchtower_notifications_total{notifier="oncall",outcome="failed"}'), 20, "a delivery failed")
        assert _metric(daemon, "watchtower_outbox_depth ") >= 1 or daemon.wait_until(
            lambda: _metric(daemon, "watchtower_outbox_depth "), 10, "the outbox keeps it"
        )
        _write(log, 50)
        daemon.wait_until(lambda: _total(daemon) == 100, 10, "the line goes on")
        with SlackServer(Slack(), port) as server:
            daemon.wait_until(server.slack.messages, 40, "it is told in the end")
            first = server.slack.messages()[0]
            assert (first.method, first.message["channel"]) == ("chat.postMessage", "#ml-oncall")
        assert daemon.stop()[0] == 0


def _write(log: Path, rows: int) -> None:
    """Slow answers of now."""
    with log.open("ab") as file:
        file.write(b"".join(line(good(datetime.now(UTC), latency_ms=5000.0)) + b"\n" for _ in range(rows)))


def _metric(daemon: Daemon, head: str) -> float:
    answer = daemon.get("/metrics")
    found = [each for each in (answer[1] if answer else "").splitlines() if each.startswith(head)]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0.0
