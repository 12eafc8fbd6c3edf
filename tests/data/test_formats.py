"""Folders of every format that `datasets` reads, and those of `save_to_disk`, as a whole and as a stream."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from nmt.builders.corpus import corpus_of, open_corpus
from nmt.config import Experiment
from nmt.config.data import DataConfig
from nmt.data.corpus import Pair, Split
from nmt.errors import UserError
from nmt.workflows.prepare import prepare_data
from nmt.workflows.score import held_out

TEXTS: dict[Split, list[tuple[str, str]]] = {
    "train": [(f"Satz {i}, null", f'the "{i}th"\u2028 sentence') for i in range(2500)],
    "validation": [("drei", "three"), ("", "empty")],
    "test": [("007", "NA")],
}


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def plain() -> Any:
    rows = {split: [{"id": 7, "de": d, "en": e} for d, e in pairs] for split, pairs in TEXTS.items()}
    return datasets.DatasetDict({split: datasets.Dataset.from_list(each) for split, each in rows.items()})


def nested() -> Any:
    features = datasets.Features({"translation": datasets.Translation(["de", "en"])})
    rows = {split: [{"translation": {"de": d, "en": e}} for d, e in pairs] for split, pairs in TEXTS.items()}
    return datasets.DatasetDict(
        {split: datasets.Dataset.from_list(each, features=features) for split, each in rows.items()}
    )


def each_split(folder: Path, write: Callable[[Any, Path], object], ending: str) -> None:
    for split, rows in plain().items():
        write(rows, folder / f"{split}.{ending}")


def tsv(rows: Any, path: Path) -> None:
    lines = (f"{row['de']}\t{row['en']}\n" for row in rows)
    path.write_text("de\ten\n" + "".join(lines), "utf-8", newline="")


FORMATS: dict[str, Callable[[Path], object]] = {
    "parquet": lambda folder: each_split(folder, lambda rows, path: rows.to_parquet(path), "parquet"),
    "jsonl": lambda folder: each_split(folder, lambda rows, path: rows.to_json(path), "jsonl"),
    "csv": lambda folder: each_split(folder, lambda rows, path: rows.to_csv(path), "csv"),
    "tsv": lambda folder: each_split(folder, tsv, "tsv"),
    "saved": lambda folder: plain().save_to_disk(folder),
    "saved-nested": lambda folder: nested().save_to_disk(folder, num_shards=dict.fromkeys(TEXTS, 1)),
    "parquet-nested": lambda folder: [
        rows.to_parquet(folder / f"{split}.parquet") for split, rows in nested().items()
    ],
    "jsonl-nested": lambda folder: [
        rows.to_json(folder / f"{split}.jsonl") for split, rows in nested().items()
    ],
}


def config(folder: Path, **keys: object) -> DataConfig:
    return DataConfig.model_validate({"dataset": str(folder), "src": "de", "trg": "en", **keys})


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_of_any_format_gives_the_same_pairs(
    tmp_path: Path, name: str, streaming: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    FORMATS[name](folder)
    before = sorted(folder.rglob("*"))
    capfd.readouterr()
    corpus = open_corpus(config(folder, streaming=streaming))
    assert (corpus.name, corpus.languages, corpus.splits) == ("data", ("de", "en"), tuple(TEXTS))
    for split, pairs in TEXTS.items():
        assert list(corpus.pairs(split)) == pairs
        assert list(corpus.pairs(split)) == pairs
    assert sorted(folder.rglob("*")) == before
    assert capfd.readouterr() == ("", "")
    with pytest.raises(UserError, match=r"data\.trg: xx: no such column .* the columns are .*de, en$"):
        next(open_corpus(config(folder, streaming=streaming, trg="xx")).pairs("train"))
    with pytest.raises(UserError, match=r"data\.splits\.train: .* no split dev; it has train, "):
        next(open_corpus(config(folder, streaming=streaming, splits={"train": "dev"})).pairs("train"))


def test_what_is_saved_is_known_by_its_files(tmp_path: Path) -> None:
    for place in ("a", "b"):
        plain().save_to_disk(tmp_path / place)
    first, second = (open_corpus(config(tmp_path / place)) for place in ("a", "b"))
    assert first.fingerprint("train") == second.fingerprint("train") != first.fingerprint("test")
    file = next((tmp_path / "b" / "train").glob("*.arrow"))
    file.write_bytes(file.read_bytes().replace(b"Satz 17,", b"Satz 71,"))
    assert open_corpus(config(tmp_path / "b")).fingerprint("train") != first.fingerprint("train")


def test_a_saved_dataset_without_splits_is_train(tmp_path: Path) -> None:
    plain()["train"].save_to_disk(tmp_path / "data")
    corpus = open_corpus(config(tmp_path / "data", splits={"validation": "train", "test": None}))
    assert list(corpus.pairs("validation")) == TEXTS["train"]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("dataset_dict.json", lambda tree: {"splits": ["../other"]}, r"names .*other, which is outside"),
        ("dataset_dict.json", lambda tree: {"splits": 3}, r"dataset_dict\.json: damaged"),
        ("dataset_dict.json", lambda tree: {"splits": ["none"]}, r"none/state\.json: cannot be read"),
        (
            "train/state.json",
            lambda tree: tree | {"_data_files": [{"filename": "../../secret.arrow"}]},
            r"names .*secret\.arrow, which is outside",
        ),
        (
            "train/state.json",
            lambda tree: tree | {"_data_files": [{"filename": "none.arrow"}]},
            r"none\.arrow: expected a regular file",
        ),
        ("train/state.json", lambda tree: {}, r"state\.json: damaged \(Field required\)"),
        (
            "train/dataset_info.json",
            lambda tree: {"features": 3},
            r"data\.dataset: the folder .* cannot be read",
        ),
    ],
)
def test_a_damaged_saved_folder_is_one_line(
    tmp_path: Path, file: str, change: Callable[[Any], object], message: str
) -> None:
    folder = tmp_path / "data"
    plain().save_to_disk(folder)
    (tmp_path / "secret.arrow").write_bytes(b"secret")
    tree = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(change(tree)))
    corpus = open_corpus(config(folder))
    with pytest.raises(UserError, match=message) as error:
        _ = corpus.fingerprint("train"), next(corpus.pairs("train"))
    assert "\n" not in str(error.value)


def test_no_code_of_a_saved_folder_runs(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "harmed",)  # type: ignore[return-value]

    folder = tmp_path / "data"
    plain().save_to_disk(folder)
    (folder / "data.py").write_text(f"open({str(tmp_path / 'harmed')!r}, 'w')\n")
    (folder / "train" / "indices.pkl").write_bytes(pickle.dumps(Harm()))
    list(open_corpus(config(folder)).pairs("train"))
    assert not (tmp_path / "harmed").exists()


def test_a_saved_folder_has_no_configurations(tmp_path: Path) -> None:
    plain().save_to_disk(tmp_path / "data")
    with pytest.raises(UserError, match=r"data\.dataset_config: .* has no configurations; found news"):
        open_corpus(config(tmp_path / "data", dataset_config="news")).fingerprint("train")


def experiment(tmp_path: Path, *, streaming: bool, prepared: str) -> Experiment:
    data = {"dataset": str(tmp_path / "data"), "src": "de", "trg": "en", "streaming": streaming}
    tokenizer = {"kind": "bpe", "vocab_size": 300}
    return Experiment.model_validate(
        {"name": "x", "data": {**data, "tokenizer": tokenizer, "prepared": str(tmp_path / prepared)}}
    )


def test_a_stream_is_read_once_and_prepared_like_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    FORMATS["jsonl"](tmp_path / "data")
    streamed = experiment(tmp_path, streaming=True, prepared="a")
    from nmt.data.dataset import DatasetCorpus

    read: list[Split] = []
    pairs = DatasetCorpus.pairs
    monkeypatch.setattr(
        DatasetCorpus, "pairs", lambda self, split: (read.append(split), pairs(self, split))[1]
    )
    said: list[str] = []
    one = prepare_data(streamed, said.append)
    assert read == list(TEXTS)
    assert not list((tmp_path / "cache").rglob("*.arrow"))
    assert list((tmp_path / "a").iterdir()) == [one.folder]
    prepare_data(streamed, said.append)
    assert read == list(TEXTS)
    assert (
        held_out(streamed, "validation")
        == one.raw("validation")
        == list(map(Pair._make, TEXTS["validation"]))
    )

    two = prepare_data(experiment(tmp_path, streaming=False, prepared="b"), said.append)
    assert one.meta == two.meta
    for file in two.meta.files:
        assert (one.folder / file).read_bytes() == (two.folder / file).read_bytes()


def test_a_broken_stream_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    FORMATS["jsonl"](tmp_path / "data")
    with (tmp_path / "data" / "train.jsonl").open("a") as file:
        file.write('{"de": "a"\n{"en"')
    with pytest.raises(UserError, match=r"^dataset .* cannot be read \(") as error:
        prepare_data(experiment(tmp_path, streaming=True, prepared="a"), lambda line: None)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "a").iterdir())


def test_streaming_is_for_a_dataset() -> None:
    with pytest.raises(ValueError, match=r"streaming: true needs data\.dataset"):
        DataConfig.model_validate({"builtin": {}, "src": "de", "trg": "en", "streaming": True})


def test_the_corpus_of_an_experiment_streams_as_it_says(tmp_path: Path) -> None:
    assert corpus_of(experiment(tmp_path, streaming=True, prepared="a")).streamed
