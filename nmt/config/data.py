"""Where the text comes from, how it is tokenized and what is filtered out."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from nmt.config.section import Count, Name, PathName, Section, Seed

_VOCABULARY = 10_000_000  # tokens, at most

# Of the text before tokenization: none, or Unicode's composed form.
Normalization = Literal["none", "nfc"]


class SplitNames(Section):
    """The names of the three splits in the dataset."""

    train: Name = Field("train", description="name of the training split")
    validation: Name | None = Field(
        "validation", description="name of the validation split; null = none, in corpora only"
    )
    test: Name | None = Field("test", description="name of the test split; null = none")


class HubDataset(Section):
    """A dataset of the hub or in a local folder; in the file its keys are in `data` itself."""

    dataset: PathName
    config: str | None
    revision: str | None
    splits: SplitNames
    streaming: bool


class BuiltinCorpus(Section):
    """The corpus in the package: English–German pairs from a synchronous grammar."""

    train: int = Field(20000, ge=100, le=10**9, description="number of training pairs")
    validation: int | None = Field(
        500, ge=10, le=10**9, description="number of validation pairs; null = none, in corpora only"
    )
    test: int | None = Field(500, ge=10, le=10**9, description="number of test pairs; null = none")
    seed: Seed = Field(1, description="random seed of the sentences")


class FilePair(Section):
    """Two text files in which line n of one translates line n of the other; plain or .gz."""

    src: PathName = Field(description="source text, one sentence per line")
    trg: PathName = Field(description="target text, one sentence per line")


class TextFiles(Section):
    """A pair of text files for each split."""

    train: FilePair = Field(description="training text")
    validation: FilePair | None = Field(
        None, description="validation text; required but for some of the corpora"
    )
    test: FilePair | None = Field(None, description="test text; null = none")


class SplitFiles(Section):
    """One file for each split; plain or .gz."""

    train: PathName = Field(description="training file")
    validation: PathName | None = Field(
        None, description="validation file; required but for some of the corpora"
    )
    test: PathName | None = Field(None, description="test file; null = none")


class TsvFiles(SplitFiles):
    """One tab-separated file for each split: source, tab, target; plain or .gz."""

    swap: bool = Field(False, description="the columns are target, tab, source")


class PlainText(Section):
    """Text of one language, for a language model; plain or .gz."""

    train: PathName = Field(description="training file")
    validation: PathName | None = Field(None, description="validation file; or set held_out")
    test: PathName | None = Field(None, description="test file; null = none")
    held_out: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="instead of a validation file: fraction of train to validate on, evenly spread lines; "
        "for one long text the last lines, by characters",
    )
    lines: bool = Field(
        True,
        description="true: every line is a separate text, such as a name; false: one long text, in which "
        "each line continues the one before",
    )

    @model_validator(mode="after")
    def _one_validation(self) -> Self:
        if (self.validation is None) == (self.held_out is None):
            found = "neither" if self.validation is None else "both"
            raise ValueError(f"give exactly one of validation, held_out; found {found}")
        return self


class LabelledText(SplitFiles):
    """One file for each split: text, tab, its label or one label per word; plain or .gz."""


FilesConfig: TypeAlias = TextFiles | TsvFiles | PlainText | LabelledText
PAIRS = {  # the keys that name a corpus of pairs, and whether its texts are found by language
    "dataset": True,
    "files": False,
    "tsv": False,
    "builtin": True,
}


def _token(tag: str) -> str:
    # Of every vocabulary: the special tokens, and in subwords the bytes.
    if not re.fullmatch(r"<[\w.-]{1,100}>", tag) or re.fullmatch(r"<(pad|unk|s|0x\w\w)>", tag):
        raise ValueError(
            f"expected a token of its own such as <2de>, letters and digits between < and >, found {tag!r}"
        )
    return tag


class SubwordTokenizer(Section):
    """sentencepiece, byte pair encoding or unigram."""

    kind: Literal["bpe", "unigram"] = Field("bpe", description="algorithm")
    vocab_size: int = Field(
        8000, ge=261, le=_VOCABULARY, description="number of tokens, special and byte tokens included"
    )
    shared: bool = Field(True, description="one vocabulary for both languages")
    dropout: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="subword regularisation of the training text: rate of skipped merges (bpe, Provilkov "
        "2020) or exponent of the sampling distribution (unigram, Kudo 2018); 0 = off",
    )
    samples: int = Field(
        8,
        ge=1,
        le=10_000,
        description="with dropout: number of prepared segmentations of the training text; "
        "epoch e reads segmentation e mod samples",
    )


class CharTokenizer(Section):
    """Every character is a token."""

    kind: Literal["char"] = "char"
    shared: bool = Field(True, description="one vocabulary for both languages")


class WordTokenizer(Section):
    """Words between spaces; rare ones become <unk>."""

    kind: Literal["word"] = "word"
    vocab_size: int | None = Field(
        None, ge=8, le=_VOCABULARY, description="number of words and special tokens; null = all"
    )
    min_frequency: Count = Field(2, description="rarer words become <unk>")
    lowercase: bool = Field(False, description="lowercase the text")
    shared: bool = Field(False, description="one vocabulary for both languages")


class TorchtextTokenizer(Section):
    """torchtext 0.6's word tokenizer and Vocab, for repeating older experiments (extra: torchtext)."""

    kind: Literal["torchtext"] = "torchtext"
    vocab_size: int | None = Field(
        None, ge=8, le=_VOCABULARY, description="number of words and special tokens; null = all"
    )
    min_frequency: Count = Field(2, description="rarer words become <unk>")
    lowercase: bool = Field(True, description="lowercase the text")
    shared: bool = Field(False, description="one vocabulary for both languages")


