"""What is prepared is complete, reused while nothing changed, and never half of a folder."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest

from nmt.builders.corpus import open_corpus
from nmt.config.data import DataConfig
from nmt.data.corpus import Pair
from nmt.data.preparation import prepare
from nmt.data.prepared import Prepared
from nmt.errors import UserError
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer, save_tokenizers
from nmt.tokenization.words import WordTokenizer
from tests.support.text_to_prepare import TEST, VALIDATION, config, text


class Counted:
    """Trains word tokenizers and counts how often it was asked to."""

    def __init__(self) -> None:
        self.calls = 0
        self.seen: list[Pair] = []

    def __call__(self, pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
        self.calls += 1
        self.seen = list(pairs())
        return _words(pair.src for pair in self.seen), _words(pair.trg for pair in pairs())


def _words(texts: Iterator[str]) -> Tokenizer:
    return WordTokenizer.train(texts, vocab_size=None, min_frequency=1, lowercase=False)


def only_words(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
    words = _words(pair.trg for pair in pairs())
    return words, words


def sampled(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
    texts = (text for pair in pairs() for text in pair)
    shared = SentencePieceTokenizer.train(texts, kind="bpe", vocab_size=290, dropout=0.5)
    return shared, shared


def run(data: DataConfig, *, seed: int = 1, said: list[str] | None = None) -> tuple[Prepared, int]:
    """The prepared corpus, and how often a tokenizer was trained for it."""
    train = Counted()
    prepared = prepare(
        data, open_corpus(data), train, seed=seed, log=(said if said is not None else []).append
    )
    return prepared, train.calls


def test_only_training_pairs_are_filtered_and_every_drop_is_counted(tmp_path: Path) -> None:
    prepared, _ = run(config(tmp_path))

    assert text(prepared, "train") == [
        ("das haus", "the house"),
        ("ein baum", "a tree"),
        ("der test", "the exam"),
        ("ein haus am see", "a house by the lake"),
    ]
    assert prepared.meta.dropped == {
        "empty": 1,
        "in_test": 1,
        "in_validation": 0,
        "duplicate": 1,
        "too_long": 1,
        "ratio": 1,
    }
    assert prepared.meta.overlap == {"test": 1, "validation": 0}
    assert prepared.raw("validation") == [Pair(*line.split("\t")) for line in VALIDATION]
    assert prepared.raw("test") == [Pair(*line.split("\t")) for line in TEST]
    assert len(prepared.split("validation")) == len(prepared.split("test")) == 3
    train = prepared.meta.splits["train"]
    assert (train.read, train.kept, train.segmentations) == (9, 4, 1)
    assert (train.src_pieces, train.trg_pieces) == (10, 11)
    assert prepared.split("train").lengths()[0].tolist() == [2, 2, 2, 4]
    summary = prepared.summary()
    for part in ("9 pairs read", "4 kept", "1 exact duplicates", "1 too long", "1 also in test"):
        assert part in summary


def test_the_tokenizer_sees_no_held_out_pair(tmp_path: Path) -> None:
    data, train = config(tmp_path), Counted()
    prepare(data, open_corpus(data), train, seed=1)
    assert Pair("der test", "the exam") in train.seen
    assert not {Pair("der test", "the test"), Pair("", "nothing")} & set(train.seen)


def test_overlap_is_kept_and_reported_on_request(tmp_path: Path) -> None:
    prepared, _ = run(config(tmp_path, filters={"drop_test_overlap": False}))
    assert ("der test", "the test") in text(prepared, "train")
    assert prepared.meta.dropped["in_test"] == 0
    assert prepared.meta.overlap["test"] == 1
    assert "kept on request: 1 pairs of train that are also in test" in prepared.summary()


def test_a_corpus_without_a_test_split(tmp_path: Path) -> None:
    prepared, _ = run(config(tmp_path, test=False))
    assert prepared.splits == ("train", "validation")
    assert ("der test", "the test") in text(prepared, "train")


def test_hashes_are_those_of_the_text(tmp_path: Path) -> None:
    prepared, _ = run(config(tmp_path))
    data = (tmp_path / "validation.tsv").read_bytes()
    assert prepared.meta.data_hashes["validation"] == hashlib.sha256(data).hexdigest()


def test_a_folder_is_reused_until_something_changes(tmp_path: Path) -> None:
    data = config(tmp_path)
    first, calls = run(data)
    assert calls == 1
    again, calls = run(data)
    assert (again.folder, calls) == (first.folder, 0)

    # The same text in another place is the same corpus.
    moved = config(tmp_path / "moved").model_copy(update={"prepared": data.prepared})
    assert run(moved)[1] == 0

    seen = {first.folder}
    for other_data in (
        config(tmp_path, src="fr"),
        config(tmp_path, tokenizer={"kind": "word", "min_frequency": 1}),
        config(tmp_path, filters={"max_length": 6, "max_ratio": 3}),
    ):
        other, calls = run(other_data)
        assert calls == 1
        seen.add(other.folder)
    with (tmp_path / "test.tsv").open("a") as file:
        file.write("noch\tone\n")
    seen.add(run(data)[0].folder)
    assert len(seen) == 5


def test_the_seed_matters_where_segmentations_are_sampled_alone(tmp_path: Path) -> None:
    data = config(tmp_path)
    assert run(data, seed=1)[0].folder == run(data, seed=2)[0].folder
    tokenizer = {"kind": "bpe", "vocab_size": 300, "dropout": 0.5, "samples": 2}
    data = config(tmp_path, tokenizer=tokenizer, filters={"max_length": 40})
    folders = {prepare(data, open_corpus(data), sampled, seed=seed).folder for seed in (1, 2)}
    assert len(folders) == 2


def test_pairs_and_lines_of_one_file_are_prepared_apart(tmp_path: Path) -> None:
    data = config(tmp_path)
    assert data.tsv is not None
    text = DataConfig.model_validate(
        {
            "text": data.tsv.model_dump(exclude={"swap"}),
            "tokenizer": {"kind": "word"},
            "prepared": data.prepared,
        }
    )
    folders = [prepare(each, open_corpus(each), only_words, seed=1).folder for each in (data, text)]
    assert len({folder.name.rpartition("-")[2] for folder in folders}) == 2


def test_a_folder_belongs_to_the_saved_tokenizers_that_it_was_made_with(tmp_path: Path) -> None:
    data = config(tmp_path, tokenizer={"kind": "saved", "path": str(tmp_path / "saved")})
    first, second = (_words(iter([text])) for text in ("the house", "a tree"))
    save_tokenizers(tmp_path / "saved", first, first)
    before = run(data)[0].folder
    assert run(data)[0].folder == before
    save_tokenizers(tmp_path / "saved", second, second)
    assert run(data)[0].folder != before


@pytest.mark.parametrize("name", ["meta.json", "train.0.src.ids", "test.0.trg.offsets", "tokenizer/src.json"])
@pytest.mark.parametrize("harm", ["missing", "short", "changed"])
def test_a_damaged_folder_is_named_and_prepared_again(tmp_path: Path, name: str, harm: str) -> None:
    data = config(tmp_path)
    first, _ = run(data)
    before = text(first, "train")
    path = first.folder / name
    if harm == "missing":
        path.unlink()
    elif harm == "short":
        path.write_bytes(path.read_bytes()[:-2])
    else:  # one bit, and JSON stays JSON
        content = path.read_bytes()
        at = max(content.rfind(b"1"), content.rfind(b"2"), 0)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(UserError, match=path.name):
        Prepared(first.folder)

    said: list[str] = []
    second, calls = run(data, said=said)

    assert (second.folder, calls) == (first.folder, 1)
    assert str(path) in said[0]
    assert text(second, "train") == before
    assert [child.name for child in Path(data.prepared).iterdir()] == [first.folder.name]


def test_a_folder_under_the_name_of_another_is_prepared_again(tmp_path: Path) -> None:
    data, other = config(tmp_path), config(tmp_path, filters={"max_length": 6, "max_ratio": 3})
    first, second = run(data)[0].folder, run(other)[0].folder
    kept = text(Prepared(second), "train")
    shutil.rmtree(second)
    first.rename(second)
    said: list[str] = []
    again, calls = run(other, said=said)
    assert (calls, text(again, "train")) == (1, kept)
    assert "holds a different corpus than its name says" in said[0]


@pytest.mark.parametrize("name", ["../../outside", "a/b", ".", "..", "x" * 300, "de (formal)"])
def test_a_language_names_no_other_place(tmp_path: Path, name: str) -> None:
    data = config(tmp_path, src=name)
    folder = run(data)[0].folder
    assert folder.parent == Path(data.prepared)
    assert [child.name for child in folder.parent.iterdir()] == [folder.name]


def test_a_held_out_split_without_any_text_on_a_side_is_refused(tmp_path: Path) -> None:
    data = config(tmp_path)
    (tmp_path / "test.tsv").write_text("\tone\n \ttwo\n", encoding="utf-8")
    with pytest.raises(UserError, match="every example of split test has an empty side"):
        run(data)


# Of each key of the data section: another value for which something else is prepared, or None where the text
# itself tells, which the fingerprints of the corpora are tested for.
KEYS: dict[str, object] = {
    "src": "fr",
    "trg": "fr",
    "tokenizer": {"kind": "word", "min_frequency": 1, "lowercase": True},
    "normalize": "nfc",
    "preprocess": {"lowercase": True},
    "reverse_target": True,
    "filters": {"max_length": 6, "max_ratio": 2},
    **dict.fromkeys(("dataset", "dataset_config", "revision", "splits", "streaming")),
    **dict.fromkeys(("files", "tsv", "builtin", "corpora", "text")),
    "labelled": None,
    "prepared": None,  # where it lies
}


def test_every_key_that_decides_what_is_prepared_names_another_folder(tmp_path: Path) -> None:
    assert set(KEYS) == set(DataConfig.model_fields)
    before = run(config(tmp_path))[0].folder
    for key, value in KEYS.items():
        if value is not None:
            assert run(config(tmp_path, **{key: value}))[0].folder != before, key


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("bpe", {"vocab_size": 301, "shared": False, "dropout": 0.5}),
        ("char", {"shared": False}),
        ("word", {"vocab_size": 9, "min_frequency": 1, "lowercase": True, "shared": True}),
    ],
)
def test_every_key_of_a_tokenizer_names_another_folder(
    tmp_path: Path, kind: str, changes: dict[str, object]
) -> None:
    before = run(config(tmp_path, tokenizer={"kind": kind}))[0].folder
    for key, value in changes.items():
        assert run(config(tmp_path, tokenizer={"kind": kind, key: value}))[0].folder != before, key


def test_an_interrupted_preparation_leaves_nothing(tmp_path: Path) -> None:
    data = config(tmp_path)

    def interrupted(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(data, open_corpus(data), interrupted, seed=1)
    assert list(Path(data.prepared).iterdir()) == []


def test_two_at_once_end_with_one_whole_folder(tmp_path: Path) -> None:
    data = config(tmp_path)
    together = Barrier(2)
    results: list[Prepared] = []

    def train(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
        together.wait()
        return Counted()(pairs)

    threads = [
        Thread(target=lambda: results.append(prepare(data, open_corpus(data), train, seed=1)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 2
    assert results[0].folder == results[1].folder
    assert text(results[0], "train") == text(results[1], "train")
    assert len(list(Path(data.prepared).iterdir())) == 1


def test_subword_regularisation_prepares_several_segmentations(tmp_path: Path) -> None:
    data = config(
        tmp_path,
        tokenizer={"kind": "bpe", "vocab_size": 300, "dropout": 0.5, "samples": 3},
        filters={"max_length": 40},
    )
    prepared = prepare(data, open_corpus(data), sampled, seed=1)

    train = prepared.split("train")
    assert train.segmentations == prepared.meta.splits["train"].segmentations == 3
    rows = range(len(train))
    kinds = {tuple(map(tuple, train.rows(rows, epoch)[0])) for epoch in range(3)}
    assert len(kinds) > 1
    for epoch in range(3):
        src, trg = train.rows(rows, epoch)
        assert prepared.src_tokenizer.decode(src[0].tolist()) == "das haus"
        assert prepared.trg_tokenizer.decode(trg[0].tolist()) == "the house"
    assert [r.tolist() for r in train.rows(rows, 4)[0]] == [r.tolist() for r in train.rows(rows, 1)[0]]
    assert prepared.split("test").segmentations == 1

    again = prepare(
        data.model_copy(update={"prepared": str(tmp_path / "b")}), open_corpus(data), sampled, seed=1
    )
    assert [r.tolist() for r in again.split("train").rows(rows, 2)[0]] == [
        r.tolist() for r in train.rows(rows, 2)[0]
    ]


def test_nothing_to_train_on_is_said(tmp_path: Path) -> None:
    data = config(tmp_path, filters={"max_length": 1})
    with pytest.raises(UserError, match=r"no pair of train .* is left: 1 with an empty side, .* 6 too long"):
        run(data)
    (tmp_path / "validation.tsv").write_text("")
    with pytest.raises(UserError, match=r"validation\.tsv: split validation is empty"):
        run(data)
    (tmp_path / "validation.tsv").write_text("a\tb\n")
    (tmp_path / "train.tsv").write_text(" \t \n")
    with pytest.raises(UserError, match=r"no pair of train .* is left: 1 with an empty side$"):
        run(data)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"data\.prepared: cannot write .*file/prepared"):
        run(config(tmp_path, prepared=str(tmp_path / "file" / "prepared")))


@pytest.mark.parametrize(
    ("languages", "expected"), [({}, (None, None)), ({"src": "fr", "trg": "es"}, ("fr", "es"))]
)
def test_no_language_is_recorded_that_nobody_said(
    tmp_path: Path, languages: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    data = config(tmp_path, **languages)
    assert (data.src, data.trg) == expected
    prepared, _ = run(data)
    assert (prepared.meta.src, prepared.meta.trg) == expected
    assert prepared.folder.name.split("-")[:-1] == [each for each in expected if each]
    assert ("fr to es" in prepared.summary()) == bool(languages)
    assert "9 pairs read" in prepared.summary()
