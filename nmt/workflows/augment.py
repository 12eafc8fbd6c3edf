"""Translate the training text of a configuration, into more pairs to train on.

Forward translation, back-translation (Sennrich et al. 2016; sampled: Edunov et al. 2018), and both by several
models: data diversification (Nguyen et al. 2020).
"""

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from nmt.builders.corpus import open_corpus
from nmt.config.data import DataConfig
from nmt.config.experiment import Experiment
from nmt.config.loading import load_experiment
from nmt.data.corpus import Corpus, Pair
from nmt.data.directions import Direction, language_of
from nmt.data.lines import read_lines
from nmt.data.spool import SpooledCorpus
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.files import check_new, remove, replace_text, replacing, sha256
from nmt.hub import name_of_copy
from nmt.jobs.blocks import blocks
from nmt.machine import source_commit
from nmt.results import Versions
from nmt.run import Run
from nmt.runtime.bundle import find_model, read_manifest
from nmt.runtime.manifest import GRAPH
from nmt.workflows.augment_text import Texts, as_line, column, languages_of, parts_of, read_tests
from nmt.workflows.provenance import (
    AugmentJob,
    HeldOutText,
    Provenance,
    Sampled,
    TranslatingModel,
    Way,
    WrittenPairs,
    as_json,
    read_json,
)
from nmt.workflows.result import readable
from nmt.workflows.translate import translate_blocks

