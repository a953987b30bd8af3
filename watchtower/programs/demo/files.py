"""Everything that the demo writes: one folder, made anew by each run."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place
from watchtower.programs.demo.applicants import draw, pays_late
from watchtower.programs.demo.models import Damage, Net, damage, train
from watchtower.programs.demo.scene import MODEL, Scenario, Scene

REFERENCE_ROWS = 2_048
_MARK = ".watchtower-demo"
_INSTALL = "pip install 'watchtower-ml[all]'"

_SETTINGS = """\
# What the demo's daemon runs with: the same program as in production, on a log file instead of a topic.
source: {{kind: file, path: predictions.jsonl, format: {{kind: watchtower_json}}}}
store: {{url: sqlite:///watchtower.db}}
rules: rules/
window: {{size: 2s, lateness: 1s}}                # so short only because the demo is
models:
  {model}:
    features: {{income: numeric, amount: numeric, debt_share: numeric, age: numeric, late_payments: numeric, purpose: categorical}}
    prediction: {{kind: probability, positive: 1}}
    keep: raw                                   # whole rows may be kept: made-up applicants have nothing to hide
    reference: {{kind: file, path: "references/{{version}}.parquet"}}
    healthy: ["{good}"]                              # declared; else a version earns it by serving quietly
    artifacts: {{kind: directory, path: models/{model}}}
    shadow: {{rows: 8192, device: cpu}}
    rollback:
      target: {{kind: directory, path: models/{model}}}
      approval: none
notifiers:
  terminal: {{kind: log}}
incidents: {{quiet: 3 windows}}
server: {{listen: "127.0.0.1:{port}"}}
"""

_RULES = """\
rules:
  - name: PredictionDrift
    model: {model}
    when: {{kind: above, measure: prediction.kolmogorov_smirnov, value: 0.1, significance: 0.001}}
    over: 3 windows
    hold: 2 windows
    keep_firing: 1 windows
    severity: page
    respond: [rollback]
    summary: "{{{{ model }}}}: what version {{{{ version }}}} predicts has moved (Kolmogorov-Smirnov {{{{ value }}}})"
  - name: FeatureDrift
    model: {model}
    when: {{kind: above, measure: drift.psi, feature: "*", value: 0.25, significance: 0.001}}
    over: 3 windows
    hold: 2 windows
    keep_firing: 1 windows
    respond: [rollback]
    summary: "{{{{ model }}}}: {{{{ subject }}}} has drifted (PSI {{{{ value }}}})"
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where things of one run are."""

    root: Path

    @property
    def settings(self) -> Path:
        """The daemon's settings."""
        return self.root / "watchtower.yaml"

    @property
    def models(self) -> Path:
        """A folder a version, and `current`."""
        return self.root / "models" / MODEL

    @property
    def log(self) -> Path:
        """The predictions, a line each."""
        return self.root / "predictions.jsonl"

    @property
    def story(self) -> Path:
        """The events, a line each."""
        return self.root / "story.jsonl"


def prepare(root: Path) -> Folder:
    """An empty *root*; ConfigError where it holds what no demo wrote."""
    if root.exists() and not (root / _MARK).exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError([Problem(Place(str(root)), "it holds something that no demo wrote", "name another folder with --folder, or empty this one")])
    if root.exists():
        shutil.rmtree(root)
    folder = Folder(root)
    for each in (folder.models, root / "references", root / "rules"):
        each.mkdir(parents=True)
    for file in (root / _MARK, folder.log, folder.story):
        file.touch()
    return folder


def write_models(folder: Folder, scene: Scene, now: datetime) -> Damage | None:
    """Both versions, each with labelled rows of its own making; the new one's weights are damaged afterwards, where the story is about that."""
    rng = np.random.default_rng([scene.seed, 1])
    good, new = train(rng), train(rng)
    bad, hurt = damage(rng, new) if scene.scenario is Scenario.ROLLBACK else (new, None)
    for version, net in ((scene.good, good), (scene.new, new)):
        _write_reference(folder.root / "references" / f"{version}.parquet", net, rng)
    _write_version(folder.models / scene.good, good, now - timedelta(days=60))
    _write_version(folder.models / scene.new, bad, now - timedelta(hours=1))
    (folder.models / "current").symlink_to(scene.good)
    return hurt


def write_settings(folder: Folder, scene: Scene, port: int) -> None:
    """The daemon's settings and rules, as an operator would write them."""
    folder.settings.write_text(_SETTINGS.format(model=MODEL, good=scene.good, port=port))
    (folder.root / "rules" / f"{MODEL}.yaml").write_text(_RULES.format(model=MODEL))


def _write_version(at: Path, net: Net, created: datetime) -> None:
    try:
        from watchtower.programs.demo.onnx_file import to_onnx  # noqa: PLC0415  onnx is no part of a plain installation
    except ImportError as missing:
        raise ConfigError([Problem(Place("demo"), "it makes ONNX models and needs the package onnx", _INSTALL)]) from missing
    blob = to_onnx(net)
    at.mkdir()
    (at / "model.onnx").write_bytes(blob)
    (at / "metadata.json").write_text(json.dumps({"sha256": hashlib.sha256(blob).hexdigest(), "created": created.isoformat()}))


def _write_reference(at: Path, net: Net, rng: np.random.Generator) -> None:
    """Held-out rows with what *net* predicted and what became of them."""
    import pyarrow as pa  # noqa: PLC0415  slow to import, and the service does without
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = draw(rng, REFERENCE_ROWS)
    labels = pays_late(rng, rows).astype(int).tolist()
    pq.write_table(pa.table({**rows.columns(), "prediction": net(rows).tolist(), "label": labels}), at)
