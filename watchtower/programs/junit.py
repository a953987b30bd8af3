"""A shadow's evidence as parts that pass, fail or cannot tell, and as JUnit XML for delivery pipelines."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from watchtower.core.mirroring import LOGGED
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.place import Place
from watchtower.programs.shadow import Shadowed

Outcome = Literal["passed", "failure", "error", "skipped"]
_GROUNDS = {"labels": "labelled rows", "reference": "labelled reference rows", "invalid": "invalid outputs"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INPUTS = (Diagnosis.DATA_DRIFT, Diagnosis.UPSTREAM_DATA_QUALITY)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the evidence: *failure* speaks against the candidate, *error*: it could not be had, *skipped*: it cannot tell or does not count."""

    name: str
    outcome: Outcome
    text: str


def parts(found: Shadowed) -> list[Part]:
    """The five parts of the evidence, and the verdict."""
    evidence = found.judgement.evidence
    candidates = _dict(evidence.get("candidates"))
    its = _dict(candidates.get(found.candidate))
    grounds = [_ground(name, title, its, found.judgement.verdict) for name, title in _GROUNDS.items()]
    return [_integrity(evidence), *grounds, _speed(its), _inputs(evidence, found), _verdict(found)]


def write(path: Path, found: Shadowed, at: datetime, seconds: float) -> None:
    """Writes *path*: one test suite, a test case a part. ConfigError where it cannot be written."""
    try:
        path.write_bytes(junit(found, at, seconds))
    except OSError as bad:
        raise ConfigError([Problem(Place(str(path)), f"the report cannot be written: {bad.strerror}", "give another name to --junit")]) from bad


def junit(found: Shadowed, at: datetime, seconds: float) -> bytes:
    """JUnit XML as Jenkins, GitLab and GitHub's reporters read it; it was asked *at* that time and took *seconds*."""
    its = parts(found)
    name = f"watchtower shadow {found.model}"
    counts = {"tests": str(len(its)), "time": f"{seconds:.3f}"}
    counts |= {
        attribute: str(sum(each.outcome == outcome for each in its))
        for attribute, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    root = ET.Element("testsuites", {"name": _xml(name), **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _xml(name), **counts, "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}"})
    properties = ET.SubElement(suite, "properties")
    for key, value in (("model", found.model), ("live", found.live), ("candidate", found.candidate), ("verdict", str(found.judgement.verdict))):
        ET.SubElement(properties, "property", {"name": key, "value": _xml(value)})
    for each in its:
        _case(suite, each, f"watchtower.shadow.{found.model}", seconds if each.name == "verdict" else 0.0)
    ET.SubElement(suite, "system-out").text = _xml(json.dumps(found.plain(), indent=1, ensure_ascii=False))
    return b"<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(root, encoding="unicode").encode()


def _case(suite: ET.Element, part: Part, of: str, seconds: float) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": _xml(of), "name": _xml(part.name), "time": f"{seconds:.3f}"})
    if part.outcome == "passed":
        ET.SubElement(case, "system-out").text = _xml(part.text)
        return
    told = {"message": _xml(part.text)} | ({} if part.outcome == "skipped" else {"type": part.name})
    ET.SubElement(case, part.outcome, told).text = None if part.outcome == "skipped" else _xml(part.text)


def _integrity(evidence: Mapping[str, object]) -> Part:
    """Whether what live served is had again."""
    its, share = _dict(evidence.get("integrity")), evidence.get("agreement")
    rows, wanted = its.get("rows", 0), its.get("wanted", 0.0)
    if its.get("rests_on") == LOGGED:
        return Part("integrity", "skipped", "live was not run again: the comparison rests on logged predictions")
    if not isinstance(share, float) or not isinstance(wanted, float) or not its.get("logged") or not rows:
        return Part("integrity", "skipped", "what live served could not be compared with its re-run")
    text = f"{share:.3f} of {rows:,} logged predictions are had again (at least {wanted:g})"
    return Part("integrity", "passed" if share >= wanted else "error", text)


def _ground(name: str, title: str, its: Mapping[str, object], verdict: Verdict) -> Part:
    ground = _dict(its.get(name))
    reason = str(ground.get("reason", ""))
    if not ground:
        return Part(title, "skipped", "there are none, or nothing could be run")
    if ground.get("capped"):
        return Part(title, "skipped", f"{reason}; {ground['capped']}")
    if ground.get("accepts"):
        return Part(title, "passed", reason)
    if ground.get("rejects"):
        return Part(title, "skipped", f"{reason}; outranked by another ground") if verdict is Verdict.ACCEPT else Part(title, "failure", reason)
    if name == "invalid" and _number(ground.get("live")) == _number(ground.get("candidate")) == 0:
        return Part(title, "passed", reason)
    return Part(title, "skipped", reason)


def _speed(its: Mapping[str, object]) -> Part:
    """Times decide only where a latency rule fires, and then in the verdict: here they are told."""
    speed = _dict(its.get("speed"))
    ratio = speed.get("ratio")
    if not isinstance(ratio, float):
        return Part("speed", "skipped", "the versions were not timed on the same batches")
    return Part("speed", "passed", f"live takes {ratio:.2f} times as long as the candidate (median of {speed.get('batches')} paired batches)")


def _inputs(evidence: Mapping[str, object], found: Shadowed) -> Part:
    drifted, features = _dict(evidence.get("drifted")), evidence.get("features", 0)
    if not features:
        return Part("inputs", "skipped", "inputs could not be compared with a reference")
    named = ", ".join(f"{name} PSI {value}" for name, value in sorted(drifted.items(), key=lambda each: -_number(each[1])))
    text = f"{len(drifted)} of {features} features drifted" + (f": {named}" if named else "")
    explained = found.judgement.verdict is Verdict.REJECT and found.judgement.diagnosis in _INPUTS
    return Part("inputs", "failure" if explained else "passed", text)


def _verdict(found: Shadowed) -> Part:
    """Only ACCEPT passes: a gate that cannot tell is not open."""
    outcomes: dict[Verdict, Outcome] = {Verdict.ACCEPT: "passed", Verdict.REJECT: "failure", Verdict.INCONCLUSIVE: "failure", Verdict.BROKEN: "error"}
    judgement = found.judgement
    return Part("verdict", outcomes[judgement.verdict], f"{judgement.verdict} ({judgement.diagnosis}): {judgement.reason}")


def _xml(text: str) -> str:
    """*text* without the characters that no XML 1.0 document may hold; the writer escapes the others."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _dict(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
