"""Every source of parallel text gives the same pairs, and every mistake one line."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nmt.builders.corpus import open_corpus
from nmt.config.data import DataConfig
from nmt.data.corpus import Corpus, Pair, Split
from nmt.errors import UserError

PAIRS = {
    "train": [("ein Haus\u0085", "a house"), ("zwei\u2028Häuser\f", "two houses")],
    "validation": [("drei", "three")],
    "test": [("vier", "four")],
}


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def text_files(folder: Path) -> DataConfig:
    files = {}
    for split, pairs in PAIRS.items():
        files[split] = {"src": str(folder / f"{split}.de"), "trg": str(folder / f"{split}.en.gz")}
        Path(files[split]["src"]).write_text("".join(f"{s}\n" for s, _ in pairs), "utf-8", newline="\n")
        Path(files[split]["trg"]).write_bytes(gzip.compress("".join(f"{t}\n" for _, t in pairs).encode()))
    return DataConfig.model_validate({"files": files})


def one_file(folder: Path, key: str, line: Callable[[str, str], str]) -> DataConfig:
    files = {split: str(folder / f"{split}.{key}") for split in PAIRS}
    for split, pairs in PAIRS.items():
        Path(files[split]).write_text("".join(f"{line(*p)}\n" for p in pairs), "utf-8", newline="\n")
    return DataConfig.model_validate({key: files, "src": "de", "trg": "en"})


def tsv_files(folder: Path) -> DataConfig:
    return one_file(folder, "tsv", "{}\t{}".format)


def _dataset(folder: Path, row: Callable[[str, str], object]) -> DataConfig:
    folder = folder / "dataset"
    folder.mkdir()
    for split, pairs in PAIRS.items():
        rows = "".join(json.dumps(row(*pair)) + "\n" for pair in pairs)
        (folder / f"{split}.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    return DataConfig(dataset=str(folder), src="de", trg="en")


def plain_columns(folder: Path) -> DataConfig:
    return _dataset(folder, lambda src, trg: {"id": 7, "en": trg, "de": src, "fr": "?"})


def translation_column(folder: Path) -> DataConfig:
    return _dataset(folder, lambda src, trg: {"id": 7, "translation": {"en": trg, "de": src}})


SOURCES = [text_files, tsv_files, plain_columns, translation_column]
WRONG_LINES = [
    (tsv_files, "no tab", "found 0 tabs"),
    (tsv_files, "a\tb\tc", "found 2 tabs"),
    (tsv_files, "", "found 0 tabs"),
]


def read(corpus: Corpus) -> dict[Split, list[tuple[str, str]]]:
    return {split: [(pair.src, pair.trg) for pair in corpus.pairs(split)] for split in corpus.splits}


@pytest.mark.parametrize("source", SOURCES)
def test_pairs_come_in_order_and_as_often_as_asked(
    tmp_path: Path, source: Callable[[Path], DataConfig]
) -> None:
    corpus = open_corpus(source(tmp_path))
    assert read(corpus) == read(corpus) == PAIRS
    pairs = corpus.pairs("train")
    assert isinstance(pairs, Iterator)
    assert isinstance(next(pairs), Pair)
    assert corpus.describe()


@pytest.mark.parametrize("source", SOURCES)
def test_the_fingerprint_follows_the_text(tmp_path: Path, source: Callable[[Path], DataConfig]) -> None:
    data = source(tmp_path)
    before = open_corpus(data).fingerprint("train")
    assert before == open_corpus(data).fingerprint("train")
    assert before != open_corpus(data).fingerprint("test")
    changed = next(path for path in tmp_path.rglob("train*") if path.is_file())
    changed.write_bytes(changed.read_bytes() + b" ")
    assert before != open_corpus(data).fingerprint("train")


@pytest.mark.parametrize("source", [plain_columns, translation_column])
def test_a_local_folder_is_read_and_left_alone(
    tmp_path: Path, source: Callable[[Path], DataConfig], capfd: pytest.CaptureFixture[str]
) -> None:
    data = source(tmp_path)
    before = sorted((tmp_path / "dataset").rglob("*"))
    read(open_corpus(data))
    assert sorted((tmp_path / "dataset").rglob("*")) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("source", "columns"), [(plain_columns, "id, en, de, fr"), (translation_column, "en, de")]
)
def test_a_wrong_column_names_those_there_are(
    tmp_path: Path, source: Callable[[Path], DataConfig], columns: str
) -> None:
    data = source(tmp_path).model_copy(update={"src": "xx"})
    with pytest.raises(UserError, match=f"data.src: xx: no such column .* the columns are {columns}$"):
        next(open_corpus(data).pairs("train"))


def test_a_wrong_split_names_those_there_are(tmp_path: Path) -> None:
    data = DataConfig.model_validate(
        plain_columns(tmp_path).model_dump() | {"splits": {"validation": "dev", "test": None}}
    )
    corpus = open_corpus(data)
    assert corpus.splits == ("train", "validation")
    with pytest.raises(UserError, match=r"data\.splits\.validation: .* no split dev; it has .*train"):
        next(corpus.pairs("validation"))


def test_missing_texts_are_empty_and_other_types_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    rows = [{"de": None, "en": "a", "number": 1}, {"de": "b", "en": "c", "number": 2}]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    data = DataConfig(dataset=str(folder), src="de", trg="en")
    assert list(open_corpus(data).pairs("train")) == [("", "a"), ("b", "c")]
    with pytest.raises(UserError, match="expected text in columns number and en, found int and str"):
        next(open_corpus(data.model_copy(update={"src": "number"})).pairs("train"))


def test_broken_json_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"de": "a"\n{"en"', "utf-8")
    with pytest.raises(UserError, match=r"^data\.dataset: the folder .* cannot be read .*$"):
        next(open_corpus(DataConfig(dataset=str(tmp_path), src="de", trg="en")).pairs("train"))


@pytest.mark.parametrize(("dataset", "found"), [("./nowhere", "nothing"), ("{}/a.txt", "a file")])
def test_a_path_without_a_folder_is_named(tmp_path: Path, dataset: str, found: str) -> None:
    (tmp_path / "a.txt").write_text("a\n", "utf-8")
    with pytest.raises(UserError, match=f"data.dataset: .* found {found} at"):
        open_corpus(DataConfig(dataset=dataset.format(tmp_path), src="de", trg="en")).fingerprint("train")


def test_files_of_unequal_length_are_refused_with_both_counts(tmp_path: Path) -> None:
    data = text_files(tmp_path)
    (tmp_path / "train.de").write_text("a\nb\nc\nd", "utf-8")
    with pytest.raises(UserError, match=r"train\.de has 4 lines and .*train\.en\.gz has 2"):
        list(open_corpus(data).pairs("train"))


@pytest.mark.parametrize(("source", "line", "found"), WRONG_LINES)
def test_a_wrong_line_is_named(
    tmp_path: Path, source: Callable[[Path], DataConfig], line: str, found: str
) -> None:
    data = source(tmp_path)
    (train,) = tmp_path.glob("train.*")
    first = train.read_text("utf-8").split("\n")[0]
    train.write_text(f"{first}\n{line}\n", "utf-8")
    with pytest.raises(UserError, match=rf"{re.escape(train.name)}: line 2: .*{found}"):
        list(open_corpus(data).pairs("train"))


@pytest.mark.parametrize(
    ("source", "name", "key"),
    [(text_files, "test.de", r"data\.files\.test\.src"), (tsv_files, "train.tsv", r"data\.tsv\.train")],
)
def test_a_missing_file_is_named_with_its_key(
    tmp_path: Path, source: Callable[[Path], DataConfig], name: str, key: str
) -> None:
    data = source(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{key}: expected a text file, found no such file: .*{name}"):
        open_corpus(data).fingerprint("test" if name.startswith("test") else "train")


def test_the_builtin_corpus_turns_and_knows_its_languages() -> None:
    sizes = {"train": 100, "validation": 10, "test": 10}
    data = DataConfig.model_validate({"builtin": sizes, "src": "de", "trg": "en"})
    there = open_corpus(data)
    back = open_corpus(data.model_copy(update={"src": "en", "trg": "de"}))
    german = list(there.pairs("train"))
    assert len(german) == 100
    assert [(pair.trg, pair.src) for pair in german] == list(back.pairs("train"))
    assert there.fingerprint("train") == open_corpus(data).fingerprint("train") != back.fingerprint("train")
    with pytest.raises(UserError, match=r"expected de and en, .* found de and fr"):
        open_corpus(data.model_copy(update={"trg": "fr"}))


def text_of(folder: Path, **section: object) -> DataConfig:
    (folder / "train.txt").write_text("one\n\ntwo\nthree\nfour\n", encoding="utf-8")
    return DataConfig.model_validate({"text": {"train": str(folder / "train.txt"), **section}})


def test_a_line_of_one_language_is_a_pair_without_a_source(tmp_path: Path) -> None:
    (tmp_path / "dev.txt").write_text("dev\n", encoding="utf-8")
    corpus = open_corpus(text_of(tmp_path, validation=str(tmp_path / "dev.txt")))
    assert corpus.splits == ("train", "validation")
    assert list(corpus.pairs("train")) == [Pair("", t) for t in ("one", "", "two", "three", "four")]
    assert list(corpus.pairs("validation")) == [Pair("", "dev")]


@pytest.mark.parametrize(("share", "kept"), [(0.4, 3), (0.01, 4), (0.99, 0)])
def test_of_one_long_text_the_last_share_is_held_out(tmp_path: Path, share: float, kept: int) -> None:
    corpus = open_corpus(text_of(tmp_path, held_out=share, lines=False))
    whole = ["one", "", "two", "three", "four"]
    assert [pair.trg for pair in corpus.pairs("train")] == whole[:kept]
    assert [pair.trg for pair in corpus.pairs("validation")] == whole[kept:]
    other = open_corpus(text_of(tmp_path, held_out=share / 2, lines=False))
    assert corpus.fingerprint("train") != other.fingerprint("train")


@pytest.mark.parametrize(("share", "kept"), [(0.4, [0, 1, 3]), (0.01, [0, 1, 2, 3, 4]), (0.99, [0])])
def test_of_a_list_a_line_every_so_often_is_held_out(tmp_path: Path, share: float, kept: list[int]) -> None:
    corpus = open_corpus(text_of(tmp_path, held_out=share))
    whole = ["one", "", "two", "three", "four"]
    assert [pair.trg for pair in corpus.pairs("train")] == [whole[i] for i in kept]
    assert [pair.trg for pair in corpus.pairs("validation")] == [
        line for i, line in enumerate(whole) if i not in kept
    ]
    other = open_corpus(text_of(tmp_path, held_out=share, lines=False))
    assert corpus.fingerprint("train") != other.fingerprint("train")


def test_a_text_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.text\.validation: expected a text file, found no such file"):
        open_corpus(text_of(tmp_path, validation=str(tmp_path / "dev.txt"))).fingerprint("validation")


def test_data_are_called_by_their_name_and_not_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "multi30k").mkdir()
    pair = {"src": "/here/train.de", "trg": "/here/train.en"}
    for data, name in (
        ({"dataset": str(tmp_path / "multi30k")}, "multi30k"),
        ({"dataset": "bentrevett/multi30k"}, "bentrevett/multi30k"),
        ({"files": {"train": pair, "validation": pair}}, "train.de"),
        ({"tsv": {"train": "/here/train.tsv", "validation": "/here/v.tsv"}}, "train.tsv"),
        ({"builtin": {}}, "builtin"),
    ):
        assert open_corpus(DataConfig.model_validate({"src": "de", "trg": "en", **data})).name == name


def test_a_file_of_another_kind_is_another_text(tmp_path: Path) -> None:
    """Plain text that is called .gz cannot be read: the preparation of the same bytes is not taken for it."""
    prints = set()
    for name in ("plain.tsv", "called.gz"):
        (tmp_path / name).write_text("a\tb\n")
        data = {"tsv": {"train": str(tmp_path / name), "validation": str(tmp_path / name)}}
        prints.add(open_corpus(DataConfig.model_validate(data)).fingerprint("train"))
    assert len(prints) == 2
