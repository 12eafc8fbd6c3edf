"""Several corpora are prepared as one: filtered together, each with its tag."""

from pathlib import Path

import pytest

from nmt.config import Experiment
from nmt.data.corpus import Pair, Split
from nmt.data.prepared import Prepared
from nmt.errors import UserError
from nmt.tokenization.vocabulary import SPECIALS, UNK
from nmt.workflows.prepare import prepare_data

TRAIN = ["das haus\tthe house", "ein baum\ta tree", "der see\tthe lake", "ok\tok", "die tür\tthe door"]
BACK = ["the house\tdas haus", "the road\tdie straße", "the road\tdie straße", "a tree\tein baum"]
HELD_OUT = {"validation": ["der see\tthe lake"], "test": ["the road\tein weg", "die tür\tthe door"]}


def tsv(folder: Path, name: str, lines: list[str]) -> str:
    path = folder / f"{name}.tsv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def both_directions(folder: Path, **data: object) -> Experiment:
    """Two directions of one text, and text that was translated back, which has no validation."""
    files = {split: tsv(folder, split, lines) for split, lines in {"train": TRAIN, **HELD_OUT}.items()}
    corpora = [
        {"tsv": files, "src": "de", "trg": "en", "tag": "<2en>"},
        {"tsv": {**files, "swap": True}, "src": "en", "trg": "de", "tag": "<2de>", "weight": 2},
        {"tsv": {"train": tsv(folder, "back", BACK)}, "src": "en", "trg": "de", "tag": "<bt>"},
    ]
    section = {
        "corpora": corpora,
        "tokenizer": {"kind": "word", "min_frequency": 1, "shared": True},
        "prepared": str(folder / "prepared"),
        **data,
    }
    return Experiment.model_validate({"name": "mixed", "data": section})


def prepare(experiment: Experiment) -> Prepared:
    return prepare_data(experiment, lambda line: None)


def rows(prepared: Prepared, split: Split, epoch: int = 0) -> list[str]:
    """The tokens of each source of a split, its tag included, and its target."""
    src, trg = prepared.split(split).rows(range(len(prepared.split(split))), epoch)
    tokens = prepared.src_tokenizer.tokens
    return [
        f"{' '.join(tokens(s.tolist()))} | {prepared.trg_tokenizer.decode(t.tolist())}"
        for s, t in zip(src, trg, strict=True)
    ]


def test_every_source_has_its_tag_and_held_out_text_is_held_out_in_both_directions(tmp_path: Path) -> None:
    prepared = prepare(both_directions(tmp_path))
    assert rows(prepared, "train") == [
        "<2en> das haus | the house",
        "<2en> ein baum | a tree",
        "<2en> ok | ok",
        "<2de> the house | das haus",
        "<2de> a tree | ein baum",
        "<2de> ok | ok",
        "<bt> the house | das haus",
        "<bt> the road | die straße",
        "<bt> a tree | ein baum",
    ]
    assert rows(prepared, "validation") == ["<2en> <unk> <unk> | the <unk>", "<2de> the <unk> | <unk> <unk>"]
    assert prepared.raw("test")[2] == Pair("ein weg", "the road"), "the raw text has no tag"
    assert prepared.tags("test") == ["<2en>", "<2en>", "<2de>", "<2de>"]
    assert prepared.meta.splits["train"].members == (3, 3, 3)
    assert prepared.meta.dropped["in_test"] == prepared.meta.dropped["in_validation"] == 2
    assert prepared.meta.dropped["duplicate"] == 1
    assert (prepared.meta.src, prepared.meta.trg) == (None, None)
    assert "corpus 2           3 pairs of train kept, tag <bt>" in prepared.summary()
    assert Prepared(prepared.folder).meta == prepared.meta


def test_a_tag_is_no_text(tmp_path: Path) -> None:
    experiment = both_directions(tmp_path)
    vocabulary = prepare(experiment).src_tokenizer.vocabulary
    assert vocabulary.specials == (*SPECIALS, "<2en>", "<2de>", "<bt>")
    assert prepare(experiment).src_tokenizer.encode("<2de> haus")[0] == UNK