class SavedTokenizer(Section):
    """The tokenizers of another run; text of one language uses the target's."""

    kind: Literal["saved"] = "saved"
    path: PathName = Field(description="the tokenizer folder of a run, such as runs/demo/tokenizer")
    shared: bool = Field(
        True, description="for pairs: whether the folder holds one tokenizer for both languages"
    )


TokenizerConfig = Annotated[
    SubwordTokenizer | CharTokenizer | WordTokenizer | TorchtextTokenizer | SavedTokenizer,
    Field(discriminator="kind"),
]


class Filters(Section):
    """Which pairs are dropped from the training set; the numbers dropped are printed and stored."""

    max_length: Count = Field(200, description="largest number of tokens on either side")
    max_ratio: float = Field(
        9.0, ge=1.0, le=1e9, description="largest ratio of the two lengths in tokens, translations only"
    )
    drop_duplicates: bool | None = Field(
        None,
        description="drop exact duplicates; null = for translations only, not for labels or single lines",
    )
    drop_test_overlap: bool = Field(True, description="drop training pairs that are in validation or test")


class OneCorpus(Section):
    """One corpus, under exactly one key that says its kind, such as tsv."""

    keys: ClassVar[Mapping[str, bool]] = PAIRS
    place: ClassVar[str] = ""  # before a key of the section in a message

    dataset: PathName | None = Field(None, description="id of a dataset on the hub, or a local folder")
    dataset_config: Name | None = Field(None, description="the hub's config name, such as de-en")
    revision: Name | None = Field(None, description="git revision of the dataset on the hub; null = newest")
    splits: SplitNames = Field(SplitNames(), description="names of the splits of dataset")
    streaming: bool = Field(
        False,
        description="dataset: read it as a stream into data.prepared, without the library's cache",
    )
    files: TextFiles | None = Field(None, description="a pair of text files for each split")
    tsv: TsvFiles | None = Field(None, description="a tab-separated file for each split")
    builtin: BuiltinCorpus | None = Field(None, description="the corpus in the package")
    src: Name | None = Field(
        None, description="source language, also the column of dataset; optional for files and tsv"
    )
    trg: Name | None = Field(
        None, description="target language, also the column of dataset; optional for files and tsv"
    )

    @model_validator(mode="after")
    def _one_corpus(self) -> Self:
        given = [key for key in self.keys if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"give exactly one of {', '.join(self.keys)}; found {found}")
        return self

    @model_validator(mode="after")
    def _streams_a_dataset(self) -> Self:
        if self.streaming and self.dataset is None:
            raise ValueError(f"streaming: true needs {self.place}dataset; leave it out")
        return self

    @model_validator(mode="after")
    def _languages_are_said(self) -> Self:
        for given, by_language in self.keys.items():
            if not by_language or getattr(self, given) is None:
                continue
            missing = [f"{self.place}{key}" for key in ("src", "trg") if getattr(self, key) is None]
            if missing:
                raise ValueError(
                    f"{' and '.join(missing)} missing: {self.place}{given} holds several "
                    "languages; say which is translated into which, such as src: de and trg: en"
                )
            if self.src == self.trg:
                raise ValueError(f"src and trg are both {self.src!r}; a translation needs two sides")
        return self

    @property
    def corpus(self) -> HubDataset | BuiltinCorpus | FilesConfig:
        """The one corpus that is given."""
        if self.dataset is not None:
            return HubDataset(
                dataset=self.dataset,
                config=self.dataset_config,
                revision=self.revision,
                splits=self.splits,
                streaming=self.streaming,
            )
        given: BuiltinCorpus | FilesConfig
        (given,) = (section for key in self.keys if (section := getattr(self, key)) is not None)
        return given

    @property
    def without_validation(self) -> str | None:
        """The key of the validation split that is not given; None if it is."""
        if self.dataset is not None:
            return None if self.splits.validation else "splits.validation"
        for key in self.keys:
            section = getattr(self, key)
            if isinstance(section, TextFiles | SplitFiles | BuiltinCorpus) and section.validation is None:
                return f"{key}.validation"
        return None


