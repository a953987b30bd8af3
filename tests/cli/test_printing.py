"""What tables and calibrations look like where it is narrow, and where there is nothing to show."""

from datetime import timedelta
from pathlib import Path

import pytest

from watchtower.cli.bounds import show
from watchtower.cli.printing import moment, tell_table
from watchtower.config.rulebook import read_rules
from watchtower.core.calibration import Calibration
from watchtower.programs.calibrate import Line

LONG = "fraud-20261121T093045"
RULES = """
rules:
  - {name: A rule with quite a long name, model: fraud, when: {kind: above, measure: errors.share, value: 0.1, min_rows: 100}}
  - {name: Asked, model: fraud, when: {kind: above, measure: drift.psi, value: auto, false_alarms: 1 per 30d}}
"""


def test_a_table_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tell_table("incidents", ("id", "why"), [[LONG, "because " * 60]], whole=("id",))
    out = capsys.readouterr().out
    assert LONG in out
    assert out.count("because") == 60
    assert "…" not in out


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    tell_table("alerts", ("rule", "state"), [])
    assert capsys.readouterr().out == "no alerts\n"


@pytest.mark.parametrize("text", ["2026-11-20T10:00:05Z", "2026-11-20T10:00:05.123456+00:00"])
def test_a_moment_is_told_to_the_second(text: str) -> None:
    assert moment(text) == "2026-11-20 10:00:05"


def test_calibrations_tell_bounds_alarms_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text(RULES)
    written, asked = read_rules([tmp_path], timedelta(minutes=1)).rules
    nothing = Calibration(None, "not calibrated: needs history (3 of 200 quiet windows)")
    made = Calibration(0.0353, expected=1.0, low=0.04, high=640_000, label="extrapolated", basis="drawn from the reference", per=2_592_000)
    show("fraud", [Line(written, nothing, is_auto=False), Line(asked, made, is_auto=True), Line(asked, nothing, is_auto=True)])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "A rule with quite a long name  0.1 (written)",
        "    false alarms not known: needs history (3 of 200 quiet windows)",
        "Asked                          0.0353: 1 (0.04 to 640,000) per 30d, extrapolated",
        "    drawn from the reference",
        "Asked                          –",
        "    not calibrated: needs history (3 of 200 quiet windows)",
    ]