Log = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to translate by which models, and where the pairs go.

    text: lines of one language, in place of a side of the training pairs. originals: write the training pairs
    first. drop_test: leave out what is in a test split. options: how to translate; its models do so one by
    one. workers: as in `translate_blocks`.
    """

    config: Path
    overrides: Sequence[str]
    text: Path | None
    output: Path
    originals: bool
    drop_test: bool
    resume: bool
    options: TranslationOptions
    workers: int | None


class _Model(NamedTuple):
    """A model that translates: its folder, its record, and the data section of a run."""

    folder: Path
    record: TranslatingModel
    data: DataConfig | None


class _Parts(NamedTuple):
    """The folder beside the output where translations lie until all are there."""

    folder: Path

    @property
    def job(self) -> Path:
        return self.folder / "job.json"

    def translations(self, number: int) -> Path:
        """Return the file of the translations of a model."""
        return self.folder / f"{number + 1}.txt"


def augment(request: Request, log: Log) -> Provenance | None:
    """Write the pairs and their provenance; None where an earlier command has written them.

    Every model writes its own translation of each different line: (line, translation) where it translates as
    the corpus does, else (translation, line). A pair that is already in the training text or in the file is
    left out. Raises UserError, before anything is translated, for a line that is in a test split of the
    configuration or of a model's run, and for a model of other languages.
    """
    record, parts = Path(f"{request.output}.json"), _Parts(Path(f"{request.output}.parts"))
    _check_place(request, record, parts)
    experiment = load_experiment(request.config, request.overrides)
    if experiment.data.members:
        raise UserError(
            f"{request.config}: mixes several corpora, expected one; give a configuration of one of them"
        )
    (text_of,) = parts_of(experiment.data, str(request.config))
    languages = languages_of(text_of, str(request.config))
    models = [each for folder in request.options.models for each in _models(folder, languages)]
    _check_models(request, models)
    with _corpus(experiment, request.output.parent) as corpus:
        of_runs = {model.folder: (str(model.folder), model.data) for model in models if model.data}
        tests = read_tests((str(request.config), experiment.data), of_runs.values(), log)
        text = Texts(corpus, languages, request.text, tests.by_language)
        job = _job(request, text, models, tests.records)
        if request.resume and _is_finished(request.output, record, job):
            remove(parts.folder)
            return None
        _begin(parts, job)
        try:
            for number, model in enumerate(models):
                _translate(request, model, text, parts.translations(number), log)
            found = _write(request.output, record, job, text, parts)
        except BaseException:
            if not any(parts.folder.glob("*.txt")):  # nothing to continue
                remove(parts.folder)
            raise
    remove(parts.folder)
    return found


def _translate(request: Request, model: _Model, text: Texts, output: Path, log: Log) -> None:
    record = model.record
    log(f"{record.model}: {record.src} → {record.trg}, {record.direction}")
    options = replace(request.options, models=(model.folder,), tag=record.tag)
    lines = blocks(text.chosen(record.direction))
    done = translate_blocks(options, lines, output, workers=request.workers, resume=True)
    if done.short:
        log(f"{record.model}: {len(done.short):,} translations are much shorter than their sources")


def _check_place(request: Request, record: Path, parts: _Parts) -> None:
    """Raise UserError where a file or an interrupted job is in the way."""
    if request.resume:
        return
    if parts.folder.exists():
        raise UserError(f"{parts.folder} holds an interrupted job; continue it with --resume, or remove it")
    check_new(request.output, "--output")
    check_new(record, "--output")


def _models(folder: Path, languages: tuple[str, str]) -> Iterator[_Model]:
    """Yield a model of these languages, twice if it translates in both directions; UserError for another."""
    found, data = find_model(folder), None
    if (found / "config.yaml").exists() or not (found / "manifest.json").exists():
        run = Run(found)
        data, weights = run.experiment().data, run.model
        parts = [(languages_of(each, str(run.config)), each) for each in parts_of(data, str(run.config))]
        tagged = [Direction(*both, getattr(each, "tag", None) or "") for both, each in parts]
    else:
        manifest, weights = read_manifest(found, "seq2seq"), found / GRAPH
        tagged = [*manifest.directions] or [Direction(manifest.src, manifest.trg, "")]
    possible = [each for each in tagged if not each.tag or language_of(each.tag)]
    both: tuple[tuple[Way, tuple[str, str]], ...] = (("forward", languages), ("back", languages[::-1]))
    fitting = [
        (way, each) for way, pair in both for each in [e for e in possible if (e.src, e.trg) == pair][:1]
    ]
    if not fitting:
        does = " and ".join(dict.fromkeys(f"{each.src or '?'} into {each.trg or '?'}" for each in possible))
        raise UserError(
            f"--model {folder}: translates {does}, and the corpus is {languages[0]} and {languages[1]}; give "
            "models between these"
        )
    sums = _checksums(folder, found, weights)
    for way, (src, trg, tag) in fitting:
        name = readable(name_of_copy(folder) or str(folder))
        record = TranslatingModel(model=name, direction=way, src=src, trg=trg, tag=tag, files=sums)
        yield _Model(found, record, data)


def _checksums(folder: Path, found: Path, weights: Path) -> dict[str, str]:
    """Return the sha256 of a model's weights and tokenizers, by file."""
    try:
        files = [weights, *sorted(path for path in (found / "tokenizer").iterdir() if path.is_file())]
        return {path.relative_to(found).as_posix(): sha256(path, within=found) for path in files}
    except OSError as error:
        raise UserError(
            f"--model {folder}: {error.filename or found} cannot be read ({error.strerror}); give a model "
            "that is trained"
        ) from None


def _check_models(request: Request, models: Sequence[_Model]) -> None:
    """Raise UserError where a model would write what another does, or a text cannot be."""
    known: dict[tuple[str, ...], str] = {}
    for model in models:
        key = (model.record.direction, *model.record.files.values())
        if (other := known.setdefault(key, model.record.model)) is not model.record.model:
            raise UserError(f"--model {model.record.model}: is the model {other}; give each once")
    if request.text and len(sources := sorted({model.record.src for model in models})) > 1:
        raise UserError(
            f"--text {request.text}: is in one language, and the models translate from "
            f"{' and '.join(sources)}; give models of one direction"
        )


