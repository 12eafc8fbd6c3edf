"""nmt score: BLEU, chrF, TER, perplexity or F1 with their signatures; log-probabilities of given text."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from nmt.cli.arguments import (
    Beam,
    Device,
    LanguageModel,
    LanguageModelWeight,
    Metrics,
    Overrides,
    Rerank,
    RerankWeight,
    Threads,
    To,
    check_weight,
    given,
    metric_names,
    use_threads,
    words,
)
from nmt.cli.score_files import Files, Wanted, check_apart, check_files, score_files
from nmt.cli.score_run import Job, Way, run_exported, run_job, way_of
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.machine import Precision

# The options of each way to score; others would have no effect and are refused.
OF_A_RUN = "model overrides split device threads"
TAKES: dict[Way, str] = {
    "--hyp": "hyp src ref test_set langpair baseline metrics tokenize trg papers comet output",
    "a model that translates": f"{OF_A_RUN} src ref test_set langpair save lm lm_weight rerank "
    "rerank_weight to precision beam metrics tokenize papers comet output",
    "an exported model": "model device threads src ref test_set langpair save rerank rerank_weight to "
    "precision beam metrics tokenize papers comet output",
    "a language model": f"{OF_A_RUN} text output",
    "a classifier or tagger": f"{OF_A_RUN} src ref save output",
    "--force": f"{OF_A_RUN} src ref test_set langpair save lm lm_weight to precision forced",
    "--force and an exported model": "model device threads src ref test_set langpair save to precision "
    "forced",
    "--force and a language model": f"{OF_A_RUN} text save forced",
}

ModelsIfAny = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="run, exported model, one that ships, such as de-en, or hf://USER/REPOSITORY@REVISION; give "
        "several runs for an ensemble",
    ),
]
Hypotheses = Annotated[Path | None, typer.Option(metavar="FILE", help="file of translations, one per line")]
References = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="file of references, one per line; give several files for several references"
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="with --hyp: other translations, to test the difference for significance"
    ),
]
TestSet = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="instead of --ref: sacreBLEU's name of a test set, such as wmt14/full. Its sources: "
        "sacrebleu -t NAME -l PAIR --echo src",
    ),
]
LanguagePair = Annotated[
    str | None, typer.Option(metavar="PAIR", help="the languages of --test-set, such as de-en")
]
Sources = Annotated[
    Path | None, typer.Option(metavar="FILE", help="with --model or --comet: file of the sources of --ref")
]
Text = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="with a language model: text file to compute the perplexity of"),
]
SplitOfRun = Annotated[str, typer.Option(help="without files: split of the run's data")]
Tokenize = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="sacreBLEU's tokenizer for BLEU; default: the one for the target language"
    ),
]
TargetLanguage = Annotated[
    str | None,
    typer.Option(
        metavar="LANGUAGE", help="with --hyp: target language; default: the ending of --ref, such as .zh"
    ),
]
Papers = Annotated[
    bool,
    typer.Option("--papers", help="also BLEU as papers report it: lowercased, split by Moses, not smoothed"),
]
Comet = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="also COMET, by the model in this folder and the program comet-score; with --hyp give --src",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="new file for the result as JSON; default with --model: in the run folder"
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="new file for the translations, or for the output of --force"),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="write log-probabilities of the given targets, by token, instead of scores"),
]
PrecisionOf = Annotated[
    Precision, typer.Option(help="number format of matrix products; auto: as in nmt translate")
]


class Arguments(NamedTuple):
    """What `nmt score` is asked for: an option per field."""

    model: ModelsIfAny = None
    lm: LanguageModel = None
    lm_weight: LanguageModelWeight = None
    rerank: Rerank = None
    rerank_weight: RerankWeight = None
    to: To = None
    hyp: Hypotheses = None
    ref: References = None
    test_set: TestSet = None
    langpair: LanguagePair = None
    baseline: Baseline = None
    src: Sources = None
    text: Text = None
    overrides: Overrides = None
    split: SplitOfRun = "test"
    beam: Beam = None
    metrics: Metrics = "bleu,chrf"
    tokenize: Tokenize = None
    trg: TargetLanguage = None
    papers: Papers = False
    comet: Comet = None
    output: Output = None
    save: Save = None
    forced: Force = False
    device: Device = "auto"
    precision: PrecisionOf = "float32"
    threads: Threads = None

    def files(self) -> Files:
        """Return the files; raises UserError for those that do not go together."""
        files = Files(self.hyp, self.ref or [], self.baseline, self.src, self.text, self.output, self.save)
        if self.test_set is not None or self.langpair is not None:
            with_sources = bool(self.model or self.comet)
            files = files.of_test_set(self.test_set, self.langpair, sources=with_sources)
        check_files(files, self.model or [], self.lm, self.comet)
        return files

    def options(self) -> TranslationOptions:
        """Return how to translate."""
        return TranslationOptions(
            models=tuple(self.model or ()),
            lm=self.lm,
            lm_weight=self.lm_weight,
            rerank=self.rerank,
            rerank_weight=self.rerank_weight,
            to=self.to,
            beam=self.beam,
            device=self.device,
            precision=self.precision,
        )


def score(context: typer.Context, asked: Arguments) -> None:
    """Score a run, or a file of translations.

    Scores a run (--model) on its test split or on files (--src, --ref), an exported model on files, or a file
    (--hyp) against --ref. A test set that sacreBLEU knows (--test-set) stands for --src and --ref. A language
    model gets perplexity and bits per character on a split or on --text, a classifier or tagger accuracy and
    F1.

    --force translates nothing. It writes one line of JSON for each pair, or line of --text: "tokens", those
    of the target with </s> last; "log_probs", their natural log-probabilities (null for a probability
    of 0); and "log_prob", the sum. With --lm these are the scores of the fusion. No source is split. A
    language model computes in float64, other models in --precision.
    """
    files = asked.files()
    check_weight(asked.lm, asked.lm_weight)
    wanted = _wanted(context, asked)
    if asked.hyp is not None:
        _refuse(context, "--hyp")
        score_files(files, wanted, asked.trg)
        return
    options = asked.options()
    if len(options.models) == 1 and asked.lm is None and _is_exported(options.models[0]):
        _refuse(context, "--force and an exported model" if asked.forced else "an exported model")
        precision: Precision = asked.precision if given(context, "precision") else "auto"
        options = replace(options, precision=precision, threads=asked.threads)
        run_exported(options, files, wanted, forced=asked.forced)
        return
    way, experiment = way_of(options, asked.overrides or (), files, forced=asked.forced)
    _refuse(context, way)
    if (files.src or asked.text) and given(context, "split"):
        others = "--src, --ref, --test-set or --text"
        raise UserError(f"--split {asked.split}: has no effect with {others}; give only one of them")
    use_threads(asked.threads)
    if asked.lm or len(options.models) > 1:
        from nmt.builders.members import check_models

        check_models(options)
    command = words(context, without=("model", "output", "save"))
    job = Job(way, options, experiment, files, asked.split, command)
    if not asked.forced and asked.save is not None:
        check_apart(asked.save, f"the result, {job.place},", job.place)
    run_job(job, wanted)


def _wanted(context: typer.Context, asked: Arguments) -> Wanted:
    """Return what to compute; raises UserError for options of a score that is left out, or that exclude."""
    chosen = metric_names(asked.metrics)
    of_bleu = ("tokenize",) if asked.papers else ("tokenize", "trg")
    if idle := given(context, *of_bleu) if "bleu" not in chosen else "":
        raise UserError(
            f"{idle}: an option of BLEU, which --metrics {asked.metrics} leaves out; give only one of them"
        )
    if asked.tokenize is not None and asked.trg is not None and not asked.papers:
        raise UserError("--trg and --tokenize: both choose BLEU's tokenizer; give only one of them")
    return Wanted(chosen, asked.tokenize, asked.papers, asked.comet)


def _is_exported(model: Path) -> bool:
    from nmt.runtime.bundle import find_model, is_exported

    return is_exported(find_model(model))


def _refuse(context: typer.Context, way: Way) -> None:
    """Raise UserError for options without effect."""
    names = {str(option.name) for option in context.command.params} - {*TAKES[way].split()}
    if idle := given(context, *sorted(names)):
        raise UserError(f"{idle}: has no effect with {way}; leave it out")
