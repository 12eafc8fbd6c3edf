"""A raw text becomes the same ids wherever it is read."""

import unicodedata
from pathlib import Path

import pytest

from nmt.builders.corpus import corpus_of
from nmt.builders.tokenizer import build_normalizer
from nmt.config import Experiment
from nmt.data.text import Normalizer, TextEncoder
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.workflows.prepare import prepare_data

DECOMPOSED = unicodedata.normalize("NFD", "für")
LINES = [
    " ein Haus \tone house",
    f"{DECOMPOSED} zwei\t two houses",
    "\u2003drei\x85\tthree\r",
    "a  b\tc\x0bd",
]


@pytest.mark.parametrize(
    ("form", "strip", "text", "expected"),
    [
        ("none", True, " a  b\u2028\r", "a  b"),
        ("none", True, "a\x0bb\x00\u2028c\x85d", "a\x0bb\x00\u2028c\x85d"),
        ("none", True, DECOMPOSED, DECOMPOSED),
        ("nfc", True, f" {DECOMPOSED}", "für"),
        ("nfc", False, f" {DECOMPOSED} ", " für "),
    ],
)
def test_what_is_read_of_a_text(form: str, strip: bool, text: str, expected: str) -> None:
    normalize = Normalizer(form, strip)  # type: ignore[arg-type]
    assert normalize(text) == normalize(normalize(text)) == expected
    tokenizer = SentencePieceTokenizer.train(["für a b c d"], kind="char")
    encoder = TextEncoder(tokenizer, normalize)
    assert encoder.encode(text) == encoder.encode_batch([text])[0] == tokenizer.encode(expected)


def experiment(folder: Path, **data: object) -> Experiment:
    (folder / "text.tsv").write_text("".join(f"{line}\n" for line in LINES), "utf-8", newline="\n")
    tsv = {split: str(folder / "text.tsv") for split in ("train", "validation")}
    return Experiment.model_validate(
        {
            "name": "text",
            "data": {
                "tsv": tsv,
                "tokenizer": {"kind": "char"},
                "filters": {"drop_test_overlap": False},
                "prepared": str(folder / "prepared"),
                **data,
            },
        }
    )


@pytest.mark.parametrize("form", ["none", "nfc"])
def test_preparation_reads_a_line_as_the_encoder_does(tmp_path: Path, form: str) -> None:
    config = experiment(tmp_path, normalize=form)
    prepared = prepare_data(config, lambda message: None)
    lines = [line.split("\t") for line in LINES]
    normalize = build_normalizer(config.data)
    for split in ("train", "validation"):
        encoded = prepared.split(split)  # type: ignore[arg-type]
        src, trg = encoded.rows(range(len(encoded)))
        of_src, of_trg = (TextEncoder(t, normalize) for t in (prepared.src_tokenizer, prepared.trg_tokenizer))
        assert [row.tolist() for row in src] == [of_src.encode(line[0]) for line in lines]
        assert [row.tolist() for row in trg] == [of_trg.encode(line[1]) for line in lines]
    assert prepared.raw("validation") == list(corpus_of(config).pairs("validation"))
    assert (prepared.raw("validation")[1].src == "für zwei") == (form == "nfc")


def test_decomposed_characters_are_told_unless_they_are_composed(tmp_path: Path) -> None:
    said: list[str] = []
    prepare_data(experiment(tmp_path), said.append)
    assert any("1 texts of train have decomposed characters" in line for line in said)
    said.clear()
    prepare_data(experiment(tmp_path, normalize="nfc"), said.append)
    assert said
    assert not any("decomposed characters" in line for line in said)