class MemberCorpus(OneCorpus):
    """One of several corpora of pairs, under exactly one key that says its kind, such as tsv."""

    weight: float = Field(
        1.0,
        gt=0,
        le=1_000,
        description="how often an epoch reads each training pair; 0.5: a half of them, then the other",
    )
    tag: Annotated[str, AfterValidator(_token)] | None = Field(
        None,
        description="token put before each source: <2de> stands for the language de, which translation "
        "chooses by --to; any other, such as <bt>, only marks training text; null = none",
    )


class PreprocessConfig(Section):
    """What happens to pairs before they are tokenized, as papers on Multi30k and IWSLT prepare them.

    In training and wherever the run reads text. What it writes is joined again, and stays lowercase.
    """

    moses: bool = Field(
        False,
        description="normalise punctuation and split words as Moses does, each side by its language (extra: "
        "papers)",
    )
    lowercase: bool = Field(False, description="lowercase both sides")


class DataConfig(OneCorpus):
    """One corpus, under exactly one key that says its kind, such as tsv, and how its text is prepared."""

    keys: ClassVar[Mapping[str, bool]] = PAIRS | dict.fromkeys(("corpora", "text", "labelled"), False)
    place: ClassVar[str] = "data."

    corpora: tuple[MemberCorpus, ...] | None = Field(
        None, description="a list of corpora of pairs, which are mixed by weight"
    )
    text: PlainText | None = Field(None, description="text of one language, for a language model")
    labelled: LabelledText | None = Field(None, description="texts with labels, for a classifier or tagger")
    tokenizer: TokenizerConfig = Field(SubwordTokenizer(), description="how text becomes tokens")
    normalize: Normalization = Field(
        "none", description="nfc: compose characters, in training and wherever the run reads text"
    )
    preprocess: PreprocessConfig = Field(PreprocessConfig(), description="of pairs, before tokenization")
    reverse_target: bool = Field(False, description="write targets from their last token to their first")
    filters: Filters = Field(Filters(), description="which pairs are dropped")
    prepared: PathName = Field("runs/prepared", description="folder of the prepared, memory-mapped data")

    @model_validator(mode="after")
    def _validates(self) -> Self:
        if self.corpora is None:
            if (key := self.without_validation) is not None:
                raise ValueError(f"{key} is missing: expected text to validate on, found none")
            return self
        if self.src or self.trg:
            raise ValueError("src and trg: each of data.corpora names its own; leave them out here")
        if all(member.without_validation for member in self.corpora):
            raise ValueError(
                "corpora: expected a validation split in one of them, found none; give the text to validate "
                "on to a member"
            )
        if all(member.tag and not member.tag.startswith("<2") for member in self.corpora):
            raise ValueError(
                f"corpora: all have a tag and none stands for a language, so that no translation could be "
                f"asked for; leave out {self.tags[0]}, or name the language as in <2de>"
            )
        return self

    @model_validator(mode="after")
    def _labels_are_learnt(self) -> Self:
        if self.labelled is not None and isinstance(self.tokenizer, SavedTokenizer):
            raise ValueError(
                "tokenizer.kind saved has its own target vocabulary, but that of labelled is its "
                "labels; use another kind, which is for the text only"
            )
        return self

    @model_validator(mode="after")
    def _pairs_are_preprocessed_and_reversed(self) -> Self:
        given = "reverse_target" if self.reverse_target else "preprocess"
        if not self.pairs and (self.reverse_target or self.preprocess != PreprocessConfig()):
            raise ValueError(f"{given} is for pairs; leave it out")
        return self

    @property
    def members(self) -> tuple[MemberCorpus, ...]:
        """The corpora that are mixed; none if there is just one corpus."""
        return self.corpora or ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the corpora, each once."""
        return tuple(dict.fromkeys(member.tag for member in self.members if member.tag is not None))

    @property
    def pairs(self) -> bool:
        """Whether an example is a text with its translation, not a text alone or with labels."""
        return self.text is None and self.labelled is None

    @property
    def continuous(self) -> bool:
        """Whether the data is one long text, from which no line may be dropped."""
        return self.text is not None and not self.text.lines
