"""The options of nmt translate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from nmt.cli.arguments import (
    MOST_BEAM,
    MOST_THREADS,
    Beam,
    Device,
    File,
    LanguageModel,
    LanguageModelWeight,
    LengthPenalty,
    Models,
    Rerank,
    RerankWeight,
    Seed,
    Temperature,
    To,
    TopK,
    TopP,
)
from nmt.decoding.demands import DIVERSITY, AfterTab, Glossary, Rules
from nmt.decoding.options import Sampling, Splitter, TranslationOptions
from nmt.jobs.blocks import BLOCK, FEW
from nmt.machine import Precision

if TYPE_CHECKING:
    from nmt.workflows.translate import Form

Errors = Literal["strict", "replace"]
Input = Annotated[
    Path | None, typer.Option("--input", metavar="FILE", help="text file to translate, plain or .gz")
]
Output = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="new file for the translations; default, or -: standard output"),
]
Resume = Annotated[bool, typer.Option("--resume", help="continue an interrupted --output")]
ShardOf = Annotated[
    str | None,
    typer.Option(
        metavar="i/n", help="translate part i of n of --input; joined in order, the outputs are the whole"
    ),
]
NBest = Annotated[
    int,
    typer.Option(
        min=1,
        max=MOST_BEAM,
        metavar="N",
        help="up to N different translations per line, written as NUMBER ||| TEXT ||| SCORE; SCORE is the "
        "natural log-probability divided by the length penalty, by default ((5 + tokens) / 6)^alpha, the "
        "end symbol counted",
    ),
]
Alignments = Annotated[
    bool, typer.Option("--alignments", help="append ||| and word links source-target, counted from 0")
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="write a JSON object for each line: text, score, tokens with log-probabilities, words with "
        "confidence and attention, alignment, alternatives",
    ),
]
Format = Annotated[
    Literal["text", "html"],
    typer.Option("--format", help="html: the input is one document; its text is translated, its tags stay"),
]
Interactive = Annotated[
    bool,
    typer.Option(
        "--interactive",
        "-i",
        help="a prompt that shows the n best, their word links and doubtful words; :help shows its commands",
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1_000,
        help="strength of the length penalty; more prefers longer outputs; default: the run's",
    ),
]
MaxSource = Annotated[
    int | None,
    typer.Option(min=4, max=100_000, help="largest number of source tokens in a part; default: the run's"),
]
NoSplit = Annotated[
    bool, typer.Option("--no-split", help="do not split a line that has more sentences than in training")
]
Sentences = Annotated[
    Splitter,
    typer.Option(
        help="what finds sentence ends: rules for European and some other scripts, or sentencex (extra: "
        "sentences) for some 300 languages"
    ),
]
NoProtect = Annotated[
    bool,
    typer.Option(
        "--no-protect", help="translate addresses, placeholders such as {name} or %s, and <tags> too"
    ),
]
ReplaceUnk = Annotated[
    bool,
    typer.Option(
        "--replace-unk", help="of models of words: write the source word with most attention instead of <unk>"
    ),
]
MinLength = Annotated[
    int,
    typer.Option(
        min=0, max=100_000, metavar="TOKENS", help="each part of a line has at least so many tokens"
    ),
]
NoRepeatOf = Annotated[
    int,
    typer.Option("--no-repeat", min=0, max=1_000, metavar="N", help="no N tokens in a row occur twice"),
]
Coverage = Annotated[
    float,
    typer.Option(
        min=0,
        max=1_000,
        metavar="STRENGTH",
        help="lower the score of a translation that looks at some source tokens little, such as 0.2; 0: no",
    ),
]
Diverse = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST_BEAM,
        metavar="GROUPS",
        help="share the beam among so many groups that avoid each other's tokens, for n-best lists; 0: no",
    ),
]
Diversity = Annotated[
    float,
    typer.Option(
        min=0,
        max=1_000,
        metavar="STRENGTH",
        help="with --diverse: what a token loses for each earlier group that chose it",
    ),
]
GlossaryFile = Annotated[
    Path | None,
    typer.Option(
        "--glossary",
        metavar="FILE",
        help="lines SOURCE, tab, TARGET: where a line has SOURCE as whole words, its translation has TARGET",
    ),
]
ForbiddenFile = Annotated[
    Path | None,
    typer.Option("--forbid", metavar="FILE", help="one text a line; no word of a translation begins with it"),
]
AfterTabOf = Annotated[
    AfterTab | None,
    typer.Option(
        "--after-tab",
        help="what stands behind tabs in each line. prefix: how its translation begins; terms: texts that "
        "the translation has, and !texts that it has not. The line is translated as a whole",
    ),
]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample", help="sample each translation, with the next four options, instead of searching"
    ),
]
Mbr = Annotated[
    Literal["chrf"] | None,
    typer.Option(
        help="of --samples sampled translations write the one that is most like all of them, by chrF: "
        "minimum Bayes risk (extra: mbr)"
    ),
]
Samples = Annotated[
    int, typer.Option(min=2, max=100_000, metavar="N", help="of --mbr: number of samples of each line")
]
OnErrors = Annotated[
    Errors, typer.Option(help="for bytes that are not UTF-8: refuse them, or replace them by U+FFFD")
]
PrecisionOf = Annotated[
    Precision,
    typer.Option(
        help="number format of matrix products; auto: int8 on a CPU, float32 on a GPU; with --sample "
        "float64; an exported model as it was exported"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_THREADS,
        help=f"processes; default: one per core for a file of more than {FEW * BLOCK} lines, else 1",
    ),
]
ThreadsOfEach = Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="CPU threads per process")]


def read_glossary(path: Path | None) -> Glossary | None:
    """Return the glossary in a file; raises UserError that names a line that is none."""
    from nmt.data.lines import read_lines

    return Glossary.parse(read_lines(path), str(path)) if path else None


def read_forbidden(path: Path | None) -> tuple[str, ...]:
    """Return the texts in a file, one a line."""
    from nmt.data.lines import read_lines

    return tuple(filter(None, map(str.strip, read_lines(path)))) if path else ()


class Arguments(NamedTuple):
    """What `nmt translate` is asked for: an option per field."""

    model: Models
    file: File = None
    lm: LanguageModel = None
    lm_weight: LanguageModelWeight = None
    rerank: Rerank = None
    rerank_weight: RerankWeight = None
    to: To = None
    source: Input = None
    output: Output = None
    resume: Resume = False
    shard: ShardOf = None
    beam: Beam = None
    n_best: NBest = 1
    alignments: Alignments = False
    json: Json = False
    format_: Format = "text"
    interactive: Interactive = False
    length_penalty: LengthPenalty = None
    alpha: Alpha = None
    max_source: MaxSource = None
    no_split: NoSplit = False
    sentences: Sentences = "rules"
    no_protect: NoProtect = False
    replace_unk: ReplaceUnk = False
    min_length: MinLength = 0
    no_repeat: NoRepeatOf = 0
    coverage: Coverage = 0.0
    diverse: Diverse = 0
    diversity: Diversity = DIVERSITY
    glossary: GlossaryFile = None
    forbid: ForbiddenFile = None
    after_tab: AfterTabOf = None
    sample: Sample = False
    temperature: Temperature = 1.0
    top_k: TopK = None
    top_p: TopP = 1.0
    seed: Seed = 1
    mbr: Mbr = None
    samples: Samples = 32
    errors: OnErrors = "strict"
    device: Device = "auto"
    precision: PrecisionOf = "auto"
    workers: Workers = None
    threads: ThreadsOfEach = 1

    @property
    def sampled(self) -> str:
        """The option that samples translations, "" where they are searched."""
        return "--sample" if self.sample else "--mbr" if self.mbr else ""

    @property
    def form(self) -> "Form":
        """What is written of a line."""
        return "json" if self.json else "links" if self.alignments else "text"

    def options(self) -> TranslationOptions:
        """Return how to translate."""
        return TranslationOptions(
            models=tuple(self.model),
            lm=self.lm,
            lm_weight=self.lm_weight,
            rerank=self.rerank,
            rerank_weight=self.rerank_weight,
            beam=self.beam,
            n_best=self.n_best,
            length_penalty=self.length_penalty,
            alpha=self.alpha,
            max_source=self.max_source,
            split=not self.no_split,
            protect=not self.no_protect,
            replace_unk=self.replace_unk,
            sentences=self.sentences,
            rules=Rules(
                min_length=self.min_length,
                no_repeat=self.no_repeat,
                coverage=self.coverage,
                groups=self.diverse,
                diversity=self.diversity,
                glossary=read_glossary(self.glossary),
                forbidden=read_forbidden(self.forbid),
                after_tab=self.after_tab,
            ),
            to=self.to,
            sampling=Sampling(self.seed, self.temperature, self.top_k, self.top_p) if self.sampled else None,
            mbr=self.samples if self.mbr else 0,
            device=self.device,
            precision=self.precision,
            threads=self.threads,
        )
