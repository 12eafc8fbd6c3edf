"""Filter, encode and hash a corpus once, into a memory-mapped folder that is reused.

    data.prepared/SRC-TRG-KEY/, or KEY where there are no languages
      meta.json               what was read, kept, dropped and why; checksums of itself and every other file
      tokenizer/              as tokenizer.save_tokenizers writes it, beside the lengths of lengths.py
      SPLIT.N.SIDE.ids        segmentation N of one side of a split: the tokens of all examples, concatenated
      SPLIT.N.SIDE.offsets    where each row begins and ends
      validation.jsonl, test.jsonl    the raw text, to score against

KEY is a hash of everything that the content follows from. Only training pairs are filtered: validation and
test keep every line in order.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import compress, islice
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from nmt.config.data import DataConfig, Filters, SavedTokenizer, SubwordTokenizer
from nmt.data.corpus import Corpus, Pair, Split
from nmt.data.encoded import EncodedSplit, Side, SideWriter
from nmt.data.filtering import Reason, Reasons, Scan, by_length, by_text, counts, scan
from nmt.data.lengths import Lengths
from nmt.data.spool import SpooledCorpus, read_pairs, write_pairs
from nmt.errors import UserError
from nmt.files import MB, read_regular, sha256
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers, save_tokenizers

FORMAT = 4  # of the folder; increase it if the files or the encoding of text change
CHUNK = 4096  # pairs encoded at a time

# Maps a function that reads the training pairs, and may be called repeatedly, to the two tokenizers.
TrainTokenizers: TypeAlias = Callable[[Callable[[], Iterator[Pair]]], tuple[Tokenizer, Tokenizer]]


class SplitMeta(BaseModel):
    """What was read and written of one split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str  # over "src \t trg \n", or "trg \n" of monolingual text, of all that was read, UTF-8
    read: int
    kept: int
    segmentations: int
    src_pieces: int  # tokens of the first segmentation, without </s>
    trg_pieces: int


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
    checksum: str = ""  # sha256 of all other keys

    @property
    def seal(self) -> str:
        """Return the correct checksum."""
        return hashlib.sha256(self.model_dump_json(exclude={"checksum"}).encode()).hexdigest()

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
        if self.meta.checksum != self.meta.seal:
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

    @property
    def dropped(self) -> str:
        """How many training examples were dropped and why; "" for none."""
        return _said(self.meta.dropped)

    def summary(self) -> str:
        """Return what was read, kept and dropped and why, as a few lines for a person."""
        meta = self.meta
        languages = f", {meta.src} to {meta.trg}" if meta.src and meta.trg else ""
        lines = [f"{meta.corpus}{languages}, prepared in {self.folder}"]
        for name, split in meta.splits.items():
            several = f", {split.segmentations} segmentations" if split.segmentations > 1 else ""
            src_pieces = f"{split.src_pieces:,} + " if split.src_pieces else ""
            lines.append(
                f"  {name:<10} {split.read:>9,} {meta.rows} read, {split.kept:>9,} kept, "
                f"{src_pieces}{split.trg_pieces:,} tokens{several}"
            )
        lines.append(f"  dropped from train: {self.dropped or 'nothing'}")
        for name, count in meta.overlap.items():
            if count and not meta.dropped[f"in_{name}"]:
                lines.append(f"  kept on request: {count:,} pairs of train that are also in {name}")
        return "\n".join(lines)


_WORDS = {
    "empty": "with an empty side",
    "in_test": "also in test",
    "in_validation": "also in validation",
    "duplicate": "exact duplicates",
    "too_long": "too long",
    "ratio": "with sides of too different length",
}