def test_sides_of_their_own_have_tags_in_the_source_alone(tmp_path: Path) -> None:
    prepared = prepare(both_directions(tmp_path, tokenizer={"kind": "word", "min_frequency": 1}))
    assert prepared.src_tokenizer.vocabulary.tags == ("<2en>", "<2de>", "<bt>")
    assert prepared.trg_tokenizer.vocabulary.tags == ()


def test_sampled_segmentations_have_their_tags_too(tmp_path: Path) -> None:
    tokenizer = {"kind": "bpe", "vocab_size": 290, "dropout": 0.5, "samples": 2}
    prepared = prepare(both_directions(tmp_path, tokenizer=tokenizer))
    first, second = (rows(prepared, "train", epoch) for epoch in range(2))
    assert first != second
    starts = [row.split(" ")[0] for row in first]
    assert starts == [row.split(" ")[0] for row in second] == ["<2en>"] * 3 + ["<2de>"] * 3 + ["<bt>"] * 3


def test_the_folder_depends_on_tags_and_languages_but_not_on_weights(tmp_path: Path) -> None:
    def folder(**changes: object) -> Path:
        experiment = both_directions(tmp_path)
        assert experiment.data.corpora is not None
        *others, last = experiment.data.corpora
        corpora = (*others, last.model_copy(update=changes))
        data = experiment.data.model_copy(update={"corpora": corpora})
        return prepare(experiment.model_copy(update={"data": data})).folder

    assert folder() == folder(weight=0.5)
    assert len({folder(), folder(tag=None), folder(trg="nl")}) == 3


def test_corpora_that_agree_have_a_language(tmp_path: Path) -> None:
    files = {"train": tsv(tmp_path, "a", TRAIN), "validation": tsv(tmp_path, "b", ["x\ty"])}
    more = {"train": tsv(tmp_path, "c", ["ein weg\ta path"])}
    section = {
        "corpora": [{"tsv": each, "src": "de", "trg": "en"} for each in (files, more)],
        "tokenizer": {"kind": "word", "min_frequency": 1},
        "prepared": str(tmp_path / "prepared"),
    }
    prepared = prepare(Experiment.model_validate({"name": "two", "data": section}))
    assert (prepared.meta.src, prepared.meta.trg) == ("de", "en")
    assert len(prepared.split("train")) == 6
    assert prepared.tags("validation") == [""]


def test_a_corpus_of_which_nothing_is_left_is_named(tmp_path: Path) -> None:
    experiment = both_directions(tmp_path)
    tsv(tmp_path, "back", ["the lake\tder see"])
    with pytest.raises(UserError, match=r"of TSV file .*back\.tsv is left: 1 also in validation"):
        prepare(experiment)
    (tmp_path / "back.tsv").unlink()
    with pytest.raises(
        UserError, match=r"data\.corpora\.2\.tsv\.train: expected a text file, found no such file"
    ):
        prepare(experiment)
    tsv(tmp_path, "back", [])
    with pytest.raises(UserError, match=r"back\.tsv: split train is empty"):
        prepare(experiment)


def test_a_tag_that_is_no_token_of_a_saved_tokenizer_is_refused(tmp_path: Path) -> None:
    saved = prepare(both_directions(tmp_path)).folder / "tokenizer"
    tokenizer = {"kind": "saved", "path": str(saved)}
    assert len(prepare(both_directions(tmp_path, tokenizer=tokenizer)).split("train")) == 9
    corpora = [{"tsv": {"train": tsv(tmp_path, "n", TRAIN), "validation": tsv(tmp_path, "v", ["x\ty"])}}]
    corpora[0] |= {"tag": "<2nl>"}
    with pytest.raises(UserError, match=r"the tag <2nl> is no token .* its tags are <2en>, <2de>, <bt>"):
        prepare(both_directions(tmp_path, tokenizer=tokenizer, corpora=corpora))
