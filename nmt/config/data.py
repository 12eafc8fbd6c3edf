"""Where the text comes from, how it is cut into pieces and what is filtered out."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from nmt.config.section import Count, Name, PathName, Section, Seed

_VOCABULARY = 10_000_000  # pieces, at most

# Of the text before it is cut: as it stands, or in Unicode's composed form.
Normalization = Literal["none", "nfc"]


class SplitNames(Section):
    """What the three splits are called in the dataset; null where there is none."""

    train: Name = "train"
    validation: Name = "validation"
    test: Name | None = "test"


class HubDataset(Section):
    """A dataset of the hub or a local folder; in the file its keys stand in `data` itself."""

    dataset: PathName
    config: str | None
    revision: str | None
    splits: SplitNames
    streaming: bool


class FilePair(Section):
    """Two text files, line n of one translating line n of the other; plain or .gz."""

    src: PathName
    trg: PathName


class TextFiles(Section):
    """A pair of text files for each split."""

    train: FilePair
    validation: FilePair
    test: FilePair | None = None


class SplitFiles(Section):
    """One file for each split; plain or .gz."""

    train: PathName
    validation: PathName
    test: PathName | None = None


class TsvFiles(SplitFiles):
    """One tab-separated file for each split: source, tab, target; plain or .gz."""


class PlainText(Section):
    """Text of one language, for a language model; plain or .gz."""

    train: PathName
    validation: PathName | None = Field(None, description="a file; or give held_out")
    test: PathName | None = None
    held_out: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="instead of a validation file: this share of train, of its lines one every so often; "
        "of one long text the last lines, by characters",
    )
    lines: bool = Field(
        True,
        description="true: every line begins anew, as names or sentences do; false: one long text, each line "
        "of which reads on from the one before",
    )

    @model_validator(mode="after")
    def _one_validation(self) -> Self:
        if (self.validation is None) == (self.held_out is None):
            found = "neither" if self.validation is None else "both"
            raise ValueError(f"give exactly one of validation, held_out; found {found}")
        return self


class LabelledText(SplitFiles):
    """One file for each split: a text, tab, its label, or labels for all its words; plain or .gz."""


class BuiltinCorpus(Section):
    """The corpus that comes with the package: English–German pairs from a synchronous grammar."""

    train: int = Field(20000, ge=100, le=10**9, description="training pairs")
    validation: int = Field(500, ge=10, le=10**9)
    test: int = Field(500, ge=10, le=10**9)
    seed: Seed = 1


CorpusConfig: TypeAlias = HubDataset | TextFiles | TsvFiles | BuiltinCorpus | PlainText | LabelledText
CORPORA = ("dataset", "files", "tsv", "builtin", "text", "labelled")  # the keys of data that name one


class SubwordTokenizer(Section):
    """sentencepiece, byte pair encoding or unigram."""

    kind: Literal["bpe", "unigram"] = "bpe"
    vocab_size: int = Field(
        8000, ge=261, le=_VOCABULARY, description="pieces, special and byte pieces included"
    )
    shared: bool = True
    dropout: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="subword regularisation of the training text: the share of merges left out "
        "(bpe, Provilkov 2020) or the sampling temperature (unigram, Kudo 2018); 0 = off",
    )
    samples: int = Field(
        8,
        ge=1,
        le=10_000,
        description="with dropout: how many segmentations of the training text are prepared; "
        "epoch e reads number e mod samples",
    )


class CharTokenizer(Section):
    """Every character a piece."""

    kind: Literal["char"] = "char"
    shared: bool = True


class WordTokenizer(Section):
    """Words between spaces; what is rare becomes <unk>."""

    kind: Literal["word"] = "word"
    vocab_size: int | None = Field(None, ge=8, le=_VOCABULARY, description="special ids included; null = all")
    min_frequency: Count = 2
    lowercase: bool = False
    shared: bool = False


class TorchtextTokenizer(Section):
    """torchtext 0.6's word tokenizer and Vocab, for repeating older experiments (extra: torchtext)."""

    kind: Literal["torchtext"] = "torchtext"
    vocab_size: int | None = Field(None, ge=8, le=_VOCABULARY, description="special ids included; null = all")
    min_frequency: Count = 2
    lowercase: bool = True
    shared: bool = False