def _said(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {_WORDS[reason]}" for reason, count in dropped.items() if count)


def prepare(
    data: DataConfig,
    corpus: Corpus,
    train_tokenizers: TrainTokenizers,
    *,
    seed: int,
    log: Callable[[str], None] = lambda message: None,
) -> Prepared:
    """Return the prepared corpus: the existing folder if nothing changed, else a new one.

    A new folder is written under another name and renamed when it is complete, so that neither an
    interruption nor a second process leaves half of one. A damaged folder is replaced. `say` hears one line
    for each stage.
    """
    key = _key(data, corpus, seed)
    # Languages name columns, which may be called anything: the key tells folders apart.
    words = (
        re.sub(r"[^\w.-]", "_", language)[:32].lstrip(".") for language in filter(None, corpus.languages)
    )
    folder = Path(data.prepared) / "-".join([*words, key[:16]])
    if folder.exists():
        try:
            return _of_key(folder, key)
        except UserError as error:
            log(f"{error}: preparing it again")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            new = Path(temporary) / "new"
            _write(new, key, data, corpus, train_tokenizers, seed, log)
            return _put(new, folder, key)
    except OSError as error:
        raise UserError(f"data.prepared: cannot write {folder}: {error.strerror or error}") from error


def _key(data: DataConfig, corpus: Corpus, seed: int) -> str:
    content = {
        "format": FORMAT,
        "packages": {name: _version(name) for name in ("sentencepiece", "torchtext")},
        **({"seed": seed} if _samples(data) else {}),
        "text": {split: corpus.fingerprint(split) for split in corpus.splits},
        # Without the paths of the text, which its fingerprints identify.
        **data.model_dump(mode="json", include={"src", "trg", "tokenizer", "normalize", "filters"}),
        "rows": corpus.rows,
        **({"continuous": True} if corpus.continuous else {}),
        **(
            {"tokenizers": _fingerprints(saved)}
            if isinstance(saved := data.tokenizer, SavedTokenizer)
            else {}
        ),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fingerprints(saved: SavedTokenizer) -> list[str]:
    """Of what lies in the folder now: it may be another run's later."""
    return [tokenizer.fingerprint for tokenizer in load_tokenizers(Path(saved.path))]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _of_key(folder: Path, key: str) -> Prepared:
    """Return the prepared corpus in a folder; raises UserError if it is damaged or another one."""
    prepared = Prepared(folder)
    if prepared.meta.key != key:
        raise UserError(f"{folder}: holds a different corpus than its name says; delete it")
    return prepared


def _put(new: Path, folder: Path, key: str) -> Prepared:
    """Rename new to folder; if another process finished first, use its result."""
    try:
        new.rename(folder)
    except OSError:
        try:
            return _of_key(folder, key)
        except UserError:  # damaged, or there is another reason why new cannot be put there
            with suppress(FileNotFoundError):
                folder.rename(new.with_name("damaged"))
            new.rename(folder)
    return Prepared(folder)


def _write(
    folder: Path,
    key: str,
    data: DataConfig,
    corpus: Corpus,
    train_tokenizers: TrainTokenizers,
    seed: int,
    log: Callable[[str], None],
) -> None:
    """Write all files of a folder, meta.json last."""
    folder.mkdir()
    if corpus.streamed:
        corpus = SpooledCorpus(corpus, folder.with_name("spool"))
    scans: dict[Split, Scan] = {}
    for split in corpus.splits:
        log(f"reading {split} of {corpus.describe(split)}")
        scans[split] = scan(corpus.pairs(split), monolingual=corpus.rows == "text")
        if not len(scans[split]):
            raise UserError(f"{corpus.describe(split)}: split {split} is empty; expected at least one pair")
        if split != "train" and scans[split].empty.all():
            raise UserError(
                f"{corpus.describe(split)}: every example of split {split} has an empty side; "
                "check its files and the names of its columns"
            )
        if decomposed := scans[split].decomposed:
            log(
                f"{decomposed:,} texts of {split} hold decomposed characters, which are other "
                "text to a model than composed ones; data.normalize: nfc composes them"
            )
    filters = _filters(data.filters, corpus)
    reasons, overlap = np.full(len(scans["train"]), Reason.KEPT, np.uint8), dict[Split, int]()
    if filters is not None:
        reasons, overlap = by_text(scans, filters)
    chosen = reasons == Reason.KEPT
    _something_left(corpus, reasons)

    def train_pairs() -> Iterator[Pair]:
        return compress(corpus.pairs("train"), chosen.tobytes())

    log("training the tokenizer")
    tokenizers = train_tokenizers(train_pairs)
    save_tokenizers(folder / "tokenizer", *tokenizers)

    dtype: Literal["uint16", "uint32"] = "uint32"
    if all(len(tokenizer.vocabulary) <= 1 << 16 for tokenizer in tokenizers):
        dtype = "uint16"
    written: dict[Split, _Written] = {}
    for split in corpus.splits:
        log(f"encoding {split}")
        files = folder / split
        if split == "train":
            samplers = [np.random.default_rng((seed, number)) for number in range(_samples(data))]
            lengths = Lengths() if corpus.rows == "pairs" else None
            written[split] = _encode(train_pairs(), tokenizers, files, dtype, filters, samplers, lengths)
            reasons[chosen] = written[split].reasons
            _something_left(corpus, reasons)
            if lengths:
                lengths.measured().save(folder / "tokenizer")
        else:
            written[split] = _encode(corpus.pairs(split), tokenizers, files, dtype)
            write_pairs(corpus.pairs(split), folder / f"{split}.jsonl")

    meta = Meta(
        key=key,
        corpus=corpus.describe(),
        rows="pairs" if corpus.rows == "pairs" else "lines",
        src=corpus.languages.src,
        trg=corpus.languages.trg,
        dtype=dtype,
        splits={
            split: SplitMeta(
                sha256=scans[split].sha256,
                read=len(scans[split]),
                kept=int((of.reasons == Reason.KEPT).sum()),
                segmentations=of.segmentations,
                src_pieces=of.src_pieces,
                trg_pieces=of.trg_pieces,
            )
            for split, of in written.items()
        },
        dropped=counts(reasons),
        overlap=overlap,
        files={str(path.relative_to(folder)): sha256(path) for path in _files(folder)},
    )
    meta = meta.model_copy(update={"checksum": meta.seal})
    (folder / "meta.json").write_text(meta.model_dump_json(indent=2) + "\n", "utf-8")
    for path in _files(folder):
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _filters(filters: Filters, corpus: Corpus) -> Filters | None:
    """Return the filters of the training examples; None if nothing may be dropped."""
    if corpus.continuous:
        return None
    chosen: dict[str, object] = {}
    if filters.drop_duplicates is None:
        chosen["drop_duplicates"] = corpus.rows == "pairs"
    if corpus.rows != "pairs":  # the ratio of lengths means something for translations only
        chosen["max_ratio"] = np.inf
    return filters.model_copy(update=chosen)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _something_left(corpus: Corpus, reasons: Reasons) -> None:
    if not (reasons == Reason.KEPT).any():
        raise UserError(
            f"data.filters: no pair of train of {corpus.describe()} is left: {_said(counts(reasons))}"
        )


def _samples(data: DataConfig) -> int:
    """Return the number of sampled segmentations of the training text; the seed affects only these."""
    match data.tokenizer:
        case SubwordTokenizer(dropout=dropout, samples=samples) if dropout > 0:
            return samples
    return 0


class _Written(NamedTuple):
    """What was written of a split; reasons has one element per pair read."""

    reasons: Reasons
    segmentations: int
    src_pieces: int
    trg_pieces: int


def _encode(
    pairs: Iterator[Pair],
    tokenizers: tuple[Tokenizer, Tokenizer],
    files: Path,
    dtype: str,
    filters: Filters | None = None,
    samplers: Iterable[np.random.Generator] = (),
    lengths: Lengths | None = None,
) -> _Written:
    """Write FILES.N.SIDE: one segmentation per sampler, or the plain one if there is none.

    The filters look at the plain one in any case, so that what is kept does not depend on what is drawn;
    `lengths` takes in that of the rows that are kept.
    """
    src_tokenizer, trg_tokenizer = tokenizers
    reasons = []
    with ExitStack() as stack:
        plans = [
            (
                sampler,
                stack.enter_context(SideWriter(files.with_name(f"{files.name}.{number}.src"), dtype)),
                stack.enter_context(SideWriter(files.with_name(f"{files.name}.{number}.trg"), dtype)),
            )
            for number, sampler in enumerate(list(samplers) or [None])
        ]
        while chunk := list(islice(pairs, CHUNK)):
            src, trg = (
                src_tokenizer.encode_batch([p.src for p in chunk]),
                trg_tokenizer.encode_batch([p.trg for p in chunk]),
            )
            reasons.append(_by_length(src, trg, filters))
            kept = np.flatnonzero(reasons[-1] == Reason.KEPT)
            if lengths:
                lengths.add([chunk[i].src for i in kept], [src[i] for i in kept], [trg[i] for i in kept])
            for sampler, src_writer, trg_writer in plans:
                if sampler is None:
                    src_writer.append([src[i] for i in kept])
                    trg_writer.append([trg[i] for i in kept])
                else:
                    src_seed, trg_seed = sampler.integers(1 << 32, size=2).tolist()
                    src_writer.append(src_tokenizer.sample_batch([chunk[i].src for i in kept], src_seed))
                    trg_writer.append(trg_tokenizer.sample_batch([chunk[i].trg for i in kept], trg_seed))
    _, src_writer, trg_writer = plans[0]
    return _Written(np.concatenate(reasons), len(plans), src_writer.pieces, trg_writer.pieces)


def _by_length(src: list[list[int]], trg: list[list[int]], filters: Filters | None) -> Reasons:
    if filters is None:
        return np.full(len(src), Reason.KEPT, np.uint8)
    lengths = [np.fromiter(map(len, rows), np.int32, len(rows)) for rows in (src, trg)]
    return by_length(lengths[0], lengths[1], filters)
