"""nmt score, a run: what is scored of which kind of model, and how."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from nmt.cli.score_files import (
    Files,
    Wanted,
    language_of_papers,
    print_scores,
    save,
    tokenizer_of,
    write_scores,
)
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.config.experiment import Experiment
    from nmt.results import Result
    from nmt.workflows.score import EvaluationSet

Way = Literal[
    "--hyp",
    "a model that translates",
    "an exported model",
    "a language model",
    "a classifier or tagger",
    "--force",
    "--force and an exported model",
    "--force and a language model",
]


class Job(NamedTuple):
    """A run to score: how, with which models, the first one's configuration, and on which files or split.

    command: the words that the result keeps.
    """

    way: Way
    options: TranslationOptions
    experiment: "Experiment"
    files: Files
    split: str
    command: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.options.models[0]

    def data(self) -> "EvaluationSet":
        """Read what is scored."""
        from nmt.builders.corpus import corpus_of
        from nmt.data.corpus import Pair
        from nmt.data.lines import in_memory, read_lines
        from nmt.evaluation.references import check_no_blank
        from nmt.workflows.score import EvaluationSet, held_out_with_tags, pairs_of_files

        src, ref, text = self.files.src, self.files.ref, self.files.text
        if src:
            if len(ref) > 1 and self.way != "a model that translates":
                raise UserError(
                    f"--ref: given {len(ref)} times, and {self.way} takes one; leave out the others"
                )
            pairs, *more = (pairs_of_files(src, each, self.experiment.data) for each in ref)
            references = [[pair.trg for pair in each] for each in more]
            tags = [self.tag] * len(pairs)
            if self.way == "a model that translates":  # --force gives an empty target its log-probability
                check_no_blank([[pair.trg for pair in pairs], *references], self.files.name)
            return EvaluationSet(pairs, self.files.name, more_references=references, tags=tags)
        if text:
            lines = in_memory(read_lines(text), str(text))
            return EvaluationSet([Pair("", line) for line in lines], str(text))
        instead = "--text FILE" if "language model" in self.way else "--src FILE --ref FILE"
        pairs, tags = held_out_with_tags(self.experiment, self.split, instead=instead)
        if self.options.to is not None:
            chosen = [i for i, tag in enumerate(tags) if tag == self.tag]
            pairs, tags = [pairs[i] for i in chosen], [tags[i] for i in chosen]
        return EvaluationSet(pairs, corpus_of(self.experiment).name, self.split, tags=tags)

    @property
    def tag(self) -> str:
        """The tag that the options choose; raises UserError where none fits."""
        from nmt.builders.corpus import directions_of
        from nmt.data.directions import choose_tag

        return choose_tag(self.folder, directions_of(self.experiment.data), self.options.to)

    @property
    def place(self) -> Path:
        """Where the result goes."""
        of = self.files.ref[0].name if self.files.src else self.files.text and self.files.text.name
        of = of or ("" if self.split == "test" else self.split)
        of = "-".join(filter(None, (of, self.options.to)))
        return self.files.output or self.folder / f"result{of and '-'}{of}.json"

    def write(self, result: "Result", outputs: Sequence[str] = ()) -> None:
        """Print the scores, save the outputs and write the result to their files."""
        print_scores(result)
        try:
            if self.files.save:
                save(self.files.save, outputs)
        finally:
            write_scores(result.model_copy(update={"command": self.command}), self.place)


def way_of(
    options: TranslationOptions, overrides: Sequence[str], files: Files, *, forced: bool
) -> tuple[Way, "Experiment"]:
    """Return how the first run is scored, and its configuration.

    UserError where several models, or one with a language model, cannot be.
    """
    from nmt.runtime.bundle import find_model, is_exported
    from nmt.workflows.score import run_experiment

    together = options.lm is not None or options.rerank is not None or len(options.models) > 1
    if together and not (forced or files.output):
        raise UserError("--output: a score of several models belongs to none of their folders; give a FILE")
    folder = options.models[0]
    if is_exported(find_model(folder)):
        raise UserError(
            f"{folder} was exported, and a score of several models needs a run as the first; give a run "
            "first, or translate with nmt translate and score that with --hyp"
        )
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
        raise UserError(
            f"{folder} is {way}: scores one model only; give a single --model, no --lm and no --rerank"
        )
    if forced and way == "a model that translates":
        way = "--force"
    elif forced and way == "a language model":
        way = "--force and a language model"
    return way, experiment


def run_exported(options: TranslationOptions, files: Files, wanted: Wanted, *, forced: bool) -> None:
    """Score an exported model on files; the result is written with --output alone. Raises UserError.

    forced: write the log-probabilities that it gives the references.
    """
    from nmt.builders.engine import open_steps
    from nmt.data.corpus import Pair
    from nmt.data.directions import choose_tag, target_of
    from nmt.evaluation.references import check_no_blank
    from nmt.runtime.bundle import find_model, read_manifest
    from nmt.workflows.force_decode import force_pairs
    from nmt.workflows.score import read_together
    from nmt.workflows.score_exported import score_exported

    (model,) = options.models
    if files.src is None:
        raise UserError(
            f"{model} was exported, so it names no data: give --src FILE --ref FILE, or --test-set NAME "
            "--langpair PAIR"
        )
    manifest = read_manifest(find_model(model), "seq2seq")
    tag = choose_tag(model, manifest.directions, options.to)
    language = target_of(manifest.directions, tag) or manifest.trg or files.trg
    sources, *texts = read_together(files.src, *files.ref)
    if forced:
        if texts[1:]:
            raise UserError(f"--ref: given {len(texts)} times, and --force takes one; leave out the others")
        pairs = [Pair(*pair) for pair in zip(sources, *texts, strict=True)]
        save(files.save, force_pairs(open_steps(replace(options, tag=tag)), pairs, {tag: range(len(pairs))}))
        return
    check_no_blank(texts, files.name)
    wanted.check(files.ref)
    result, outputs = score_exported(
        options,
        manifest,
        sources,
        files.name,
        dict(zip(files.ref, texts, strict=True)),
        metrics=wanted.metrics,
        tokenize=tokenizer_of(wanted.tokenize, language, texts[0]),
        moses=language_of_papers(language, "--test-set") if wanted.papers else None,
    )
    result = wanted.completed(result, sources, outputs, texts[0], options.device)
    print_scores(result)
    if files.save:
        save(files.save, outputs)
    if files.output:
        write_scores(result, files.output)


def run_job(job: Job, wanted: Wanted) -> None:
    """Score, print and write as `way` selects; what is wanted applies to translations only."""
    from nmt.builders.corpus import directions_of, languages_of
    from nmt.builders.translator import load_translator
    from nmt.data.directions import target_of
    from nmt.workflows.force_decode import force_pairs, force_text
    from nmt.workflows.score import ScoredLines, score_labels, score_run, score_text

    data, device = job.data(), job.options.device
    targets = [pair.trg for pair in data.pairs]
    match job.way:
        case "--force":
            by_tag = data.by_tag()
            options = replace(job.options, tag=next(iter(by_tag)))
            save(job.files.save, force_pairs(load_translator(options, job.experiment), data.pairs, by_tag))
        case "--force and a language model":
            save(job.files.save, force_text(job.folder, job.experiment, targets, device=device))
        case "a language model":
            job.write(score_text(job.folder, job.experiment, data, device=device))
        case "a classifier or tagger":
            job.write(*score_labels(job.folder, job.experiment, data, device=device))
        case _:
            section, groups = job.experiment.data, list[ScoredLines]()
            for tag, lines in data.by_tag().items():
                language = target_of(directions_of(section), tag) or languages_of(section).trg
                name = tokenizer_of(wanted.tokenize, language, [targets[i] for i in lines])
                moses = language_of_papers(language, "--set data.trg=LANGUAGE") if wanted.papers else None
                groups.append(ScoredLines(tag, lines, name, moses))
            wanted.check((targets, *data.more_references))
            result, outputs = score_run(job.options, job.experiment, data, groups, metrics=wanted.metrics)
            sources = [pair.src for pair in data.pairs]
            job.write(wanted.completed(result, sources, outputs, targets, device), outputs)
