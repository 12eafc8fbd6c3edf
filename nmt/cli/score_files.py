"""nmt score, the files: which go together, a file of translations against references, the output."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.results import Result


class Files(NamedTuple):
    """The files of a command line."""

    hyp: Path | None
    ref: list[Path]
    baseline: Path | None
    src: Path | None
    text: Path | None
    output: Path | None
    save: Path | None
    known: str = ""  # the test set of --ref and --src by its name, such as "wmt14/full de-en"
    trg: str | None = None  # its target language

    @property
    def name(self) -> str:
        """What is scored against, for the result."""
        return self.known or " ".join(map(str, self.ref))

    def of_test_set(self, name: str | None, langpair: str | None, *, sources: bool) -> Self:
        """Return it with the references of a test set by sacreBLEU's name; sources: with them too."""
        from nmt.evaluation.known_sets import known_set

        if name is None or langpair is None:
            raise UserError(
                "--test-set and --langpair go together, such as --test-set wmt14/full --langpair de-en"
            )
        if self.ref or self.src or self.text:
            raise UserError(f"--test-set {name}: has its own texts; leave --ref, --src and --text out")
        found = known_set(name, langpair)
        src, trg = found.src if sources else None, langpair.partition("-")[2]
        return self._replace(src=src, ref=found.refs, known=f"{name} {langpair}", trg=trg)


class Wanted(NamedTuple):
    """What to compute of translations.

    tokenize: sacreBLEU's tokenizer, None for that of the language. papers: papers' BLEU too. comet: the
    folder of a COMET model, whose score is added.
    """

    metrics: tuple[str, ...]
    tokenize: str | None = None
    papers: bool = False
    comet: Path | None = None

    def check(self, references: Sequence[object]) -> None:
        """Raise UserError, before anything is translated, where COMET cannot score."""
        from nmt.evaluation.comet import check_comet

        if self.comet is None:
            return
        if len(references) > 1:
            raise UserError(f"--comet: compares with one reference, found {len(references)}; give one --ref")
        check_comet(self.comet)

    def completed(
        self,
        result: "Result",
        sources: Sequence[str],
        outputs: Sequence[str],
        references: Sequence[str],
        device: str,
    ) -> "Result":
        """Return a result with the score of COMET too, if it is wanted."""
        from nmt.builders.hardware import choose_device
        from nmt.evaluation.comet import comet_score

        if self.comet is None:
            return result
        gpu = choose_device(device).type == "cuda"
        found = comet_score(self.comet, sources, outputs, references, gpu=gpu)
        return result.model_copy(update={"scores": (*result.scores, found)})


def check_files(files: Files, models: list[Path], lm: Path | None, comet: Path | None) -> None:
    """Raise UserError if the files fit no way to score, or if an output file exists."""
    from nmt.files import check_new

    match (bool(models), files.hyp, files.src, bool(files.ref), files.text):
        case (False, Path(), _, True, None):
            pass
        case (True, None, None, False, _) | (True, None, Path(), True, None):
            pass
        case _:
            raise UserError(
                "give --model RUN, or --model RUN --src FILE --ref FILE, or --hyp FILE --ref FILE, "
                "or --model RUN --text FILE; --test-set NAME --langpair PAIR stands for --src and --ref"
            )
    if files.hyp and bool(files.src) != bool(comet):
        raise UserError("--src: with --hyp the sources are for --comet; give both or none")
    if files.baseline and not files.hyp:
        raise UserError("--baseline compares two files of translations: give it with --hyp and --ref")
    if lm and not models:
        raise UserError("--lm needs a translation model; give it with --model RUN")
    for name, path in (("--output", files.output), ("--save", files.save)):
        if path is not None:
            check_new(path, name)
    if files.output is not None and files.save is not None:
        check_apart(files.save, "--output", files.output)


def check_apart(save: Path, name: str, result: Path) -> None:
    """Raise UserError if the translations and the result would be written to one file."""
    if os.path.realpath(save) == os.path.realpath(result):
        raise UserError(f"{name} and --save are one file, {save}; give another --save")


def score_files(files: Files, wanted: Wanted, trg: str | None) -> None:
    """Score the lines of --hyp against those of --ref, and compare them with --baseline.

    Raises UserError where papers' BLEU is wanted and the language is not known.
    """
    from nmt.evaluation.metrics import compare
    from nmt.evaluation.references import check_no_blank
    from nmt.workflows.score import read_together, score_texts

    assert files.hyp is not None
    others = [path for path in (files.baseline, files.src) if path]
    outputs, *texts = read_together(files.hyp, *others, *files.ref)
    references = dict(zip(files.ref, texts[len(others) :], strict=True))
    check_no_blank([*references.values()], files.name)
    endings = files.ref[0].name.removesuffix(".gz").split(".")
    language = trg or files.trg or (endings[-1] if len(endings) > 1 and len(endings[-1]) == 2 else None)
    wanted.check(files.ref)
    metrics, tokenize = wanted.metrics, tokenizer_of(wanted.tokenize, language, texts[-1])
    moses = language_of_papers(language, "--trg") if wanted.papers else None
    dataset = files.name, references
    result = score_texts(files.hyp.name, outputs, *dataset, metrics=metrics, tokenize=tokenize, moses=moses)
    if files.src:
        result = wanted.completed(result, texts[len(others) - 1], outputs, texts[-1], "auto")
    print_scores(result)
    if files.output:
        write_scores(result, files.output)
    if files.baseline:
        systems = {files.hyp.name: outputs}
        for found in compare([*references.values()], texts[0], systems, metrics=metrics, tokenize=tokenize):
            difference = (
                f"{found.metric:<6} {found.difference:+.2f} to {files.baseline.name}, p = {found.p_value:.4f}"
            )
            print(f"{difference}   {found.signature}")


def tokenizer_of(name: str | None, language: str | None, texts: Sequence[str]) -> str:
    """Return BLEU's tokenizer: the given one, else that of the language of the texts."""
    from nmt.evaluation.metrics import bleu_tokenizer, check_tokenizer

    if name is not None:
        check_tokenizer(name)
        return name
    name, remark = bleu_tokenizer(language, texts)
    if remark:
        print(f"nmt: {remark}", file=sys.stderr)
    return name


def language_of_papers(language: str | None, option: str) -> str:
    """Return the language that Moses splits; raises UserError if it is not known."""
    if not language:
        raise UserError(f"--papers: Moses splits each language in its own way; give it with {option}")
    return language.lower().replace("_", "-").split("-")[0]


def print_scores(result: "Result") -> None:
    """Print each score with its signature, and the speed where it is known."""
    width = max(26, *(len(each.label) for each in result.scores))
    for each in result.scores:
        print(f"{each.label:<{width}} {each.score:6.2f}   {each.signature}")
    if result.decoding and result.decoding.sentences_per_second:
        print(f"{result.sentences} sentences, {result.decoding.sentences_per_second:.1f} per second")
    sys.stdout.flush()


def save(path: Path | None, lines: Iterable[str]) -> None:
    """Write lines to a file, or to standard output if there is none."""
    from nmt.files import replace_text

    text = "".join(f"{line}\n" for line in lines)
    if path:
        replace_text(path, text)
    else:
        sys.stdout.write(text)


def write_scores(result: "Result", path: Path) -> None:
    """Write a result as JSON and tell where."""
    from nmt.results import write_result

    write_result(path, result)
    print(f"written to {path}")
