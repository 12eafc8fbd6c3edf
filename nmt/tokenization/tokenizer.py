"""Text ↔ ids: what every tokenizer does, and how one is saved and loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nmt.errors import UserError
from nmt.tokenization.preprocessing import PreprocessedTokenizer, Preprocessing
from nmt.tokenization.reversal import ReversedTokenizer
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer_files import Descriptor, Kind, read_tokenizer
from nmt.tokenization.vocabulary import Vocabulary
from nmt.tokenization.words import TorchtextTokenizer, WordTokenizer


class Tokenizer(Protocol):
    """Converts text to ids and back; two tokenizers with the same `fingerprint` do it alike.

    banned: ids that a search must never emit, because they carry no text or would break the line. (The
    tokenizer of a stranger may hold any token.)
    """

    vocabulary: Vocabulary
    banned: tuple[int, ...]

    @property
    def kind(self) -> Kind:
        """The value of data.tokenizer.kind."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that determines encoding and decoding."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without BOS and EOS."""
        ...

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text, faster."""
        ...

    def sample_batch(self, texts: Sequence[str], seed: int) -> list[list[int]]:
        """Return one random segmentation of each text; the same (texts, seed) gives the same ids.

        Without anything to sample (words, characters, dropout 0) it is `encode_batch`.
        """
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids; PAD, BOS and EOS (and UNK if it carries no text) are skipped."""
        ...

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens as in the vocabulary, printable, for a person."""
        ...

    def surfaces(self) -> tuple[bytes, ...]:
        """Return what each token adds to a text, in UTF-8, a space before a word included; b"" for none."""
        ...

    def word_starts(self, ids: Sequence[int]) -> list[bool]:
        """Return which tokens begin a word (text between spaces); the first always does.

        Spaces belong to the next word, at the end of the text to the last. A special token is a word of its
        own.
        """
        ...

    def words(self, text: str) -> list[str]:
        """Return the words of a text as they stand in it, of which `word_starts` says where they start."""
        ...

    def save(self, folder: Path, side: str) -> None:
        """Write SIDE.json and the file it describes, for `load_tokenizer`."""
        ...


def load_tokenizer(folder: Path, side: str) -> Tokenizer:
    """Return the tokenizer that `save` wrote; raises UserError for a missing or changed file."""
    descriptor, path, data = read_tokenizer(folder, side)
    try:
        tokenizer: Tokenizer = _made(descriptor, data)
    except (UserError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: cannot be used as a {descriptor.kind} tokenizer: {error}") from None
    if descriptor.reversed:
        tokenizer = ReversedTokenizer(tokenizer)
    how = Preprocessing(moses=descriptor.moses, lowercase=descriptor.lowercased)
    how.check()
    return PreprocessedTokenizer(tokenizer, how) if how else tokenizer


def _made(descriptor: Descriptor, data: bytes) -> Tokenizer:
    match descriptor.kind:
        case "word":
            return WordTokenizer(Vocabulary.from_json(data), lowercase=descriptor.lowercase)
        case "torchtext":
            return TorchtextTokenizer(Vocabulary.from_json(data), lowercase=descriptor.lowercase)
        case kind:
            return SentencePieceTokenizer(data, kind=kind, dropout=descriptor.dropout)


def save_tokenizers(folder: Path, src: Tokenizer, trg: Tokenizer) -> None:
    """Write both sides into a folder: `shared.*` if they are one object, else `src.*` and `trg.*`."""
    if src is trg:
        src.save(folder, "shared")
    else:
        (folder / "shared.json").unlink(missing_ok=True)  # it would be read first
        src.save(folder, "src")
        trg.save(folder, "trg")


def load_tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """Return (src, trg) as written by `save_tokenizers`; the same object twice if they are shared."""
    if (folder / "shared.json").exists():
        shared = load_tokenizer(folder, "shared")
        return shared, shared
    return load_tokenizer(folder, "src"), load_tokenizer(folder, "trg")
