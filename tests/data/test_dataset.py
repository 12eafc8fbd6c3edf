"""A dataset folder is what its files hold now, and every cell of it is text."""

import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from nmt.builders.corpus import open_corpus
from nmt.config.data import DataConfig
from nmt.data.corpus import Pair
from nmt.errors import UserError


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write(path: Path, rows: Iterable[object]) -> None:
    """JSON lines with a date that never changes, as archives and copies may have it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    os.utime(path, (1_500_000_000, 1_500_000_000))


def config(folder: Path, **keys: object) -> DataConfig:
    splits = {"validation": "train", "test": None}
    return DataConfig.model_validate(
        {"dataset": str(folder), "src": "de", "trg": "en", "splits": splits, **keys}
    )


def read(folder: Path, **keys: object) -> tuple[list[Pair], str]:
    corpus = open_corpus(config(folder, **keys))
    return list(corpus.pairs("train")), corpus.fingerprint("train")


def row(text: str) -> dict[str, str]:
    return {"de": text, "en": text.upper()}


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz"])
def test_a_replaced_file_is_read_anew_though_size_and_date_are_the_same(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    write(data / name, [row("alt")])
    before, first = read(data)
    write(data / name, [row("neu")])
    after, second = read(data)
    assert (before, after) == ([Pair("alt", "ALT")], [Pair("neu", "NEU")])
    assert first != second


def test_another_folder_of_the_same_name_is_another_corpus(tmp_path: Path) -> None:
    write(tmp_path / "a" / "data" / "train.jsonl", [row("eins")])
    write(tmp_path / "b" / "data" / "train.jsonl", [row("zwei")])
    assert read(tmp_path / "a" / "data")[0] == [Pair("eins", "EINS")]
    assert read(tmp_path / "b" / "data")[0] == [Pair("zwei", "ZWEI")]


def test_the_same_files_in_another_place_are_the_same_corpus(tmp_path: Path) -> None:
    for place in ("a", "b"):
        write(tmp_path / place / "train.jsonl", [row("eins")])
    assert read(tmp_path / "a") == read(tmp_path / "b")


def test_a_file_belongs_to_a_split_by_its_name(tmp_path: Path) -> None:
    for place, names in (("a", ("train", "test")), ("b", ("test", "train"))):
        for name, text in zip(names, ("eins", "zwei"), strict=True):
            write(tmp_path / place / f"{name}.jsonl", [row(text)])
    (one, first), (two, second) = read(tmp_path / "a"), read(tmp_path / "b")
    assert (one, two) == ([Pair("eins", "EINS")], [Pair("zwei", "ZWEI")])
    assert first != second


CARD = """---
configs:
- config_name: news
  data_files: [{split: train, path: news.jsonl}]
- config_name: medical
  data_files: [{split: train, path: %s}]
