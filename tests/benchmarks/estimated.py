"""Performance estimated without labels beside what it turned out to be, under covariate shift; ours and NannyML's CBPE on the same scores.

``python -m tests.benchmarks.estimated --nannyml PYTHON`` runs the peer under a Python that has NannyML and keeps its answers in
`peers/nannyml_estimated.json`; without, the kept answers are shown, as long as they are of the same scores.
"""

import argparse
import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.calibrating import calibrate
from watchtower.measures.estimated import Estimated
from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Floats, Ints, NumberColumn, PredictionKind
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.score import View
from watchtower.nouns.settings import Watched

WINDOWS, ROWS, REFERENCE = 50, 2_000, 10_000
METRICS = ("accuracy", "f1", "roc_auc")
KEPT = Path(__file__).parent / "peers" / "nannyml_estimated.json"
PEER = Path(__file__).parent / "peers" / "nannyml_estimated.py"
_KIND = PredictionKind.PROBABILITY

SHIFTS: Mapping[str, Callable[[Floats], Floats]] = {
    "none": lambda x: x,
    "what matters most by 0.5 sd": lambda x: x + np.array([0.5, 0, 0]),
    "what matters most by 1 sd": lambda x: x + np.array([1.0, 0, 0]),
    "spread halved": lambda x: x * 0.5,
    "spread doubled": lambda x: x * 2.0,
    "two features against each other": lambda x: x + np.array([0.7, -0.7, 0]),
}
"""What becomes of the inputs; the truth of an input stays as it was."""


def truth(x: Floats) -> Floats:
    """P(y | x)."""
    return np.asarray(1 / (1 + np.exp(-(1.2 * x[:, 0] - 0.8 * x[:, 1] + 0.5 * x[:, 0] * x[:, 1] - 0.8))), dtype=np.float64)


def model(x: Floats) -> Floats:
    """A version that is too sure of itself and blind to the product."""
    return np.asarray(1 / (1 + np.exp(-(2.2 * x[:, 0] - 1.5 * x[:, 1] - 1.0))), dtype=np.float64)


def drawn(random: np.random.Generator, rows: int, shift: Callable[[Floats], Floats]) -> tuple[Floats, Ints]:
    """Scores and labels."""
    x = shift(random.normal(size=(rows, 3)))
    return model(x), (random.random(rows) < truth(x)).astype(np.int64)


def realised(p: Floats, y: Ints) -> dict[str, float]:
    """What labels say."""
    answer = p > 0.5
    tp, wrong = int((answer & (y == 1)).sum()), int((answer != (y == 1)).sum())
    order = np.argsort(np.argsort(p, kind="stable"), kind="stable") + 1  # scores do not tie
    n = int(y.sum())
    area = (order[y == 1].sum() - n * (n + 1) / 2) / (n * (len(y) - n))
    return {"accuracy": 1 - wrong / len(y), "f1": 2 * tp / (2 * tp + wrong), "roc_auc": float(area)}


def estimated(binning: Binning, calibration: Calibration, p: Floats) -> dict[str, tuple[float, float, float]]:
    """Ours, from the window's profile: value, low, high."""
    profile = make_reference_profile(binning, {PREDICTION: NumberColumn(p)}, len(p))
    watched = Watched.model_validate({"prediction": {"kind": "probability"}})
    view = View("m", "1", "", profile, {}, 60.0, binning, None, settings=watched, calibration=calibration)
    found = {}
    for name in METRICS:
        scores = Estimated().score(name, view)
        assert scores.low is not None
        assert scores.high is not None
        found[name] = (float(scores.values[0]), float(scores.low[0]), float(scores.high[0]))
    return found


@dataclass(frozen=True)
class Kept:
    """What the peer said of the windows: shift -> metric -> estimates."""

    version: str
    on: str
    windows: Mapping[str, Mapping[str, Sequence[float]]]


def peers(asked: str, python: str | None) -> Kept | None:
    """The peer's answers, asked for or kept."""
    digest = zlib.crc32(asked.encode())
    if python is not None:
        done = subprocess.run([python, str(PEER)], input=asked, capture_output=True, text=True, check=True)
        KEPT.write_text(json.dumps({"of": digest, "on": f"{datetime.now(UTC):%Y-%m-%d}", **json.loads(done.stdout)}) + "\n")
    if not KEPT.exists():
        return None
    kept = json.loads(KEPT.read_text())
    return Kept(kept["version"], kept["on"], kept["windows"]) if kept["of"] == digest else None


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nannyml", metavar="PYTHON", help="a Python that has NannyML")
    random = np.random.default_rng(11)
    p, y = drawn(random, REFERENCE, SHIFTS["none"])
    binning = make_binning({PREDICTION: NumberColumn(p)}, {}, _KIND, ())
    calibration = calibrate(binning, p, y.astype(np.float64))
    assert isinstance(calibration, Calibration)
    windows = {name: [drawn(random, ROWS, shift) for _ in range(WINDOWS)] for name, shift in SHIFTS.items()}
    asked = {name: [round(each, 12) for p, _ in some for each in p.tolist()] for name, some in windows.items()}
    question = json.dumps({"rows": ROWS, "reference": p.tolist(), "labels": y.tolist(), "windows": asked})
    peer = peers(question, parser.parse_args().nannyml)
    sys.stdout.write(f"Mean absolute error over {WINDOWS} windows of {ROWS:,} rows; {REFERENCE:,} labelled reference rows.\n")
    if peer is not None:
        sys.stdout.write(f"NannyML {peer.version} of {peer.on}.\n")
    sys.stdout.write("\n| inputs moved | metric | realised | ours | NannyML's CBPE | in our interval |\n|---|---|---|---|---|---|\n")
    errors: dict[str, list[float]] = {"ours": [], "theirs": []}
    for name, some in windows.items():
        real = [realised(p, y) for p, y in some]
        ours = [estimated(binning, calibration, p) for p, _ in some]
        for metric in METRICS:
            was = np.array([each[metric] for each in real])
            value, low, high = (np.array([each[metric][i] for each in ours]) for i in range(3))
            theirs = float(np.abs(np.array(peer.windows[name][metric]) - was).mean()) if peer is not None else float("nan")
            error = float(np.abs(value - was).mean())
            errors["ours"].append(error)
            errors["theirs"].append(theirs)
            inside = np.mean((low <= was) & (was <= high))
            sys.stdout.write(f"| {name} | {metric} | {was.mean():.3f} | {error:.4f} | {theirs:.4f} | {inside:.0%} |\n")
    sys.stdout.write(f"| **all** | | | **{np.mean(errors['ours']):.4f}** | {np.mean(errors['theirs']):.4f} | |\n")


if __name__ == "__main__":
    main()
