"""nmt.records: a JSON object of a stranger is checked field by field."""

import json
import re

import pytest

from nmt.records import Record, parse_json


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"[NaN]",
        b"[-Infinity]",
        b'["\\ud800"]',
        b'{"\\udfff": 1}',
        b"[1] 2",
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^Invalid JSON: "):
        parse_json(data)
    with pytest.raises(ValueError, match=r"^content: Invalid JSON: "):
        Record(data)


@pytest.mark.parametrize("value", ["ü🙂\u2028", {"a": [1, 2.5, None, True]}, [], 'back\\slash "u"'])
def test_json_comes_back(value: object) -> None:
    for ascii_only in (True, False):
        assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


def read(text: str) -> tuple[int, float, bool, str, str]:
    record = Record(text.encode())
    found = (
        record.whole("count", 3, least=1),
        record.number("rate", 0.5, least=0, below=1),
        record.flag("on", False),
        record.text("name", "none"),
        record.choice("kind", ("bpe", "char"), "bpe"),
    )
    record.end()
    return found


def test_fields_are_read_and_defaults_stand_in() -> None:
    assert read("{}") == (3, 0.5, False, "none", "bpe")
    whole = '{"kind": "char", "count": 1, "rate": 0, "on": true, "name": ""}'
    assert read(whole) == (1, 0.0, True, "", "char")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "content: Input should be an object"),
        ('{"count": 0}', "count: Input should be greater than or equal to 1"),
        ('{"count": true}', "count: Input should be a valid integer"),
        ('{"count": 1.0}', "count: Input should be a valid integer"),
        ('{"rate": "1"}', "rate: Input should be a valid number"),
        ('{"rate": false}', "rate: Input should be a valid number"),
        ('{"rate": 1e999}', "rate: Input should be a finite number"),
        ('{"rate": 1' + "0" * 400 + "}", "rate: Input should be a finite number"),
        ('{"rate": -0.1}', "rate: Input should be greater than or equal to 0"),
        ('{"rate": 1}', "rate: Input should be less than 1"),
        ('{"on": 1}', "on: Input should be a valid boolean"),
        ('{"name": 7}', "name: Input should be a valid string"),
        ('{"kind": "pickle"}', "kind: Input should be 'bpe' or 'char'"),
        ('{"kind": ["bpe"]}', "kind: Input should be 'bpe' or 'char'"),
        ('{"other": 1}', "other: Extra inputs are not permitted"),
        ('{"\\u001b[31m": 1}', "'\\x1b[31m': Extra inputs are not permitted"),
    ],
)
def test_a_wrong_field_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(text)


def test_a_field_without_a_default_is_required() -> None:
    for text in ("{}", '{"count": null}'):
        with pytest.raises(ValueError, match=r"^count: Field required$"):
            Record(text.encode()).whole("count", least=1)
    with pytest.raises(ValueError, match=r"^format: Input should be 1$"):
        Record(b'{"format": true}').choice("format", (1,))


def test_pairs_are_read() -> None:
    assert Record(b'{"points": [[-1, 0.5], [0, 1]]}').pairs("points", most=2) == [(-1.0, 0.5), (0.0, 1.0)]
    assert Record(b"{}").pairs("points", most=2) == []


@pytest.mark.parametrize(
    "value",
    ["7", '"ab"', "[1, 2]", "[[1]]", "[[1, 2, 3]]", "[[1, true]]", "[[1, 1e999]]", '[[1, "2"]]', "[null]"],
)
def test_what_is_no_list_of_pairs_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"^points: Input should be a list of pairs of finite numbers$"):
        Record(f'{{"points": {value}}}'.encode()).pairs("points", most=9)


def test_a_list_of_pairs_is_bounded() -> None:
    with pytest.raises(ValueError, match=r"^points: List should have at most 1 items, not 2$"):
        Record(b'{"points": [[1, 2], [3, 4]]}').pairs("points", most=1)


def test_rows_of_texts() -> None:
    record = Record(b'{"a": [["x", "y"], ["", "z"]]}')
    assert record.rows("a", width=2, most=2) == [("x", "y"), ("", "z")]
    assert record.rows("b", width=2, most=2) == []


@pytest.mark.parametrize(
    "value", ['"xy"', "[1]", '[["x"]]', '[["x", 1]]', '["xy"]', '[["x", "y", "z"]]', "{}"]
)
def test_what_is_no_row_of_texts_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"^a: Input should be a list of rows of 2 texts"):
        Record(f'{{"a": {value}}}'.encode()).rows("a", width=2, most=9)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^a: List should have at most 1 items, not 2"):
        Record(b'{"a": [["x"], ["y"]]}').rows("a", width=1, most=1)
