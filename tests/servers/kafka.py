"""A real Kafka broker: KRaft, one node, on free ports; from KAFKA_HOME, WATCHTOWER_KAFKA_LIBS, or Maven's artefacts.

Also a process: `python -m tests.servers.kafka`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "kafka"
VERSION = "4.1.0"
READY_WITHIN = 60.0
POM = f"""\
<project><modelVersion>4.0.0</modelVersion>
<groupId>watchtower</groupId><artifactId>test-kafka</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency></dependencies>
</project>
"""
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/logs
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.ms=-1
file.delete.delay.ms=100
message.max.bytes=30000000
replica.fetch.max.bytes=30000000
"""


class NoKafkaError(RuntimeError):
    """Kafka or what it needs is not here."""


def libraries() -> Path:
    """The folder with Kafka's jars, fetched by Maven once where there is no other; NoKafkaError says why there is none."""
    if shutil.which("java") is None:
        msg = "no java on the PATH"
        raise NoKafkaError(msg)
    known = [Path(os.environ.get("KAFKA_HOME", "/nowhere"), "libs"), Path(os.environ.get("WATCHTOWER_KAFKA_LIBS", "/nowhere")), CACHE / VERSION]
    for folder in known:
        if any(folder.glob("kafka_2*.jar")):
            return folder
    return _fetched()


def _fetched() -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        msg = "neither KAFKA_HOME nor mvn is here"
        raise NoKafkaError(msg)
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "pom.xml").write_text(POM)
    part = CACHE / f"part-{uuid.uuid4().hex}"
    command = [maven, "-q", "-B", "-f", str(CACHE / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={part}", "-DincludeScope=runtime"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        shutil.rmtree(part, ignore_errors=True)
        msg = f"mvn could not fetch Kafka: {done.stdout[-500:]}{done.stderr[-500:]}"
        raise NoKafkaError(msg)
    if not (CACHE / VERSION).exists():
        part.rename(CACHE / VERSION)
    return CACHE / VERSION


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Broker:
    """One node; `start` and `stop` may alternate, on the same port and with the same topics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._libs = libraries()
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = folder / "server.properties"
        self._settings.write_text(PROPERTIES.format(port=self.port, controller=free_port(), folder=folder))
        self._java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(self._settings)).wait(READY_WITHIN)

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "broker.log").open("ab") as log:
            options = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4"]
            command = ["java", *options, "-cp", f"{self._libs}/*", *arguments]
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)

    def start(self) -> None:
        """Returns when the broker answers; NoKafkaError with its last words where it does not."""
        self._process = self._java("kafka.Kafka", str(self._settings))
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        words = (self.folder / "broker.log").read_text(errors="replace")[-1500:]
        self.stop()
        msg = f"the broker did not get ready: {words}"
        raise NoKafkaError(msg)

    def _answers(self) -> bool:
        """Whether the controller is there too: a topic listing needs it."""
        from kafka.admin import KafkaAdminClient
        from kafka.errors import KafkaError

        class Admin(KafkaAdminClient):  # type: ignore[misc]  # a package without types
            """Leaves neither sockets nor a thread behind where it cannot connect."""

            def __init__(self, address: str) -> None:
                try:
                    super().__init__(bootstrap_servers=address, request_timeout_ms=2000, bootstrap_timeout_ms=2000)
                except BaseException:
                    self._client.close()
                    self._net.stop()
                    raise

        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
                pass
            admin = Admin(self.address)
        except (OSError, KafkaError):
            return False
        try:
            admin.list_topics()
        except KafkaError:
            return False
        finally:
            admin.close()
        return True

    def stop(self) -> None:
        """Kills the broker; its topics stay."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def create(self, topic: str, partitions: int = 1, **configs: str) -> str:
        """Creates *topic* and gives its name."""
        from kafka.admin import KafkaAdminClient, NewTopic

        admin = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            admin.create_topics([NewTopic(topic, partitions, 1, topic_configs={key.replace("_", "."): value for key, value in configs.items()})])
        finally:
            admin.close()
        return topic

    def delete(self, topic: str) -> None:
        """Deletes *topic*."""
        from kafka.admin import KafkaAdminClient

        admin = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            admin.delete_topics([topic])
        finally:
            admin.close()


@contextmanager
def broker() -> Iterator[Broker]:
    """A running broker in a folder of its own; both are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="watchtower-kafka-"))
    running: Broker | None = None
    try:
        running = Broker(folder)
        running.start()
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Prints the address and stays until interrupted."""
    with broker() as running:
        print(running.address, flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.pause()


if __name__ == "__main__":
    main()
