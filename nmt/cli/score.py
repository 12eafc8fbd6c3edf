"""nmt score: BLEU, chrF, TER, perplexity or F1 with their signatures; log-probabilities of given text."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from nmt.cli.arguments import (
    Beam,
    Device,
    LanguageModel,
    LanguageModelWeight,
    Overrides,
    Threads,
    check_weight,
    given,
    use_threads,
)
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.machine import Precision

if TYPE_CHECKING:
    from nmt.config.experiment import Experiment
    from nmt.results import Result
    from nmt.workflows.score import EvaluationSet

# The options of each way to score; others would have no effect and are refused.
Way = Literal[
    "--hyp",
    "a model that translates",
    "a language model",
    "a classifier or tagger",
    "--force",
    "--force and a language model",
]
OF_A_RUN = "model overrides split device threads"
TAKES: dict[Way, str] = {
    "--hyp": "hyp ref baseline metrics tokenize trg output",
    "a model that translates": f"{OF_A_RUN} src ref save lm lm_weight precision beam metrics tokenize output",
    "a language model": f"{OF_A_RUN} text output",
    "a classifier or tagger": f"{OF_A_RUN} src ref save output",
    "--force": f"{OF_A_RUN} src ref save lm lm_weight precision forced",
    "--force and a language model": f"{OF_A_RUN} text save forced",
}

ModelsIfAny = Annotated[
    list[Path] | None, typer.Option("--model", metavar="RUN", help="run folder; give several for an ensemble")
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
Sources = Annotated[
    Path | None, typer.Option(metavar="FILE", help="with --model: file of the sources of --ref")
]
Text = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="with a language model: text file to compute the perplexity of"),
]
SplitOfRun = Annotated[str, typer.Option(help="without files: split of the run's data")]
Metrics = Annotated[
    str, typer.Option(metavar="NAME,…", help="some of bleu, chrf, ter; ter is slow for long lines")
]
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


def score(
    context: typer.Context,
    model: ModelsIfAny = None,
    lm: LanguageModel = None,
    lm_weight: LanguageModelWeight = None,
    hyp: Hypotheses = None,
    ref: References = None,
    baseline: Baseline = None,
    src: Sources = None,
    text: Text = None,
    overrides: Overrides = None,
    split: SplitOfRun = "test",
    beam: Beam = None,
    metrics: Metrics = "bleu,chrf",
    tokenize: Tokenize = None,
    trg: TargetLanguage = None,
    output: Output = None,
    save: Save = None,
    forced: Force = False,
    device: Device = "auto",
    precision: PrecisionOf = "float32",
    threads: Threads = None,
) -> None:
    """Score a run, or a file of translations.

    Scores a run (--model) on its test split or on files (--src, --ref), or a file (--hyp) against --ref. A
    language model gets perplexity and bits per character on a split or on --text, a classifier or tagger
    accuracy and F1.

    --force translates nothing. It writes one line of JSON for each pair, or line of --text: "pieces", the
    tokens of the target with </s> last; "log_probs", their natural log-probabilities (null for a probability
    of 0); and "log_prob", the sum. With --lm these are the scores of the fusion. No source is split. A
    language model computes in float64, other models in --precision.
    """
    files = Files(hyp, ref or [], baseline, src, text, output, save)
    _check_files(files, model or [], lm)
    check_weight(lm, lm_weight)
    chosen = _metrics(metrics)
    if idle := given(context, "tokenize", "trg") if "bleu" not in chosen else "":
        raise UserError(
            f"{idle}: an option of BLEU, which --metrics {metrics} leaves out; give only one of them"
        )
    if tokenize is not None and trg is not None:
        raise UserError("--trg and --tokenize: both choose BLEU's tokenizer; give only one of them")
    if hyp is not None:
        _refuse(context, "--hyp")
        _score_files(files, chosen, tokenize, trg)
        return
    options = TranslationOptions(
        models=tuple(model or ()), lm=lm, lm_weight=lm_weight, beam=beam, device=device, precision=precision
    )
    way, experiment = _way(options, overrides or (), files, forced=forced)
    _refuse(context, way)
    if (src or text) and given(context, "split"):
        raise UserError(f"--split {split}: has no effect with --src, --ref or --text; give only one of them")
    use_threads(threads)
    if lm or len(options.models) > 1:
        from nmt.builders.translator import check_models

        check_models(options)
    job = Job(options, experiment, files, split)
    if not forced and save is not None:
        _check_apart(save, f"the result, {job.place},", job.place)
    match way:
        case "--force":
            _force(job)
        case "--force and a language model":
            _force_text(job)
        case "a language model":
            _score_text(job)
        case "a classifier or tagger":
            _score_labels(job)
        case _:
            _score_run(job, chosen, tokenize)


class Files(NamedTuple):
    """The files of a command line."""

    hyp: Path | None
    ref: list[Path]
    baseline: Path | None
    src: Path | None
    text: Path | None
    output: Path | None
    save: Path | None


class Job(NamedTuple):
    """A run to score: its models, the first one's configuration, and the files or the split to score on."""

    options: TranslationOptions
    experiment: "Experiment"
    files: Files
    split: str

    @property
    def folder(self) -> Path:
        return self.options.models[0]

    def data(self, way: Way) -> "EvaluationSet":
        """Read what is scored."""
        from nmt.builders.corpus import corpus_of
        from nmt.data.corpus import Pair
        from nmt.data.lines import in_memory, read_lines
        from nmt.workflows.score import EvaluationSet, held_out, pairs_of_files

        src, ref, text = self.files.src, self.files.ref, self.files.text
        if src:
            if len(ref) > 1 and way != "a model that translates":
                raise UserError(f"--ref: given {len(ref)} times, and {way} takes one; leave out the others")
            pairs, *more = (pairs_of_files(src, each, self.experiment.data) for each in ref)
            references = [[pair.trg for pair in each] for each in more]
            return EvaluationSet(pairs, " ".join(map(str, ref)), more_references=references)
        if text:
            lines = in_memory(read_lines(text), str(text))
            return EvaluationSet([Pair("", line) for line in lines], str(text))
        instead = "--text FILE" if "language model" in way else "--src FILE --ref FILE"
        pairs = held_out(self.experiment, self.split, instead=instead)
        return EvaluationSet(pairs, corpus_of(self.experiment).name, self.split)

    @property
    def place(self) -> Path:
        """Where the result goes."""
        of = self.files.ref[0].name if self.files.src else self.files.text and self.files.text.name
        of = of or ("" if self.split == "test" else self.split)
        return self.files.output or self.folder / f"result{of and '-'}{of}.json"

    def write(self, result: "Result", outputs: Sequence[str] = ()) -> None:
        """Print the scores, save the outputs and write the result where they shall be."""
        _print_scores(result)
        try:
            if self.files.save:
                _save(self.files.save, outputs)
        finally:
            _write(result, self.place)


