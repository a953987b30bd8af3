"""How soon people know: from the broker's append time of the event that closes a window to the receipt at Slack, in another process."""

import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kafka import KafkaProducer

from tests.benchmarks.figures import Figure, median, note, say, spread, table
from tests.end_to_end.running import ROOT, Daemon, environment, free_port, write_rules
from tests.servers.kafka import Broker
from tests.servers.slack import TOKEN

LIMIT, WAIT = 1.0, 20.0
SIZE, LATENESS, ROWS = 10, 1, 300
"""Seconds of a window and of lateness; rows a window."""
SETTINGS = """\
source: {{kind: kafka, brokers: ["{broker}"], topic: {topic}, group: {topic}, format: {{kind: watchtower_json}}}}
store: {{url: sqlite:///watchtower.db, checkpoint: 1s}}
window: {{size: {size}s, lateness: {lateness}s, idle: never}}
models:
  fraud: {{features: {{amount: numeric}}, prediction: {{kind: probability}}, reference: {{kind: first_windows, count: 2}}}}
notifiers: {{oncall: {{kind: slack, channel: "#ml-oncall", token_file: slack.token, base_url: "{slack}"}}}}
incidents: {{quiet: 1000 windows}}
server: {{listen: "127.0.0.1:{port}"}}
"""
RULE = "{name: Errors, model: fraud, when: {kind: above, measure: errors.share, value: 0.5}}"
Receipts = queue.Queue[float]


def measure(folder: Path, broker: Broker, windows: int) -> list[Figure]:
    """Every window changes the alert, firing or resolved, so every window is told."""
    note(f"delay: {windows} windows")
    topic = broker.create(f"bench-{uuid.uuid4().hex[:8]}", 1, message_timestamp_type="LogAppendTime")
    folder.mkdir(parents=True)
    (folder / "slack.token").write_text(TOKEN)
    with _slack() as (url, receipts):
        port = free_port()
        (folder / "watchtower.yaml").write_text(SETTINGS.format(broker=broker.address, topic=topic, size=SIZE, lateness=LATENESS, slack=url, port=port))
        write_rules(folder, [RULE])
        with Daemon(folder, port).start() as daemon:
            daemon.wait_ready()
            delays = _windows(broker, topic, receipts, windows)
            daemon.stop()
    say("\n### From the append of the event that closes a window to Slack's receipt\n")
    say(table(["windows", "seconds: median (each)", "largest"], [[len(delays), spread(delays, ".3f"), f"{max(delays):.3f}"]]))
    return [Figure("append of the closing event to Slack's receipt", f"under {LIMIT:g} s at the median", f"{median(delays):.3f} s", median(delays) < LIMIT)]


def _windows(broker: Broker, topic: str, receipts: Receipts, windows: int) -> list[float]:
    producer = KafkaProducer(bootstrap_servers=broker.address, linger_ms=0)
    start = (int(time.time()) - 3600) // SIZE * SIZE
    delays = []
    for number in range(windows + 1):
        begin = start + number * SIZE
        status = "timeout" if number % 2 == 0 else "ok"
        for row in range(ROWS):
            producer.send(topic, _row(begin + (SIZE - 2) * row / ROWS + 1.5, status))
        producer.flush(30)
        threading.Event().wait(0.2 + 0.13 * (number % 8))
        other = "ok" if number % 2 == 0 else "timeout"
        appended = producer.send(topic, _row(begin + SIZE + LATENESS + 0.001, other)).get(30).timestamp / 1000
        receipt = receipts.get(timeout=WAIT)
        if number:
            delays.append(receipt - appended)
    producer.close()
    return delays


def _row(moment: float, status: str) -> bytes:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"model": "fraud", "version": "1", "time": text, "features": {"amount": moment % 7}, "prediction": moment % 1, "status": status}).encode()


@contextmanager
def _slack() -> Iterator[tuple[str, Receipts]]:
    """The stub in a process of its own: its address, and when each post had arrived."""
    process = subprocess.Popen([sys.executable, "-m", "tests.servers.slack"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    receipts: Receipts = queue.Queue()
    assert process.stdout is not None
    url = str(json.loads(process.stdout.readline())["listening"])

    def listen(lines: Iterator[str]) -> None:
        for line in lines:
            call = json.loads(line)
            if call["method"] == "chat.postMessage" and not call["error"]:
                receipts.put(float(call["at"]))

    listener = threading.Thread(target=listen, args=(process.stdout,), daemon=True)
    listener.start()
    try:
        yield url, receipts
    finally:
        process.terminate()
        process.wait(10)
        listener.join(10)
        process.stdout.close()
