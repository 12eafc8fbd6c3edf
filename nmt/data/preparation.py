"""Filter, encode and hash a corpus, into a folder as nmt.data.prepared reads it."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import chain, compress, islice, tee
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from nmt.config.data import DataConfig, Filters, PreprocessConfig, SavedTokenizer, SubwordTokenizer
from nmt.data.corpus import Corpus, Member, Pair, Split
from nmt.data.encoded import SideWriter
from nmt.data.filtering import Reason, Reasons, Scan, by_length, by_text, counts, describe, scan
from nmt.data.lengths import Lengths
from nmt.data.mixture import MixedCorpus
from nmt.data.prepared import Meta, Prepared, SplitMeta
from nmt.data.spool import SpooledCorpus, write_pairs
from nmt.data.text import tagged
from nmt.errors import UserError
from nmt.files import sha256
from nmt.results import package_version
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers, save_tokenizers

FORMAT = 4  # of the folder; increase it if the files or the encoding of text change
CHUNK = 4096  # pairs encoded at a time

# Maps a function that reads the training pairs, and may be called repeatedly, to the two tokenizers.
TrainTokenizers: TypeAlias = Callable[[Callable[[], Iterator[Pair]]], tuple[Tokenizer, Tokenizer]]


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
    interruption nor a second process leaves half of one. A damaged folder is replaced. log: gets a line for
    each stage.
    """
    key = _key(data, corpus, seed)
    # Languages name columns and may be any text, so the key distinguishes folders.
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
    content: dict[str, object] = {
        "format": FORMAT,
        "packages": {name: package_version(name) for name in ("sentencepiece", "torchtext")},
        **({"seed": seed} if _samples(data) else {}),
        "text": {split: corpus.fingerprint(split) for split in corpus.splits},
        # Without the paths of the text: its fingerprints identify it.
        **data.model_dump(mode="json", include={"src", "trg", "tokenizer", "normalize", "filters"}),
        "rows": corpus.rows,
        **({"continuous": True} if corpus.continuous else {}),
        **({"corpora": [[each.languages, tag] for each, tag in corpus.members]} if _mixed(corpus) else {}),
    }
    if data.preprocess != PreprocessConfig():
        version = package_version("sacremoses")
        content["preprocess"] = {**data.preprocess.model_dump(), "sacremoses": version}
    if data.reverse_target:
        content["reverse_target"] = True
    if isinstance(saved := data.tokenizer, SavedTokenizer):
        # Of what lies in the folder now: it may be another run's later.
        content["tokenizers"] = [each.fingerprint for each in load_tokenizers(Path(saved.path))]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
        except UserError:  # damaged, or new cannot be put there for another reason
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
    corpus = _spooled(corpus, folder.with_name("spool"))
    scans, sizes = dict[Split, Scan](), dict[Split, list[int]]()
    for split in corpus.splits:
        scans[split], sizes[split] = _scan(corpus, split, log)
    filters = _filters(data.filters, corpus)
    reasons, overlap = np.full(len(scans["train"]), Reason.KEPT, np.uint8), dict[Split, int]()
    if filters is not None:
        reasons, overlap = by_text(scans, filters)
    chosen = reasons == Reason.KEPT
    _something_left(corpus, reasons, sizes["train"])

    def train_parts() -> Iterator[_Part]:
        parts = np.split(chosen, np.cumsum(sizes["train"])[:-1])
        for (each, tag), kept in zip(corpus.members, parts, strict=True):
            yield _Part(compress(each.pairs("train"), kept.tobytes()), tag)

    def train_pairs() -> Iterator[Pair]:
        return chain.from_iterable(part.pairs for part in train_parts())

    log("training the tokenizer")
    tokenizers = train_tokenizers(train_pairs)
    save_tokenizers(folder / "tokenizer", *tokenizers)

    dtype: Literal["uint16", "uint32"] = "uint32"
    if all(len(tokenizer.vocabulary) <= 1 << 16 for tokenizer in tokenizers):
        dtype = "uint16"
    splits: dict[Split, SplitMeta] = {}
    for split in corpus.splits:
        log(f"encoding {split}")
        files, scanned = folder / split, scans[split]
        kept = sizes[split]
        if split == "train":
            samplers = [np.random.default_rng((seed, number)) for number in range(_samples(data))]
            lengths = Lengths() if corpus.rows == "pairs" else None
            splits[split], reasons[chosen] = _encode(
                train_parts(), tokenizers, files, dtype, scanned, filters, samplers, lengths
            )
            kept = _something_left(corpus, reasons, kept)
            if lengths:
                lengths.measured().save(folder / "tokenizer")
        else:
            held_out = (_Part(each.pairs(split), tag) for each, tag in corpus.members if split in each.splits)
            splits[split], _ = _encode(held_out, tokenizers, files, dtype, scanned)
            write_pairs(corpus.pairs(split), folder / f"{split}.jsonl")
        if _mixed(corpus):
            splits[split] = splits[split].model_copy(update={"members": tuple(kept)})

    meta = Meta(
        key=key,
        corpus=corpus.describe(),
        rows="pairs" if corpus.rows == "pairs" else "lines",
        src=corpus.languages.src,
        trg=corpus.languages.trg,
        dtype=dtype,
        splits=splits,
        dropped=counts(reasons),
        overlap=overlap,
        files={str(path.relative_to(folder)): sha256(path) for path in _files(folder)},
    )
    if _mixed(corpus):
        meta = meta.model_copy(update={"tags": tuple(tag or "" for _, tag in corpus.members)})
    meta = meta.model_copy(update={"checksum": meta.expected_checksum})
    (folder / "meta.json").write_text(meta.to_json(), "utf-8")
    for path in _files(folder):
        with path.open("rb+") as file:
            os.fsync(file.fileno())