@contextmanager
def _corpus(experiment: Experiment, beside: Path) -> Iterator[Corpus]:
    """Yield the corpus of an experiment; one that every reading would fetch anew from a copy in a folder."""
    corpus = open_corpus(experiment.data)
    if not corpus.streamed:
        yield corpus
        return
    with TemporaryDirectory(prefix=".augment-", dir=beside) as folder:
        yield SpooledCorpus(corpus, Path(folder) / "corpus")


def _job(
    request: Request, text: Texts, models: Sequence[_Model], tests: tuple[HeldOutText, ...]
) -> AugmentJob:
    """Return what the pairs depend on, after one reading of all text."""
    digest, options = hashlib.sha256(), request.options
    for pair in text.pairs():
        digest.update(as_line(pair))
    directions = dict.fromkeys(model.record.direction for model in models)
    return AugmentJob(
        config=readable(str(request.config)),
        dataset=readable(text.corpus.name),
        src=text.languages[0],
        trg=text.languages[1],
        train=digest.hexdigest(),
        texts=tuple(text.read(each, drop_test=request.drop_test) for each in directions),
        models=tuple(model.record for model in models),
        tests=tests,
        originals=request.originals,
        beam=options.beam,
        sampled=Sampled(**options.sampling._asdict()) if options.sampling else None,
        device=options.device,
        precision=options.precision,
    )


def _is_finished(output: Path, record: Path, job: AugmentJob) -> bool:
    """Say whether the job has written its output; raises UserError if another file is there."""
    if not output.exists():
        return False
    if (found := read_json(record)) is None:
        raise UserError(f"{output} exists, and {record.name} does not; give another --output")
    job.check_same(output, found.get("job") if isinstance(found, dict) else None)
    return True


def _begin(parts: _Parts, job: AugmentJob) -> None:
    """Create the folder of a job, or check that the one there is the job's."""
    try:
        parts.folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{parts.folder} cannot be created ({error.strerror}); give another --output"
        ) from None
    if (found := read_json(parts.job)) is not None:
        job.check_same(parts.folder, found)
    elif any(not path.name.startswith(".") for path in parts.folder.iterdir()):
        raise UserError(f"{parts.folder} holds other files; give another --output")
    else:
        replace_text(parts.job, as_json(job))


def _write(output: Path, record: Path, job: AugmentJob, text: Texts, parts: _Parts) -> Provenance:
    """Write the pairs and their provenance, both or none."""
    known, originals, models = set[int](), 0, list[WrittenPairs]()
    with replacing(output) as temporary:
        with temporary.open("wb") as file:
            # Without a name and a time in it, the same pairs are the same file.
            packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if output.suffix == ".gz" else None
            write = (packed or file).write
            for pair in text.pairs():
                known.add(hash(pair))
                if job.originals and all(pair) and not text.in_test(pair):
                    originals += 1
                    write(as_line(pair))
            for number, model in enumerate(job.models):
                counts = Counter[str]()
                translations = map(column, read_lines(parts.translations(number)))
                for line, translation in zip(text.chosen(model.direction), translations, strict=True):
                    pair = (
                        Pair(line, translation) if model.direction == "forward" else Pair(translation, line)
                    )
                    fate = "empty" if not translation else "there" if hash(pair) in known else "written"
                    counts[fate] += 1
                    if fate == "written":
                        known.add(hash(pair))
                        write(as_line(pair))
                models.append(
                    WrittenPairs(
                        model=model.model,
                        translations=counts.total(),
                        written=counts["written"],
                        empty=counts["empty"],
                        already_there=counts["there"],
                    )
                )
            if packed:
                packed.close()
        found = Provenance(
            date=datetime.now(UTC),
            commit=source_commit(),
            versions=Versions.installed(),
            job=job,
            originals=originals,
            models=tuple(models),
            output=readable(output.name),
            pairs=originals + sum(each.written for each in models),
            sha256=sha256(temporary),
        )
        replace_text(record, as_json(found))
    return found
