"""The log notifier: a line on stderr."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from watchtower.notifiers.log import Log
from watchtower.nouns.incident import Incident, Moment

AT = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)


def test_each_telling_is_one_line_with_what_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    first = Incident("i1", "fraud", AT, timeline=(Moment(AT, "alert", "Drift fires\non two lines"),))
    session = Log().open()
    receipt = session.deliver(first, 0, None)
    session.deliver(replace(first, revision=2, timeline=(*first.timeline, Moment(AT, "note", "held"))), 1, receipt)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["incident"], line["revision"], [each["text"] for each in line["news"]]) for line in lines] == [
        ("incident_told", "i1", 1, ["Drift fires\non two lines"]),
        ("incident_told", "i1", 2, ["held"]),
    ]