class _Part(NamedTuple):
    """The pairs of one corpus, and the tag of its sources."""

    pairs: Iterator[Pair]
    tag: str | None


def _mixed(corpus: Corpus) -> bool:
    return isinstance(corpus, MixedCorpus)


def _spooled(corpus: Corpus, folder: Path) -> Corpus:
    """Return the corpus with a copy below the folder of what would be fetched at each reading."""
    if isinstance(corpus, MixedCorpus):
        folder.mkdir()
        parts = enumerate(corpus.members)
        return MixedCorpus([Member(_spooled(each, folder / str(n)), tag) for n, (each, tag) in parts])
    return SpooledCorpus(corpus, folder) if corpus.streamed else corpus


def _scan(corpus: Corpus, split: Split, log: Callable[[str], None]) -> tuple[Scan, list[int]]:
    """Read a split once; return what it is and how many pairs each corpus has.

    Raises UserError if there is nothing to train on or to score.
    """
    log(f"reading {split} of {corpus.describe(split)}")
    sizes = [0] * len(corpus.members)

    def read() -> Iterator[tuple[Pair, str | None]]:
        for number, (each, tag) in enumerate(corpus.members):
            for pair in each.pairs(split) if split in each.splits else ():
                sizes[number] += 1
                yield pair, tag

    pairs, tags = tee(read())
    found = scan(
        (pair for pair, _ in pairs),
        monolingual=corpus.rows == "text",
        tags=(tag or "" for _, tag in tags) if _mixed(corpus) else None,
    )
    for size, (each, _) in zip(sizes, corpus.members, strict=True):
        if not size and split in each.splits:
            raise UserError(f"{each.describe(split)}: split {split} is empty; expected at least one pair")
    if split != "train" and found.empty.all():
        raise UserError(
            f"{corpus.describe(split)}: every example of split {split} has an empty side; "
            "check its files and the names of its columns"
        )
    if found.decomposed:
        log(
            f"{found.decomposed:,} texts of {split} have decomposed characters, which a model "
            "treats as different from composed ones; data.normalize: nfc composes them"
        )
    return found, sizes


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


def _something_left(corpus: Corpus, reasons: Reasons, sizes: Sequence[int]) -> list[int]:
    """Return how many training pairs of each corpus are kept; raises UserError if none of one is."""
    left = []
    for (each, _), part in zip(corpus.members, np.split(reasons, np.cumsum(sizes)[:-1]), strict=True):
        left.append(int((part == Reason.KEPT).sum()))
        if not left[-1]:
            raise UserError(
                f"data.filters: no pair of train of {each.describe()} is left: {describe(counts(part))}"
            )
    return left


def _samples(data: DataConfig) -> int:
    """Return the number of sampled segmentations of the training text; the seed affects only these."""
    match data.tokenizer:
        case SubwordTokenizer(dropout=dropout, samples=samples) if dropout > 0:
            return samples
    return 0


def _encode(
    parts: Iterable[_Part],
    tokenizers: tuple[Tokenizer, Tokenizer],
    files: Path,
    dtype: str,
    scanned: Scan,
    filters: Filters | None = None,
    samplers: Iterable[np.random.Generator] = (),
    lengths: Lengths | None = None,
) -> tuple[SplitMeta, Reasons]:
    """Write FILES.N.SIDE: one segmentation per sampler, or the plain one if there is none.

    The filters look at the plain one in any case, so that what is kept does not depend on what is sampled;
    `lengths` takes in that of the examples that are kept. Return a reason for each pair too.
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
        for chunk, tag in _chunks(parts, src_tokenizer):
            src = [tagged(ids, tag) for ids in src_tokenizer.encode_batch([p.src for p in chunk])]
            trg = trg_tokenizer.encode_batch([p.trg for p in chunk])
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
                    sampled = src_tokenizer.sample_batch([chunk[i].src for i in kept], src_seed)
                    src_writer.append([tagged(ids, tag) for ids in sampled])
                    trg_writer.append(trg_tokenizer.sample_batch([chunk[i].trg for i in kept], trg_seed))
    _, src_writer, trg_writer = plans[0]
    found = np.concatenate(reasons)
    meta = SplitMeta(
        sha256=scanned.sha256,
        read=len(scanned),
        kept=int((found == Reason.KEPT).sum()),
        segmentations=len(plans),
        src_pieces=src_writer.tokens,
        trg_pieces=trg_writer.tokens,
    )
    return meta, found


def _chunks(parts: Iterable[_Part], tokenizer: Tokenizer) -> Iterator[tuple[list[Pair], int | None]]:
    """Yield some pairs at a time, and the id of their tag."""
    for pairs, tag in parts:
        number = None if tag is None else tokenizer.vocabulary.tag(tag)
        while chunk := list(islice(pairs, CHUNK)):
            yield chunk, number


def _by_length(src: list[list[int]], trg: list[list[int]], filters: Filters | None) -> Reasons:
    if filters is None:
        return np.full(len(src), Reason.KEPT, np.uint8)
    lengths = [np.fromiter(map(len, rows), np.int32, len(rows)) for rows in (src, trg)]
    return by_length(lengths[0], lengths[1], filters)
