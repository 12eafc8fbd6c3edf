"""A prepared corpus: filtered, encoded and hashed once, in a memory-mapped folder that is reused.

    data.prepared/SRC-TRG-KEY/, or KEY where there are no languages
      meta.json               what was read, kept, dropped and why; checksums of itself and every other file
      tokenizer/              as tokenizer.save_tokenizers writes it, beside the lengths of lengths.py
      SPLIT.N.SIDE.ids        segmentation N of one side of a split: the tokens of all examples, concatenated
      SPLIT.N.SIDE.offsets    where each row begins and ends
      validation.jsonl, test.jsonl    the raw text, to score against

KEY is a hash of everything that determines the content. Only training pairs are filtered: validation and
test keep every line in order. nmt.data.preparation writes such a folder.
"""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nmt.data.corpus import Pair, Split
from nmt.data.encoded import EncodedSplit, Side
from nmt.data.filtering import describe
from nmt.data.spool import read_pairs
from nmt.errors import UserError
from nmt.files import MB, read_regular, sha256
from nmt.tokenization.tokenizer import load_tokenizers


class SplitMeta(BaseModel):
    """What was read and written of one split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str  # over "src \t trg \n", or "trg \n" of monolingual text, of all that was read, UTF-8
    read: int
    kept: int
    segmentations: int
    src_pieces: int  # tokens of the first segmentation, without </s>
    trg_pieces: int
    members: tuple[int, ...] = ()  # of several corpora: how many of the kept pairs are of each, in order


class Meta(BaseModel):
    """The content of meta.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    corpus: str
    rows: Literal["pairs", "lines"]
    src: str | None  # languages; null if unknown, or if the corpus is no translation
    trg: str | None
    dtype: Literal["uint16", "uint32"]  # of the ids
    splits: dict[Split, SplitMeta]
    dropped: dict[str, int]  # training pairs by reason
    overlap: dict[Split, int]  # training pairs that are also in test or validation, dropped or not
    files: dict[str, str]  # sha256
    tags: tuple[str, ...] = ()  # of several corpora: the token before the sources of each, "" for none
    checksum: str = ""  # sha256 of all other keys

    @property
    def expected_checksum(self) -> str:
        """Return the correct checksum."""
        # Of what was written: a folder of one corpus, or of an earlier version, has fewer keys.
        text = self.model_dump_json(exclude={"checksum"}, exclude_unset=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the content of the file; what is of several corpora stands there only if there are."""
        return self.model_dump_json(indent=2, exclude_unset=True) + "\n"

    @property
    def data_hashes(self) -> dict[Split, str]:
        """Return the sha256 of the raw text of each split, for result.json."""
        return {split: meta.sha256 for split, meta in self.splits.items()}


class Prepared:
    """A prepared corpus on disk, read-only; raises UserError that names a missing or damaged file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.meta = Meta.model_validate_json(read_regular(folder / "meta.json", 10 * MB))
        except (OSError, ValidationError) as error:
            raise UserError(f"{folder / 'meta.json'}: missing or damaged; delete {folder}") from error
        if self.meta.checksum != self.meta.expected_checksum:
            raise UserError(f"{folder / 'meta.json'}: does not match its checksum; delete {folder}")
        for name, expected in self.meta.files.items():
            path = folder / name
            try:
                found = sha256(path, within=folder)
            except OSError as error:
                raise UserError(f"{path}: cannot be read ({error.strerror}); delete {folder}") from None
            if found != expected:
                raise UserError(f"{path}: does not match its checksum in meta.json; delete {folder}")
        self.src_tokenizer, self.trg_tokenizer = load_tokenizers(folder / "tokenizer")

    @property
    def splits(self) -> tuple[Split, ...]:
        """The existing splits, train first."""
        return tuple(self.meta.splits)

    def split(self, name: Split) -> EncodedSplit:
        """Return the pairs of a split as token ids, mapped from disk."""
        numbers = range(self.meta.splits[name].segmentations)
        return EncodedSplit(
            [Side.open(self.folder / f"{name}.{number}.src", self.meta.dtype) for number in numbers],
            [Side.open(self.folder / f"{name}.{number}.trg", self.meta.dtype) for number in numbers],
        )

    def raw(self, name: Literal["validation", "test"]) -> list[Pair]:
        """Return the text of the validation or test split, all lines in order."""
        path = self.folder / f"{name}.jsonl"
        try:
            return list(read_pairs(path))
        except (OSError, ValidationError):
            raise UserError(f"{path}: damaged; delete {self.folder}") from None

    def tags(self, name: Split) -> list[str]:
        """Return the token before the source of each pair of a split, "" for none."""
        split = self.meta.splits[name]
        if not split.members:
            return [""] * split.kept
        return [tag for tag, count in zip(self.meta.tags, split.members, strict=True) for _ in range(count)]

    @property
    def dropped(self) -> str:
        """How many training examples were dropped and why; "" for none."""
        return describe(self.meta.dropped)

    def summary(self) -> str:
        """Return what was read, kept and dropped and why, as a few lines for a person."""
        meta = self.meta
        languages = f", {meta.src} to {meta.trg}" if meta.src and meta.trg else ""
        lines = [f"{meta.corpus}{languages}, prepared in {self.folder}"]
        for name, split in meta.splits.items():
            several = f", {split.segmentations} segmentations" if split.segmentations > 1 else ""
            src_tokens = f"{split.src_pieces:,} + " if split.src_pieces else ""
            lines.append(
                f"  {name:<10} {split.read:>9,} {meta.rows} read, {split.kept:>9,} kept, "
                f"{src_tokens}{split.trg_pieces:,} tokens{several}"
            )
        for number, kept in enumerate(meta.splits["train"].members):
            tag = f", tag {meta.tags[number]}" if meta.tags[number] else ""
            lines.append(f"  corpus {number:<3} {kept:>9,} {meta.rows} of train kept{tag}")
        lines.append(f"  dropped from train: {self.dropped or 'nothing'}")
        for name, count in meta.overlap.items():
            if count and not meta.dropped[f"in_{name}"]:
                lines.append(f"  kept on request: {count:,} pairs of train that are also in {name}")
        return "\n".join(lines)