def _score_run(job: Job, metrics: tuple[str, ...], tokenize: str | None) -> None:
    from nmt.workflows.score import score_run

    data = job.data("a model that translates")
    tokenize = _tokenizer(tokenize, job.experiment.data.trg, [pair.trg for pair in data.pairs])
    job.write(*score_run(job.options, job.experiment, data, metrics=metrics, tokenize=tokenize))


def _score_text(job: Job) -> None:
    from nmt.workflows.score import score_text

    data = job.data("a language model")
    job.write(score_text(job.folder, job.experiment, data, device=job.options.device))


def _score_labels(job: Job) -> None:
    from nmt.workflows.score import score_labels

    data = job.data("a classifier or tagger")
    job.write(*score_labels(job.folder, job.experiment, data, device=job.options.device))


def _force(job: Job) -> None:
    from nmt.builders.translator import load_translator
    from nmt.workflows.force_decode import force_pairs

    data = job.data("--force")
    _save(job.files.save, force_pairs(load_translator(job.options, job.experiment), data.pairs))


def _force_text(job: Job) -> None:
    from nmt.workflows.force_decode import force_text

    lines = [pair.trg for pair in job.data("--force and a language model").pairs]
    _save(job.files.save, force_text(job.folder, job.experiment, lines, device=job.options.device))


def _check_files(files: Files, models: list[Path], lm: Path | None) -> None:
    """Raise UserError if the files fit no way to score, or if an output file exists."""
    from nmt.files import check_new

    match (bool(models), files.hyp, files.src, bool(files.ref), files.text):
        case (False, Path(), None, True, None):
            pass
        case (True, None, None, False, _) | (True, None, Path(), True, None):
            pass
        case _:
            raise UserError(
                "give --model RUN, or --model RUN --src FILE --ref FILE, or --hyp FILE --ref FILE, "
                "or --model RUN --text FILE"
            )
    if files.baseline and not files.hyp:
        raise UserError("--baseline compares two files of translations: give it with --hyp and --ref")
    if lm and not models:
        raise UserError("--lm translates along with a model: give it with --model RUN")
    for name, path in (("--output", files.output), ("--save", files.save)):
        if path is not None:
            check_new(path, name)
    if files.output is not None and files.save is not None:
        _check_apart(files.save, "--output", files.output)


