"""What `check` says of rules and `rollback:` together."""

from pathlib import Path

import pytest

from tests.config.folder import RULE, SOURCE, warnings, written

MODEL = "models: {fraud: {artifacts: {kind: directory, path: m}, rollback: {target: {kind: directory, path: m}, %s}}}\n"
LATE = "alerts of 'Slow' need 13m to resolve, and resolve_within gives them 5m: each rollback would end failed; say at least 13m"
CANARY = "target directory of 'fraud' cannot take a canary's traffic away: of a version that is not live, abort is only told; let the delivery controller ask"


@pytest.mark.parametrize(
    ("said", "more", "warning"),
    [
        ("resolve_within: 13m", "    respond: [rollback]\n    over: 10 windows\n    keep_firing: 3 windows\n", ""),
        ("resolve_within: 5m", "    respond: [rollback]\n    over: 10 windows\n    keep_firing: 3 windows\n", LATE),
        ("resolve_within: 5m", "    respond: [shadow]\n    over: 10 windows\n    keep_firing: 3 windows\n", ""),
        ("approval: required", '    respond: [rollback]\n    version: "*"\n', CANARY),
    ],
)
def test_what_could_not_come_to_a_good_end_is_told(tmp_path: Path, said: str, more: str, warning: str) -> None:
    found = [each for each in warnings(written(tmp_path, SOURCE + MODEL % said, fraud=RULE + more)) if "lock" not in each]
    mine = [each.split("warning: ")[-1] for each in found if "resolve" in each or "canary" in each]
    assert len(mine) == bool(warning)
    assert all(warning in each for each in mine)