---
"""


def test_a_configuration_has_files_and_a_fingerprint_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("news", "medical"):
        write(data / f"{name}.jsonl", [row(name)])
    (data / "README.md").write_text(CARD % "medical.jsonl")
    news, medical = (read(data, dataset_config=name) for name in ("news", "medical"))
    assert (news[0], medical[0]) == ([Pair("news", "NEWS")], [Pair("medical", "MEDICAL")])
    assert news[1] != medical[1]
    write(data / "medical.jsonl", [row("new")])
    assert read(data, dataset_config="news")[1] == news[1]
    assert read(data, dataset_config="medical")[1] != medical[1]


@pytest.mark.parametrize("path", ["../outside.jsonl", "{}/outside.jsonl", "a/../../outside.jsonl"])
def test_a_file_outside_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    data = tmp_path / "data"
    write(tmp_path / "outside.jsonl", [row("secret")])
    write(data / "news.jsonl", [row("news")])
    (data / "a").mkdir()
    (data / "README.md").write_text(CARD % path.format(tmp_path))
    corpus = open_corpus(config(data, dataset_config="medical"))
    for reading in (lambda: corpus.fingerprint("train"), lambda: next(corpus.pairs("train"))):
        with pytest.raises(UserError, match=r"names .*outside.jsonl, which is outside"):
            reading()


def test_what_a_link_leads_to_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write(tmp_path / "blob", [row("alt")])
    (data / "train.jsonl").symlink_to(tmp_path / "blob")
    before = read(data)
    write(tmp_path / "blob", [row("neu")])
    after = read(data)
    assert after[0] == [Pair("neu", "NEU")]
    assert after[1] != before[1]


def test_a_missing_row_or_language_is_an_empty_text(tmp_path: Path) -> None:
    rows: list[object] = [
        {"translation": {"de": "eins", "en": "one"}},
        {"translation": None},
        {"id": 3},
        {"translation": {"de": "vier"}},
    ]
    write(tmp_path / "data" / "train.jsonl", rows)
    assert read(tmp_path / "data")[0] == [Pair("eins", "one"), Pair("", ""), Pair("", ""), Pair("vier", "")]


@pytest.mark.parametrize("declared", [True, False])
def test_a_row_may_name_its_languages_itself(tmp_path: Path, declared: bool) -> None:
    import datasets

    texts = [{"de": "eins", "en": ["one", "an one"]}, {"de": "zwei", "fr": "deux"}]
    kind = datasets.TranslationVariableLanguages(languages=["de", "en", "fr"])
    features = datasets.Features({"translation": kind})
    rows = [features.encode_example({"translation": each}) for each in texts]
    (tmp_path / "data").mkdir()
    if declared:
        file = tmp_path / "data" / "train.parquet"
        datasets.Dataset.from_list(rows, features=features).to_parquet(file)
    else:
        write(tmp_path / "data" / "train.jsonl", rows)
    pairs, _ = read(tmp_path / "data")
    assert [pair.src for pair in pairs] == ["eins", "zwei"]
    assert pairs[0].trg in ("one", "an one")
    assert pairs[1].trg == ""
    with pytest.raises(UserError, match=r"data\.trg: xx: no such column .* the columns are de, en, fr$"):
        read(tmp_path / "data", trg="xx")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "train.csv",
            'de,en\nnull,NA\nNone,"a, ""b"""\nnan,\n007,1.0\ntrue,inf\n',
            [("null", "NA"), ("None", 'a, "b"'), ("nan", ""), ("007", "1.0"), ("true", "inf")],
        ),
        ("train.csv", "de,en\n007,true\n1.0,false\n", [("007", "true"), ("1.0", "false")]),
        ("train.csv", 'de,en\na\rb,c\x85d\ne,"f\ng"\n', [("a\rb", "c\x85d"), ("e", "f g")]),
        ("train.tsv", "de\ten\na\rb\tc\u2028d\ne\t\n", [("a\rb", "c\u2028d"), ("e", "")]),
        ("train.tsv", "de\ten\r\nnull\tb\r\n", [("null", "b")]),
        ("train.csv", "de,en\r\nnull,b\r\n", [("null", "b")]),
        (
            "train.tsv",
            'de\ten\n"Halt\tStop\nN/A\t"no"\n\'a\t"\n',
            [('"Halt', "Stop"), ("N/A", '"no"'), ("'a", '"')],
        ),
    ],
)
def test_every_cell_of_a_table_is_text(
    tmp_path: Path, name: str, text: str, expected: list[tuple[str, str]]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text(text, "utf-8", newline="")
    assert read(tmp_path / "data")[0] == [Pair(*pair) for pair in expected]


def test_line_ends_inside_a_text_become_spaces_and_other_characters_stay(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train.jsonl", [{"de": "a\r\nb\nc", "en": "d\u2028e\x85f\x0bg\x00h"}])
    assert read(tmp_path / "data")[0] == [Pair("a b c", "d\u2028e\x85f\x0bg\x00h")]


@pytest.mark.parametrize("header", ["de,en", "de,en\r"])
@pytest.mark.parametrize("file", ["train.csv", "b/train-2.csv"])
def test_a_row_with_more_cells_than_the_header_is_refused(tmp_path: Path, header: str, file: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.csv").write_text(f"{header}\neins,one\n", "utf-8")
    path = data / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{header}\neins,one,1\nzwei,two,2\n", "utf-8")
    with pytest.raises(UserError, match=r"\.csv: line 2: expected 2 cells as in the header, found 3"):
        read(data)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train.jsonl", [row("eins")])
    write(tmp_path / "data" / "test.jsonl", [])
    with pytest.raises(UserError, match=r"split test of the folder .* is empty: test\.jsonl"):
        read(tmp_path / "data")


@pytest.mark.parametrize("path", ["https://example.org/x.jsonl", "hf://datasets/some/one/x.jsonl"])
def test_an_address_is_not_followed(tmp_path: Path, path: str) -> None:
    write(tmp_path / "data" / "news.jsonl", [row("news")])
    (tmp_path / "data" / "README.md").write_text(CARD % path)
    with pytest.raises(UserError, match=r"data\.dataset: the folder"):
        read(tmp_path / "data", dataset_config="medical")


def test_a_script_in_the_folder_does_not_run(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "train.jsonl", [row("eins")])
    (data / "data.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match=r"data\.py"):
        read(data)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["audio", "image", "int64"])
def test_a_column_that_is_no_text_is_one_line(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    write(data / "train.jsonl", [row("eins")])
    (data / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: de\n    dtype: string\n  - name: en\n"
        f"    dtype: {kind}\n---\n"
    )
    with pytest.raises(UserError) as caught:
        read(data)
    assert len(str(caught.value).splitlines()) == 1