def _check_apart(save: Path, name: str, result: Path) -> None:
    """Raise UserError if the translations and the result would be written to one file."""
    if os.path.realpath(save) == os.path.realpath(result):
        raise UserError(f"{name} and --save are one file, {save}; give another --save")


def _way(
    options: TranslationOptions, overrides: Sequence[str], files: Files, *, forced: bool
) -> tuple[Way, "Experiment"]:
    """Return how the first run is scored, and its configuration.

    UserError where several models, or one with a language model, cannot be.
    """
    from nmt.workflows.score import run_experiment

    together = options.lm is not None or len(options.models) > 1
    if together and not (forced or files.output):
        raise UserError("--output: a score of several models belongs to none of their folders; give a FILE")
    folder = options.models[0]
    idle = [
        *(["data"] if files.src or files.text else []),
        *(["decoding"] if forced else ["decoding.beam"] if options.beam else []),
    ]
    experiment = run_experiment(folder, overrides, idle)
    way: Way
    match experiment.model.kind:
        case "language_model":
            way = "a language model"
        case "classifier" | "tagger":
            way = "a classifier or tagger"
        case _:
            way = "a model that translates"
    if together and way != "a model that translates":
        raise UserError(f"{folder} is {way}: one model alone; give a single --model and no --lm")
    if forced and way == "a model that translates":
        way = "--force"
    elif forced and way == "a language model":
        way = "--force and a language model"
    return way, experiment


def _refuse(context: typer.Context, way: Way) -> None:
    """Raise UserError for options without effect."""
    names = {str(option.name) for option in context.command.params} - {*TAKES[way].split()}
    if idle := given(context, *sorted(names)):
        raise UserError(f"{idle}: has no effect with {way}; leave it out")


def _metrics(text: str) -> tuple[str, ...]:
    known, found = ("bleu", "chrf", "ter"), tuple(text.lower().split(","))
    if not set(found) <= {*known}:
        raise UserError(f"--metrics {text}: expected some of {','.join(known)}, such as bleu,ter")
    return found


def _tokenizer(name: str | None, language: str | None, texts: Sequence[str]) -> str:
    """Return BLEU's tokenizer: the given one, else that of the language of the texts."""
    from nmt.evaluation.metrics import bleu_tokenizer, check_tokenizer

    if name is not None:
        check_tokenizer(name)
        return name
    name, remark = bleu_tokenizer(language, texts)
    if remark:
        print(f"nmt: {remark}", file=sys.stderr)
    return name


def _score_files(files: Files, metrics: tuple[str, ...], tokenize: str | None, trg: str | None) -> None:
    from nmt.evaluation.metrics import compare
    from nmt.workflows.score import read_together, score_texts

    assert files.hyp is not None
    others = [files.baseline] if files.baseline else []
    outputs, *texts = read_together(files.hyp, *others, *files.ref)
    references = dict(zip(files.ref, texts[len(others) :], strict=True))
    endings = files.ref[0].name.removesuffix(".gz").split(".")
    language = trg or (endings[-1] if len(endings) > 1 and len(endings[-1]) == 2 else None)
    tokenize = _tokenizer(tokenize, language, texts[-1])
    result = score_texts(files.hyp, outputs, references, metrics=metrics, tokenize=tokenize)
    _print_scores(result)
    if files.output:
        _write(result, files.output)
    if files.baseline:
        systems = {files.hyp.name: outputs}
        for found in compare([*references.values()], texts[0], systems, metrics=metrics, tokenize=tokenize):
            difference = (
                f"{found.metric:<6} {found.difference:+.2f} to {files.baseline.name}, p = {found.p_value:.4f}"
            )
            print(f"{difference}   {found.signature}")


def _print_scores(result: "Result") -> None:
    for each in result.scores:
        print(f"{each.label:<26} {each.score:6.2f}   {each.signature}")
    if result.decoding and result.decoding.sentences_per_second:
        print(f"{result.sentences} sentences, {result.decoding.sentences_per_second:.1f} per second")
    sys.stdout.flush()


def _save(path: Path | None, lines: Iterable[str]) -> None:
    """Write lines to a file, or to standard output if there is none."""
    from nmt.files import replace_text

    text = "".join(f"{line}\n" for line in lines)
    if path:
        replace_text(path, text)
    else:
        sys.stdout.write(text)


def _write(result: "Result", path: Path) -> None:
    from nmt.results import write_result

    write_result(path, result)
    print(f"written to {path}")
