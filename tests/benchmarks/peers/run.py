"""`python -m tests.benchmarks.peers.run PEER OUT.json [--windows N] [--case NAME]`: one peer over every case, in the peer's own interpreter.

OUT.json is rewritten after each case, and cases that are in it are not run again. A window is kept as
[alarm on a drifted feature, alarm on another, largest score of the drifted numbers, of the drifted categories, of the other numbers, of the other categories].
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

from tests.benchmarks.detection_cases import BY_NAME, CASES, CATEGORIES, STRETCH, Case, Table, reference, windowed
from tests.benchmarks.peers import Found, Peer

PEERS = {
    "alibi": ("alibi_drift", "AlibiDrift"),
    "evidently": ("evidently_drift", "EvidentlyDrift"),
    "nannyml": ("nannyml_drift", "NannymlDrift"),
    "psi": ("plain_psi", "PlainPsi"),
}
SILENT = {"DO_NOT_TRACK": "1", "EVIDENTLY_DISABLE_TELEMETRY": "1", "NML_DISABLE_USAGE_LOGGING": "1", "NML_DISABLE_USER_ANALYTICS": "1"}
"""Two of them would tell their makers that they are used."""
NONE = -9.0
"""The score where there is no such feature."""
STRETCHES = 3
"""Stretches of 200 windows a peer goes through."""


def windows_of(case: Case, most: int) -> list[int]:
    """Which windows a peer is given: at most *most*, a tenth at 100,000 rows, three at a million; whole stretches where drift is slow."""
    if case.slow:
        return list(range(STRETCHES * STRETCH if most >= 100 else STRETCH))
    return list(range(min(most, 3 if case.rows >= 1_000_000 else 10 if case.rows >= 100_000 else most)))


def kept(found: Mapping[str, Found], drifted: tuple[str, ...]) -> list[float]:
    """One window in short."""

    def largest(*, moved: bool, text: bool) -> float:
        mine = [each.score for name, each in found.items() if (name in drifted) == moved and (name in CATEGORIES) == text and each.score == each.score]
        return float(f"{max(mine):.4g}") if mine else NONE

    hit = any(each.alarm for name, each in found.items() if name in drifted)
    wrong = any(each.alarm for name, each in found.items() if name not in drifted)
    return [int(hit), int(wrong), *(largest(moved=moved, text=text) for moved in (True, False) for text in (False, True))]


def run(peer: Peer, case: Case, windows: list[int]) -> dict[str, object]:
    """Every window of one case; references are fitted once each."""
    order = sorted(windows, key=lambda window: (reference_number(case, window), window))
    found: dict[int, list[float]] = {}
    fitted: object = None
    seconds = time.process_time()
    for window in order:
        number = reference_number(case, window)
        if number != fitted:
            table: Table = reference(case, window)[1]
            peer.fit(table, case.rows)
            fitted = number
        rows, drifted = windowed(case, window)
        found[window] = kept(peer.score(rows), drifted)
    return {"windows": [found[window] for window in windows], "cpu_seconds": round(time.process_time() - seconds, 1)}


def reference_number(case: Case, window: int) -> int:
    """Windows of one number share a reference."""
    return (window // STRETCH if case.slow else window) % 10


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Of Python and *packages*."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def machine() -> str:
    """Processor and cores."""
    described = Path("/proc/cpuinfo")
    names = [text.split(":", 1)[1].strip() for text in described.read_text().splitlines() if text.startswith("model name")] if described.exists() else []
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def write(out: Path, told: dict[str, object]) -> None:
    """A case a line."""
    out.write_text(json.dumps(told).replace("]], ", "]],\n") + "\n")


def main() -> int:
    """Runs what is missing, and writes after each case."""
    parser = argparse.ArgumentParser(description="One peer over every case.")
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("out", type=Path)
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--case", action="append", default=[])
    asked = parser.parse_args()
    os.environ.update(SILENT)
    module, kind = PEERS[asked.peer]
    peer: Peer = getattr(import_module(f"tests.benchmarks.peers.{module}"), kind)()
    told = json.loads(asked.out.read_text()) if asked.out.exists() else {"cases": {}}
    told |= {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), "versions": versions(peer.packages)}
    case = BY_NAME["nulls from 0 to 5 %"]
    told["off_its_report"] = peer.check(reference(case, 0)[1], windowed(case, 0)[0])
    for case in CASES:
        if case.name in told["cases"] or (asked.case and case.name not in asked.case):
            continue
        told["cases"][case.name] = run(peer, case, windows_of(case, asked.windows))
        write(asked.out, told)
        sys.stderr.write(f"{asked.peer} {case.name}: {told['cases'][case.name]['cpu_seconds']} s\n")
    write(asked.out, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
