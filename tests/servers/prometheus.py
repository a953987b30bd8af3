"""A real Prometheus on a free port that scrapes every second (Debian: `apt-get install prometheus`; it brings promtool)."""

import json
import math
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers._require import need

READY_WITHIN = 30.0
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
{jobs}
"""
JOB = "  - {{job_name: {name}, static_configs: [{{targets: ['{target}']}}]}}\n"
Series = tuple[tuple[str, str], ...]


class Prometheus:
    """A running server. *address* is its ``http://127.0.0.1:port``."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], address: str) -> None:
        self.address = address
        self._folder = folder
        self._process = process

    def query(self, expr: str, *, at: float | None = None) -> dict[Series, float]:
        """An instant query: sorted labels (``__name__`` among them) -> value; ValueError with Prometheus' own words where it refuses."""
        asked = {"query": expr} | ({} if at is None else {"time": str(at)})
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in self._ask("query", asked)}

    def query_range(self, expr: str, *, start: float, end: float, step: float = 1.0) -> dict[Series, list[tuple[float, float]]]:
        """A range query: sorted labels -> (time, value), as a panel draws it."""
        asked = {"query": expr, "start": str(start), "end": str(end), "step": str(step)}
        found = self._ask("query_range", asked)
        return {tuple(sorted(each["metric"].items())): [(float(at), float(value)) for at, value in each["values"]] for each in found}

    def value(self, expr: str) -> float:
        """The one number of an instant query, NaN where there is none."""
        found = self.query(expr)
        return next(iter(found.values())) if len(found) == 1 else math.nan

    def wait_for(self, expr: str, holds: Callable[[dict[Series, float]], bool], *, within: float = 15.0) -> dict[Series, float]:
        """Asks until what is found *holds*; TimeoutError with the last answer."""
        until = time.monotonic() + within
        while True:
            found = self.query(expr)
            if holds(found):
                return found
            if time.monotonic() > until:
                msg = f"{expr} was {found} after {within} s"
                raise TimeoutError(msg)
            time.sleep(0.05)

    def _ask(self, what: str, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        address = f"{self.address}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return list(json.load(answer)["data"]["result"])
        except urllib.error.HTTPError as refused:
            raise ValueError(refused.read().decode()) from refused


def promtool() -> str:
    """The path of promtool; the test ends where there is none."""
    return shutil.which("promtool") or need("prometheus", "promtool is not on the PATH (Debian: apt-get install prometheus)")


@contextmanager
def prometheus(targets: Mapping[str, str], *, rules: Path | None = None) -> Iterator[Prometheus]:
    """Scrapes *targets* (job -> host:port) each second; the server and its data are gone at the end. The test ends where there is no Prometheus."""
    program = shutil.which("prometheus") or need("prometheus", "it is not on the PATH (Debian: apt-get install prometheus)")
    folder = Path(tempfile.mkdtemp(prefix="watchtower-prometheus-"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    jobs = "".join(JOB.format(name=name, target=target) for name, target in targets.items())
    (folder / "prometheus.yml").write_text(CONFIG.format(rules=json.dumps([str(rules)] if rules else []), jobs=jobs))
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        running = Prometheus(folder, process, f"http://127.0.0.1:{port}")
        _wait(running.address, process, folder / "log")
        yield running
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/-/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    need("prometheus", f"it did not get ready: {log.read_text(errors='replace')[-500:]}")
