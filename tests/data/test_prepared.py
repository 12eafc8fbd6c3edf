"""A prepared folder is what its meta.json says, or an error that names the file."""

import json
from pathlib import Path

import pytest

from nmt.builders.corpus import open_corpus, train_tokenizers
from nmt.config.data import DataConfig
from nmt.data.preparation import prepare
from nmt.data.prepared import Prepared
from nmt.errors import UserError


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    files = {split: str(tmp_path / f"{split}.tsv") for split in ("train", "validation")}
    for path in files.values():
        Path(path).write_text(f"ein {Path(path).stem}\ta {Path(path).stem}\n", "utf-8")
    data = DataConfig.model_validate(
        {
            "tsv": files,
            "tokenizer": {"kind": "word", "min_frequency": 1},
            "prepared": str(tmp_path / "prepared"),
        }
    )
    return prepare(
        data, open_corpus(data), lambda pairs: train_tokenizers(data.tokenizer, "pairs", pairs), seed=1
    )


def test_meta_is_plain_json(prepared: Prepared) -> None:
    meta = json.loads((prepared.folder / "meta.json").read_text("utf-8"))
    assert meta["dtype"] == "uint16"
    assert set(meta["files"]) == {
        str(path.relative_to(prepared.folder))
        for path in prepared.folder.rglob("*")
        if path.is_file() and path.name != "meta.json"
    }


def test_a_dtype_that_was_edited_is_found(prepared: Prepared) -> None:
    meta = prepared.folder / "meta.json"
    meta.write_text(meta.read_text("utf-8").replace("uint16", "uint32"), "utf-8")
    with pytest.raises(UserError, match=r"meta\.json: does not match its checksum"):
        Prepared(prepared.folder)


@pytest.mark.parametrize("content", [b"x", b"[1, 2]\n", b'["a"]\n', b"\xff\xff\xff\xff", b"[" * 100_000])
def test_raw_text_of_the_same_size_that_is_no_pair_is_damage(prepared: Prepared, content: bytes) -> None:
    (prepared.folder / "validation.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"validation\.jsonl: damaged; delete "):
        prepared.raw("validation")
