"""YAML with places."""

from pathlib import Path

import pytest

from watchtower.config.document import Document, parse, read_document


def said(document: Document) -> list[str]:
    """The problems as an operator sees them."""
    return [str(each) for each in document.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-11-20", "2026-11-20"),
        ("1e-4", 1e-4),
        ("1e-05", 1e-05),
        ("-3", -3),
        (".5", 0.5),
        ("1.", 1.0),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("'7'", "7"),
        ("1m", "1m"),
        ("30 days", "30 days"),
        ("numeric", "numeric"),
        (".inf", float("inf")),
        ("7.0.1", "7.0.1"),
    ],
)
def test_scalars_are_read_as_yaml_1_2_does(text: str, value: object) -> None:
    document = parse(f"key: {text}", "f.yaml")
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)
    assert not document.problems


def test_json_is_yaml() -> None:
    assert parse('{"a": [1, 2.5, "x", true, null], "b": {"c": 1e-09}}', "f").value == {"a": [1, 2.5, "x", True, None], "b": {"c": 1e-09}}


def test_every_key_and_value_has_its_place() -> None:
    document = parse("a:\n  - b: 1\n    c: {d: x}\n", "f.yaml")
    assert str(document.place(("a", 0, "c", "d"))) == "f.yaml:3:12"
    assert str(document.key_place(("a", 0, "c", "d"))) == "f.yaml:3:9"
    assert str(document.place(("a", 0, "nothing", "here"))) == "f.yaml:2:5"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: key 'a' stands twice; it stands at line 1 already"),
        ("a: [1, 2\nb: 3\n", "f.yaml:2:2: it is no YAML: did not find expected ',' or ']'; look at the quotes, brackets and indentation just before"),
        ("a:\n\t- b\n", "f.yaml:2:1: it is no YAML: found character that cannot start any token; indent with spaces, not with tabs"),
        ("a: !!python/object:os.system x\n", "f.yaml:1:4: unknown tag !!python/object:os.system; write the value without a tag"),
        ("a: !!int x\n", "f.yaml:1:4: 'x' cannot be read as a number"),
        ("? [a, b]\n: 1\n", "f.yaml:1:3: a key must be a plain word"),
        ("a: &x [*x]\n", "f.yaml:1:4: an alias stands inside what it names"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: it is no YAML: but found another document; look at the quotes, brackets and indentation just before"),
        ("<<: 3\n", "f.yaml:1:5: << takes an alias of a mapping"),
    ],
)
def test_what_is_wrong_with_yaml_has_its_place(text: str, problem: str) -> None:
    assert said(parse(text, "f.yaml")) == [problem]


def test_merged_mappings_stand_behind_what_is_written() -> None:
    assert parse("base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\n", "f").value["mine"] == {"y": 3, "x": 1}


def test_any_string_may_name_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPIC", "predictions")
    document = parse('a: ${TOPIC}\nb: "x-${TOPIC}-y"\nc: $${TOPIC}\nd: $TOPIC\n', "f")
    assert document.value == {"a": "predictions", "b": "x-predictions-y", "c": "${TOPIC}", "d": "$TOPIC"}


def test_a_missing_variable_is_a_problem_with_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    assert said(parse('a:\n  - "${NOT_THERE}"\n  - "${9 x}"\n', "f")) == [
        "f:2:5: the environment has no NOT_THERE; export NOT_THERE=…, or write $${NOT_THERE} for the text itself",
        "f:3:5: ${9 x} names no environment variable; write ${NAME}, or $${9 x} for the text itself",
    ]


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: caf\xe9\n")
    assert "there is no such file" in said(read_document(tmp_path / "none.yaml"))[0]
    assert "it is no UTF-8 text (byte 6)" in said(read_document(tmp_path / "latin.yaml"))[0]
    assert "it cannot be read" in said(read_document(tmp_path))[0]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(tmp_path / "bom.yaml").value == {"a": 1}


def test_one_entry_is_read_as_the_list_that_it_stands_for() -> None:
    document = parse("source:\n  path: x\nrules: r\n", "f").plural({"source": "sources"})
    assert document.value == {"sources": [{"path": "x"}], "rules": "r"}
    assert str(document.place(("sources", 0, "path"))) == "f:2:9"


def test_one_entry_beside_the_list_stays_for_validation_to_refuse() -> None:
    assert parse("source: {}\nsources: []\n", "f").plural({"source": "sources"}).value == {"source": {}, "sources": []}