class SavedTokenizer(Section):
    """The tokenizers that are there already; text of one language takes the target's."""

    kind: Literal["saved"] = "saved"
    path: PathName = Field(description="the tokenizer folder of a run, such as runs/demo/tokenizer")
    shared: bool = Field(True, description="of pairs: whether one tokenizer there serves both sides")


TokenizerConfig = Annotated[
    SubwordTokenizer | CharTokenizer | WordTokenizer | TorchtextTokenizer | SavedTokenizer,
    Field(discriminator="kind"),
]


class Filters(Section):
    """What does not enter training; what was dropped and why is printed and stored."""

    max_length: Count = Field(200, description="pieces on either side")
    max_ratio: float = Field(
        9.0, ge=1.0, le=1e9, description="pieces of the longer side per piece of the shorter"
    )
    drop_duplicates: bool | None = Field(
        None, description="null: of translations alone; how often a line or a label is there says something"
    )
    drop_test_overlap: bool = Field(True, description="test or validation pairs inside the training set")


class DataConfig(Section):
    """One corpus: exactly one of dataset, files, tsv, builtin, text, labelled."""

    dataset: PathName | None = Field(None, description="hub id, or a local folder of the same layout")
    dataset_config: Name | None = Field(None, description="the hub's config name, such as de-en")
    revision: Name | None = None
    splits: SplitNames = SplitNames()
    streaming: bool = Field(
        False,
        description="dataset: read as a stream into data.prepared; neither the memory nor the cache of the "
        "library holds it",
    )
    files: TextFiles | None = None
    tsv: TsvFiles | None = None
    builtin: BuiltinCorpus | None = None
    text: PlainText | None = None
    labelled: LabelledText | None = None
    src: Name | None = Field(
        None,
        description="languages of the pairs, which name the columns of dataset; files and tsv may do without",
    )
    trg: Name | None = None
    tokenizer: TokenizerConfig = SubwordTokenizer()
    normalize: Normalization = Field(
        "none", description="nfc: composed characters, in training and wherever the run reads text"
    )
    filters: Filters = Filters()
    prepared: PathName = Field("runs/prepared", description="folder of the memory-mapped caches")

    @model_validator(mode="after")
    def _one_corpus(self) -> Self:
        given = [key for key in CORPORA if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"give exactly one of {', '.join(CORPORA)}; found {found}")
        return self

    @model_validator(mode="after")
    def _streams_a_dataset(self) -> Self:
        if self.streaming and self.dataset is None:
            raise ValueError("streaming: true is for data.dataset alone; leave it out")
        return self

    @model_validator(mode="after")
    def _languages_are_said(self) -> Self:
        if self.dataset is None and self.builtin is None:
            return self
        given = "dataset" if self.dataset is not None else "builtin"
        missing = [key for key in ("src", "trg") if getattr(self, key) is None]
        if missing:
            raise ValueError(
                f"{' and '.join(f'data.{key}' for key in missing)} missing: data.{given} holds several "
                "languages; say which is translated into which, such as src: de and trg: en"
            )
        if self.src == self.trg:
            raise ValueError(f"src and trg are both {self.src!r}; a translation needs two sides")
        return self

    @model_validator(mode="after")
    def _labels_are_learnt(self) -> Self:
        if self.labelled is not None and isinstance(self.tokenizer, SavedTokenizer):
            raise ValueError(
                "tokenizer.kind saved has its own target pieces, and those of labelled are the labels of its "
                "training text; take another kind, which is for the text alone"
            )
        return self

    @property
    def corpus(self) -> CorpusConfig:
        """The one corpus that is given."""
        if self.dataset is not None:
            return HubDataset(
                dataset=self.dataset,
                config=self.dataset_config,
                revision=self.revision,
                splits=self.splits,
                streaming=self.streaming,
            )
        given: CorpusConfig
        (given,) = (section for key in CORPORA if (section := getattr(self, key)) is not None)
        return given

    @property
    def pairs(self) -> bool:
        """Whether a row is a text and its translation, not a text alone or one with labels."""
        return self.text is None and self.labelled is None

    @property
    def continuous(self) -> bool:
        """Whether the text is one long one, of which no line may be left out."""
        return self.text is not None and not self.text.lines
