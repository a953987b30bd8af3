"""A folder in which a damaged version 2 followed version 1, as a log that ends now: all that a rollback needs."""

import json
import time
from pathlib import Path

import numpy as np

from tests.end_to_end.running import write_rules
from watchtower.edges.clock import Clock
from watchtower.programs.demo.applicants import draw
from watchtower.programs.demo.files import Folder, prepare, write_models
from watchtower.programs.demo.scene import MODEL, Scene

ROLLBACK = """\
source: {{kind: file, path: predictions.jsonl, format: {{kind: watchtower_json}}}}
store: {{url: sqlite:///watchtower.db, checkpoint: 200ms}}
window: {{size: 2s, lateness: 1s, idle: never}}
models:
  {model}:
    features: {{income: numeric, amount: numeric, debt_share: numeric, age: numeric, late_payments: numeric, purpose: categorical}}
    prediction: {{kind: probability, positive: 1}}
    reference: {{kind: file, path: "references/{{version}}.parquet"}}
    healthy: ["1"]
    artifacts: {{kind: directory, path: models/{model}}}
    shadow: {{rows: 2048, device: cpu}}
    rollback: {{target: {{kind: directory, path: models/{model}}}, approval: none, verify_within: 1h}}
notifiers: {{terminal: {{kind: log}}}}
server: {{listen: "127.0.0.1:{port}"}}
"""
DRIFT = (
    "{name: PredictionDrift, model: credit, when: {kind: above, measure: prediction.kolmogorov_smirnov, value: 0.1}, "
    "hold: 2 windows, respond: [rollback], notify: [terminal]}"
)
ROWS, WINDOWS = 300, 12
"""Rows a window, and windows of the log: version 1 serves in the first third."""


def damaged(root: Path, port: int) -> Folder:
    """Models, labelled references, settings, the rule and the log in the folder *root*; version 2 is current."""
    folder = prepare(root)
    write_models(folder, Scene(seed=1), Clock().now())
    (folder.models / "current").unlink()
    (folder.models / "current").symlink_to("2")
    folder.settings.write_text(ROLLBACK.format(model=MODEL, port=port))
    write_rules(root, [DRIFT])
    _log_of_both(folder)
    return folder


def _log_of_both(folder: Folder) -> None:
    """A log that ends now: version 1, then the damaged version 2, answered by the models themselves."""
    import onnxruntime  # only where something is served

    rng = np.random.default_rng(5)
    start = (int(time.time()) // 2 - WINDOWS) * 2
    with folder.log.open("w") as log:
        for window in range(WINDOWS):
            version = "1" if window < WINDOWS // 3 else "2"
            session = onnxruntime.InferenceSession(str(folder.models / version / "model.onnx"), providers=["CPUExecutionProvider"])
            rows = draw(rng, ROWS).columns()
            texts = {name: np.array(values, dtype=object if name == "purpose" else np.float32)[:, None] for name, values in rows.items()}
            answers = np.asarray(session.run(None, texts)[0])[:, 0].tolist()
            times = [start + 2 * window + 2 * row / ROWS for row in range(ROWS)]
            batch = {"model": MODEL, "version": version, "rows": ROWS, "time": times, "features": rows, "prediction": answers}
            log.write(json.dumps(batch) + "\n")
