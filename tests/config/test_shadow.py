"""Settings of shadow runs."""

from pathlib import Path

import pytest

from tests.config.folder import RULE, problems, written
from watchtower.config.reader import read_settings
from watchtower.runners.onnx import Onnx

SETTINGS = """\
source: {kind: file, path: log.jsonl, format: {kind: watchtower_json}}
models:
  fraud:
    shadow: {runner: {kind: onnx, %s}}
    evidence: {%s}
"""


def test_sizes_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, SETTINGS % ("gpu_mem_limit: 4GiB, headroom: 1.5GB, batch: 64", ""), rules=RULE)
    runner = read_settings(path).settings.models["fraud"].shadow.runner
    assert isinstance(runner, Onnx)
    assert (runner.gpu_mem_limit, runner.headroom, runner.batch) == (4 * 2**30, 1_500_000_000, 64)


@pytest.mark.parametrize(
    ("value", "says"), [("4 gigs", "'4 gigs' is no size: write a number and a unit, such as 512MiB or 4GiB"), ("-1", "greater than or equal to 0")]
)
def test_what_is_no_size_is_a_problem(tmp_path: Path, value: str, says: str) -> None:
    (found,) = problems(written(tmp_path, SETTINGS % (f"gpu_mem_limit: {value}", ""), rules=RULE))
    assert says in found


def test_half_precision_needs_a_declared_tolerance(tmp_path: Path) -> None:
    (found,) = problems(written(tmp_path, SETTINGS % ("fp16: true", ""), rules=RULE))
    assert "so evidence.tolerance must say what counts as the same; write evidence: {tolerance: 1e-2}" in found
    assert read_settings(written(tmp_path, SETTINGS % ("fp16: true", "tolerance: 1e-2"), rules=RULE)).settings.models["fraud"].evidence.tolerance == 0.01
