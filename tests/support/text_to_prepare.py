"""A small corpus of pairs in files, with all that preparation has to decide about."""

from pathlib import Path

from nmt.config.data import DataConfig
from nmt.data.corpus import Split
from nmt.data.prepared import Prepared

TRAIN = [
    "das haus\tthe house",
    "ein baum\ta tree",
    "das haus\tthe house",
    "\tnothing",
    "der test\tthe test",
    "der test\tthe exam",
    "a b c d e f g h\ttoo long",
    "das ist ein baum\ttree",
    "ein haus am see\ta house by the lake",
]
VALIDATION = ["ein see\ta lake", "\tempty", "a b c d e f g h i j\ttoo long"]
TEST = ["der test\tthe test", "zeile\u2028zwei\u0085\ttwo", "ein baum am haus\ttree"]


def config(folder: Path, *, test: bool = True, **section: object) -> DataConfig:
    splits = {"train": TRAIN, "validation": VALIDATION} | ({"test": TEST} if test else {})
    folder.mkdir(exist_ok=True)
    for split, lines in splits.items():
        path = folder / f"{split}.tsv"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")
    return DataConfig.model_validate(
        {
            "tsv": {split: str(folder / f"{split}.tsv") for split in splits},
            "tokenizer": {"kind": "word"},
            "filters": {"max_length": 7, "max_ratio": 3},
            "prepared": str(folder / "prepared"),
        }
        | section
    )


def text(prepared: Prepared, split: Split) -> list[tuple[str, str]]:
    encoded = prepared.split(split)
    src, trg = encoded.rows(range(len(encoded)))
    return [
        (prepared.src_tokenizer.decode(s.tolist()), prepared.trg_tokenizer.decode(t.tolist()))
        for s, t in zip(src, trg, strict=True)
    ]
