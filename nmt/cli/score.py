"""nmt score: BLEU, chrF and TER, or perplexity, with their signatures; log-probabilities of given text."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import (
    Beam,
    Device,
    LanguageModel,
    LanguageModelWeight,
    Overrides,
    Precision,
    Threads,
    check_weight,
    use_threads,
)


def score(
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", metavar="RUN", help="a run folder; several are an ensemble"),
    ] = None,
    lm: LanguageModel = None,
    lm_weight: LanguageModelWeight = None,
    hyp: Annotated[Path | None, typer.Option(metavar="FILE", help="translations, one a line")] = None,
    ref: Annotated[Path | None, typer.Option(metavar="FILE", help="references, one a line")] = None,
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
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="where result.json goes")] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write the translations (or what --force gives), one a line"),
    ] = None,
    forced: Annotated[
        bool,
        typer.Option("--force", help="instead of scores: log-probabilities of the given targets, by piece"),
    ] = False,
    device: Device = "auto",
    precision: Annotated[
        Precision, typer.Option(help="of the products; auto is what nmt translate takes")
    ] = Precision.FLOAT32,
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

    match (model or None, hyp, src, ref, text):
        case (None, Path(), None, Path(), None):
            kind = "files"
        case ([*_], None, None, None, _):
            kind = "split"
        case ([*_], None, Path(), Path(), None):
            kind = "sources"
        case _:
            raise UserError(
                "give --model RUN, or --model RUN --src FILE --ref FILE, or --hyp FILE --ref FILE, "
                "or --model RUN --text FILE"
            )
    if baseline and kind != "files":
        raise UserError("--baseline compares two files of translations: give it with --hyp and --ref")
    together = lm is not None or len(model or ()) > 1
    check_weight(lm, lm_weight)
    if lm and not model:
        raise UserError("--lm translates along with a model: give it with --model RUN")
    if forced and (kind == "files" or beam or output):
        raise UserError(
            "--force gives log-probabilities of --model RUN, searches nothing and writes no result.json; "
            "leave out --hyp, --beam and --output"
        )
    if together and not (forced or output):
        raise UserError("--output: a score of several models belongs to none of their folders; give a FILE")
    use_threads(threads)
    from nmt.build.forced import force_pairs, force_text
    from nmt.build.labeller import score_labels
    from nmt.build.language_model import score_text
    from nmt.build.result import dataset_name
    from nmt.build.score import (
        compare_files,
        held_out,
        pairs_of_files,
        run_experiment,
        score_files,
        score_run,
    )
    from nmt.build.translator import check_models, load_translator
    from nmt.data.corpus import Pair
    from nmt.data.lines import in_memory, read_lines
    from nmt.files import replace_text
    from nmt.results import write_result

    if kind == "files":
        assert hyp is not None
        assert ref is not None
        result = score_files(hyp, ref)
        output = output or hyp.with_name(f"{hyp.name}.result.json")
    else:
        assert model is not None
        folder = model[0]
        if together:
            check_models(*model, lm=lm)
        experiment = run_experiment(folder, overrides or ())
        if src and ref:
            pairs, dataset, name = pairs_of_files(src, ref, experiment.data), str(ref), None
            output = output or folder / f"result-{ref.name}.json"
        elif text:
            pairs, dataset, name = (
                [Pair("", line) for line in in_memory(read_lines(text), str(text))],
                str(text),
                None,
            )
            output = output or folder / f"result-{text.name}.json"
        else:
            pairs, dataset, name = held_out(experiment, split), dataset_name(experiment.data), split
            output = output or folder / ("result.json" if split == "test" else f"result-{split}.json")
        of_text = text is not None or (experiment.data.text is not None and kind == "split")
        lines = [pair.trg for pair in pairs]
        labelled = experiment.data.labelled is not None
        if labelled and (together or forced or beam):
            raise UserError(
                f"{folder} gives labels: one model alone, without a search; "
                "leave out further models, --beam and --force"
            )
        if of_text and together:
            raise UserError("--text is scored by one language model; give a single --model and no --lm")
        if forced:
            if of_text:
                written = force_text(folder, experiment, lines, device=device)
            else:
                translator = load_translator(
                    *model,
                    lm=lm,
                    lm_weight=lm_weight,
                    experiment=experiment,
                    device=device,
                    precision=precision.value,
                )
                written = force_pairs(translator, pairs)
            if save:
                replace_text(save, "".join(f"{line}\n" for line in written))
            else:
                sys.stdout.writelines(f"{line}\n" for line in written)
            return
        outputs: list[str] = []
        if of_text:
            if save:
                raise UserError("--save writes translations, and a language model makes none; leave it out")
            result = score_text(folder, experiment, lines, dataset=dataset, split=name, device=device)
        elif labelled:
            result, outputs = score_labels(
                folder, experiment, pairs, dataset=dataset, split=name, device=device
            )
        else:
            result, outputs = score_run(
                model,
                experiment,
                pairs,
                lm=lm,
                lm_weight=lm_weight,
                dataset=dataset,
                split=name,
                beam=beam,
                device=device,
                precision=precision.value,
            )
        if save:
            replace_text(save, "".join(f"{line}\n" for line in outputs))
    write_result(output, result)
    for each in result.scores:
        print(f"{each.label:<26} {each.score:6.2f}   {each.signature}")
    if result.decoding and result.decoding.sentences_per_second:
        print(f"{result.sentences} sentences, {result.decoding.sentences_per_second:.1f} a second")
    if baseline and hyp and ref:
        for found in compare_files(hyp, ref, baseline):
            difference = (
                f"{found.metric:<6} {found.difference:+.2f} to {baseline.name}, p = {found.p_value:.4f}"
            )
            print(f"{difference}   {found.signature}")
    print(f"written to {output}")
