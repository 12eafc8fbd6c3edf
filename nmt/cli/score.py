"""nmt score: BLEU, chrF and TER, or perplexity, with their signatures; log-probabilities of given text."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from nmt.machine import Precision

if TYPE_CHECKING:
    from nmt.results import Result

# The options that each way of scoring takes; another one would do nothing, and is refused.
OF_A_RUN = "model overrides split device threads"
TAKES = {
    "--hyp": "hyp ref baseline metrics tokenize trg output",
    "a model that translates": f"{OF_A_RUN} src ref save lm lm_weight precision beam metrics tokenize output",
    "a language model": f"{OF_A_RUN} text output",
    "a classifier or tagger": f"{OF_A_RUN} src ref save output",
    "--force": f"{OF_A_RUN} src ref save lm lm_weight precision forced",
    "--force and a language model": f"{OF_A_RUN} text save forced",
}


def score(
    context: typer.Context,
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", metavar="RUN", help="a run folder; several are an ensemble"),
    ] = None,
    lm: LanguageModel = None,
    lm_weight: LanguageModelWeight = None,
    hyp: Annotated[Path | None, typer.Option(metavar="FILE", help="translations, one a line")] = None,
    ref: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="references, one a line; several files: several of each line"),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="with --hyp: is the difference to these chance?")
    ] = None,
    src: Annotated[Path | None, typer.Option(metavar="FILE", help="with --model: sources of --ref")] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="with --model, a language model: its perplexity")
    ] = None,
    overrides: Overrides = None,
    split: Annotated[
        str, typer.Option(help="with --model and without --src: the split of the run's data")
    ] = "test",
    beam: Beam = None,
    metrics: Annotated[
        str, typer.Option(metavar="NAME,…", help="of bleu, chrf and ter, which takes long for long lines")
    ] = "bleu,chrf",
    tokenize: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="sacreBLEU's tokenizer for BLEU; default: its own for the target language"
        ),
    ] = None,
    trg: Annotated[
        str | None,
        typer.Option(
            metavar="LANGUAGE", help="with --hyp: the target language; default: the ending of --ref, as .zh"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="a new file for the result as JSON; default with --model: in the run folder"
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="a new file for the translations (or what --force gives)"),
    ] = None,
    forced: Annotated[
        bool,
        typer.Option("--force", help="instead of scores: log-probabilities of the given targets, by piece"),
    ] = False,
    device: Device = "auto",
    precision: Annotated[
        Precision, typer.Option(help="of the products; auto is what nmt translate takes")
    ] = "float32",
    threads: Threads = None,
) -> None:
    """Score a run, or a file of translations.

    A run (--model) on its test split or on files (--src, --ref); a file (--hyp) against --ref. A language
    model on a split or on --text gets perplexity and bits a character, a classifier or tagger accuracy and
    F1.

    With --force nothing is translated or scored: for each pair, or line of --text, a line of JSON goes to
    standard output or --save, with "log_prob", the sum of "log_probs" (natural logarithms, one for each of
    "pieces", the last of which is </s>). With --lm they are the fusion's scores. No source is cut. A language
    model computes in float64, others in --precision.
    """
    from nmt.errors import UserError
    from nmt.files import check_new

    match (model or None, hyp, src, ref or None, text):
        case (None, Path(), None, [*_], None):
            pass
        case ([*_], None, None, None, _) | ([*_], None, Path(), [*_], None):
            pass
        case _:
            raise UserError(
                "give --model RUN, or --model RUN --src FILE --ref FILE, or --hyp FILE --ref FILE, "
                "or --model RUN --text FILE"
            )
    check_weight(lm, lm_weight)
    chosen = _metrics(metrics)
    if baseline and not hyp:
        raise UserError("--baseline compares two files of translations: give it with --hyp and --ref")
    if lm and not model:
        raise UserError("--lm translates along with a model: give it with --model RUN")
    if output is not None and output == save:
        raise UserError(f"--output and --save are one file, {output}; give another for either")
    for name, path in (("--output", output), ("--save", save)):
        if path is not None:
            check_new(path, name)
    if hyp is not None and ref:
        _refuse(context, "--hyp")
        _score_files(hyp, ref, baseline, chosen, tokenize, trg, output)
        return
    assert model is not None
    together = lm is not None or len(model) > 1
    if together and not (forced or output):
        raise UserError("--output: a score of several models belongs to none of their folders; give a FILE")
    from nmt.workflows.score import run_experiment

    folder = model[0]
    experiment = run_experiment(folder, overrides or ())
    match experiment.model.kind:
        case "language_model":
            way, instead = "a language model", "--text FILE"
        case "classifier" | "tagger":
            way, instead = "a classifier or tagger", "--src FILE --ref FILE"
        case _:
            way, instead = "a model that translates", "--src FILE --ref FILE"
    if together and way != "a model that translates":
        raise UserError(f"{folder} is {way}: one model alone; give a single --model and no --lm")
    if forced and way != "a classifier or tagger":
        way = {"a language model": "--force and a language model"}.get(way, "--force")
    _refuse(context, way)
    if (src or text) and given(context, "split"):
        raise UserError(
            f"--split {split}: of the run's data, and files are given; leave out one or the other"
        )
    use_threads(threads)
    from nmt.builders.translator import check_models, load_translator
    from nmt.data.corpus import Pair
    from nmt.data.lines import in_memory, read_lines
    from nmt.decoding.options import TranslationOptions
    from nmt.files import replace_text
    from nmt.workflows.force_decode import force_pairs, force_text
    from nmt.workflows.result import dataset_name
    from nmt.workflows.score import held_out, pairs_of_files, score_labels, score_run, score_text

    options = TranslationOptions(
        models=tuple(model), lm=lm, lm_weight=lm_weight, beam=beam, device=device, precision=precision
    )
    if together:
        check_models(options)
    of_split: str | None = None
    more_references: list[list[str]] = []
    if src and ref:
        if len(ref) > 1 and way != "a model that translates":
            raise UserError(f"--ref: given {len(ref)} times, and {way} takes one; leave out the others")
        pairs, *more = (pairs_of_files(src, each, experiment.data) for each in ref)
        more_references = [[pair.trg for pair in each] for each in more]
        dataset, place = " ".join(map(str, ref)), f"result-{ref[0].name}.json"
    elif text:
        pairs = [Pair("", line) for line in in_memory(read_lines(text), str(text))]
        dataset, place = str(text), f"result-{text.name}.json"
    else:
        pairs = held_out(experiment, split, instead=instead)
        dataset, of_split = dataset_name(experiment.data), split
        place = "result.json" if split == "test" else f"result-{split}.json"
    lines = [pair.trg for pair in pairs]
    outputs: list[str] = []
    if way == "--force and a language model":
        outputs = list(force_text(folder, experiment, lines, device=device))
    elif way == "--force":
        outputs = list(force_pairs(load_translator(options, experiment), pairs))
    elif way == "a language model":
        result = score_text(folder, experiment, lines, dataset=dataset, split=of_split, device=device)
    elif way == "a classifier or tagger":
        result, outputs = score_labels(
            folder, experiment, pairs, dataset=dataset, split=of_split, device=device
        )
    else:
        result, outputs = score_run(
            options,
            experiment,
            pairs,
            dataset=dataset,
            split=of_split,
            metrics=chosen,
            tokenize=_tokenizer(tokenize, experiment.data.trg),
            more_references=more_references,
        )
    text_out = "".join(f"{line}\n" for line in outputs)
    if forced:
        if save:
            replace_text(save, text_out)
        else:
            sys.stdout.write(text_out)
        return
    _print_scores(result)
    try:
        if save:
            replace_text(save, text_out)
    finally:
        _write(result, output or folder / place)


def _refuse(context: typer.Context, way: str) -> None:
    """Raise UserError for options that would do nothing."""
    from nmt.errors import UserError

    names = {str(option.name) for option in context.command.params} - {*TAKES[way].split()}
    if idle := given(context, *sorted(names)):
        raise UserError(f"{idle}: without effect with {way}; leave out one or the other")


def _metrics(text: str) -> tuple[str, ...]:
    from nmt.errors import UserError

    known, found = ("bleu", "chrf", "ter"), tuple(text.lower().split(","))
    if not set(found) <= {*known}:
        raise UserError(f"--metrics {text}: expected some of {','.join(known)}, such as bleu,ter")
    return found


def _tokenizer(name: str | None, language: str | None) -> str:
    """Return BLEU's tokenizer: the one that is asked for, else that of the language."""
    from nmt.evaluation.metrics import bleu_tokenizer, check_tokenizer

    if name is not None:
        check_tokenizer(name)
        return name
    name, remark = bleu_tokenizer(language)
    if remark:
        print(f"nmt: {remark}", file=sys.stderr)
    return name


