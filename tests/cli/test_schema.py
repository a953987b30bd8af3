"""`watchtower schema`."""

import json

import pytest

from tests.cli.test_main import told


@pytest.mark.parametrize("of", ["settings", "rules", "message"])
def test_a_schema_is_json_on_stdout(of: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(["schema", of], capsys)
    assert (code, err) == (0, "")
    assert json.loads(out)["$schema"].startswith("https://json-schema.org/")