def _score_files(
    hyp: Path,
    refs: list[Path],
    baseline: Path | None,
    metrics: tuple[str, ...],
    tokenize: str | None,
    trg: str | None,
    output: Path | None,
) -> None:
    from nmt.workflows.score import compare_files, score_files

    endings = refs[0].name.removesuffix(".gz").split(".")
    tokenize = _tokenizer(tokenize, trg or (endings[-1] if len(endings) > 1 else None))
    result = score_files(hyp, refs, metrics=metrics, tokenize=tokenize)
    _print_scores(result)
    if baseline:
        for found in compare_files(hyp, refs, baseline, tokenize=tokenize):
            difference = (
                f"{found.metric:<6} {found.difference:+.2f} to {baseline.name}, p = {found.p_value:.4f}"
            )
            print(f"{difference}   {found.signature}")
    if output:
        _write(result, output)


def _print_scores(result: "Result") -> None:
    for each in result.scores:
        print(f"{each.label:<26} {each.score:6.2f}   {each.signature}")
    if result.decoding and result.decoding.sentences_per_second:
        print(f"{result.sentences} sentences, {result.decoding.sentences_per_second:.1f} a second")
    sys.stdout.flush()


def _write(result: "Result", path: Path) -> None:
    from nmt.results import write_result

    write_result(path, result)
    print(f"written to {path}")
