"""The readers that fuzz.py feeds, each with examples of what it is meant for."""

import gzip
import hashlib
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from io import StringIO
from pathlib import Path

import torch

from nmt.builders.corpus import corpus_of, train_tokenizers
from nmt.builders.model import build_model
from nmt.builders.translator import load_translator
from nmt.cli import make_app
from nmt.config import Experiment, load_experiment
from nmt.config.loading import dump_experiment
from nmt.config.model import ModelConfig
from nmt.data.corpus import FileCorpus, Pair, TextFile, parse_tsv
from nmt.data.labelled import parse_labelled
from nmt.data.word_vectors import check_word_vectors, read_word_vectors
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.evaluation.curves import read_curves
from nmt.evaluation.report import BEGIN, END, update_tables
from nmt.jobs.output import open_output
from nmt.results import Result, Score, Versions, read_result, write_result
from nmt.run import Run
from nmt.runtime import load
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import load_tokenizers, save_tokenizers
from nmt.tokenization.vocabulary import SPECIALS, Vocabulary
from nmt.training.checkpoint import Checkpoints, DamagedCheckpoint, read_tensors, write_tensors
from nmt.training.saved import Saved
from nmt.training.tracking import Tracker
from nmt.workflows.export import export_run

EXPERIMENT = Experiment.model_validate(
    {
        "name": "tiny",
        "data": {
            "builtin": {"train": 200, "validation": 10, "test": 10},
            "src": "de",
            "trg": "en",
            "tokenizer": {"kind": "word", "min_frequency": 1, "shared": True},
        },
        "model": {"embedding": 4, "encoder": {"hidden": 4}, "decoder": {"hidden": 4}},
        "decoding": {"beam": 2, "max_ratio": 1.0, "max_extra": 2},
    }
)
STATE = {
    "at": {"update": 1, "seconds": 2.0},
    "window": {},
    "batches": {"epoch": 0, "position": 1},
    "schedule": {"reductions": 0, "waited": 0},
    "identity": {"data": "x"},
    "ema_updates": 0,
}
RESULT = Result(
    name="x",
    date="2026-11-20T12:00:00Z",  # type: ignore[arg-type]
    dataset="ref.txt",
    sentences=3,
    scores=(Score(metric="BLEU", form="cased", score=1.0, signature=""),),
    versions=Versions(python="3.11"),
)
NUMBERS = (
    "--beam",
    "--n-best",
    "--threads",
    "--workers",
    "--seed",
    "--temperature",
    "--top-k",
    "--top-p",
    "--lm-weight",
)


def made_run(folder: Path) -> Path:
    """A run folder with all that one may hold, its model as it was drawn."""
    run = Run(folder)
    run.folder.mkdir()
    run.save_experiment(EXPERIMENT)
    corpus = corpus_of(EXPERIMENT)
    src, trg = train_tokenizers(EXPERIMENT.data.tokenizer, corpus.rows, lambda: corpus.pairs("train"))
    save_tokenizers(run.tokenizer, src, trg)
    assert isinstance(EXPERIMENT.model, ModelConfig)
    model = build_model(EXPERIMENT.model, len(src.vocabulary), len(trg.vocabulary))
    run.save_model(model, (src.fingerprint, trg.fingerprint))
    run.metrics.write_text('{"step": 1, "train/loss": 2.5, "text": "a"}\n{"step": 2, "train/lr": null}\n')
    write_result(run.result, RESULT)
    Checkpoints(run.checkpoints, keep=1, every=1).save(1, {"model": {"w": torch.ones(2, 3)}}, STATE)
    return folder


class Readers:
    """Each method reads a file that holds the input; `examples` are what inputs are made from."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.run_folder = made_run(place / "run")
        self.parts = sorted(
            path for path in self.run_folder.rglob("*") if path.is_file() and path.name != "lock"
        )
        self.contents = [path.read_bytes() for path in self.parts]
        self.exported = export_run(self.run_folder, place / "exported", "int8", log=lambda _: None)
        self.exported_parts = sorted(path for path in self.exported.rglob("*") if path.is_file())
        self.exported_contents = [path.read_bytes() for path in self.exported_parts]
        texts = [
            b"der Hund\tthe dog\nein Haus\ta house\n",
            b"a b\tX Y\nc\tZ\n",
            "ü \u2028 e\u0301\t\n".encode(),
        ]
        results = (self.run_folder / "result.json").read_bytes()
        write_tensors(place / "x", {"w": torch.ones(2, 3), "b": torch.zeros(3).half()}, {"key": "value"})
        subwords = place / "trained"
        texts_of = [text for pair in corpus_of(EXPERIMENT).pairs("train") for text in pair]
        SentencePieceTokenizer.train(texts_of, kind="bpe", vocab_size=330).save(subwords, "shared")
        word_vectors = b"2 2\na 1 2\n\xe2\x96\x81a 3 4\n"
        self.examples: dict[str, list[bytes]] = {
            "config": [
                dump_experiment(EXPERIMENT).encode(),
                b"name: x\ndata: &d {builtin: {}, src: de, trg: en}\nmodel: {<<: {}}\n",
            ],
            "override": [b"training.optimizer={kind: adamw, betas: [0.9, 0.99]}", b"model.encoder.cell=gru"],
            "numbers": [b"5", b"0.5", b"1e6"],
            "result": [results],
            "metrics": [(self.run_folder / "metrics.jsonl").read_bytes()],
            "state": [json.dumps({"state": STATE, "sha256": {"model.safetensors": "0" * 64}}).encode()],
            "tensors": [(place / "x").read_bytes()],
            "lines": [*texts, gzip.compress(texts[0] * 9), gzip.compress(bytes(10_100_000))],
            "tsv": texts,
            "labelled": texts,
            "vectors": [word_vectors, word_vectors.split(b"\n", 1)[1]],
            "vocabulary": [json.dumps([*SPECIALS, "a", "\u2581b"]).encode()],
            "pieces": [(subwords / "shared.model").read_bytes()],
            "output": [b"a\n", b"0 ||| a ||| -1.0\n0 ||| b ||| -2.0\n1 ||| c ||| -3\n"],
            "markdown": [f"# A\n{BEGIN}\n{END}\n".encode()],
            "run": [bytes([number]) + content for number, content in enumerate(self.contents)],
            "export": [bytes([number]) + content for number, content in enumerate(self.exported_contents)],
        }

    def config(self, path: Path) -> None:
        dump_experiment(load_experiment(path))

    def override(self, path: Path) -> None:
        text = path.read_bytes().decode(errors="surrogateescape")
        dump_experiment(load_experiment(self.run_folder / "config.yaml", [text]))

    def numbers(self, path: Path) -> None:
        """What stands for a number on the command line; the run is not there, so that nothing runs."""
        text = path.read_bytes().decode(errors="surrogateescape").replace("\0", "")
        for option in NUMBERS:
            said = StringIO()
            with suppress(SystemExit, UserError), redirect_stderr(said), redirect_stdout(said):
                make_app("translate")(
                    args=["translate", "--model", str(self.place / "none"), "--sample", f"{option}={text}"]
                )
                raise AssertionError(f"{option}={text!r} translated without a run")

    def result(self, path: Path) -> None:
        read_result(path)

    def metrics(self, path: Path) -> None:
        folder = self.place / "figures"
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / "metrics.jsonl")
        with suppress(UserError):
            read_curves(folder / "metrics.jsonl")
        tracker = Tracker(folder, EXPERIMENT)
        tracker.truncate_after(1)
        tracker.log(2, {"a": 1.0})
        read_curves(folder / "metrics.jsonl")

    def state(self, path: Path) -> None:
        """The content of state.json, sealed by a checksum that is right."""
        body = path.read_bytes().replace(b"\n", b" ")
        folder = self.place / "states" / "checkpoints" / "step-1"
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / "model.safetensors", {"w": torch.ones(2)})
        body = body.replace(
            b"0" * 64, hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest().encode()
        )
        (folder / "state.json").write_bytes(body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n")
        found = Checkpoints(folder.parent, keep=1, every=1).newest()
        assert found is not None
        Saved.of(found[2], folder)

    def tensors(self, path: Path) -> None:
        with suppress(DamagedCheckpoint):
            read_tensors(path)

    def lines(self, path: Path) -> None:
        for name in ("plain", "packed.gz"):
            shutil.copyfile(path, self.place / name)
            file = TextFile("data.files", self.place / name)
            with suppress(UserError):
                for pair in FileCorpus({"train": (file, file)}, Pair, "text files").pairs("train"):
                    assert "\n" not in pair.src + pair.trg
                    pair.src.encode()

    def tsv(self, path: Path) -> None:
        file = TextFile("data.tsv", path)
        for pair in FileCorpus({"train": [file]}, parse_tsv, "TSV file").pairs("train"):
            assert "\n" not in pair.src + pair.trg

    def labelled(self, path: Path) -> None:
        file = TextFile("data.labelled", path)
        for each_word in (False, True):
            parse = partial(parse_labelled, each_word=each_word)
            with suppress(UserError):
                for pair in FileCorpus({"train": [file]}, parse, "TSV file").pairs("train"):
                    assert len(pair.trg.split()) == (len(pair.src.split()) if each_word else 1)

    def vectors(self, path: Path) -> None:
        vocabulary = Vocabulary([*SPECIALS, "\u2581a", "a", "1"])
        for vector in read_word_vectors(path, vocabulary, 2, subwords=True).values():
            assert vector.shape == (2,)
        check_word_vectors(path, 2)

    def vocabulary(self, path: Path) -> None:
        """The pieces of a tokenizer, sealed by a checksum that is right."""
        folder = self.place / "tokenizer"
        folder.mkdir(exist_ok=True)
        content = path.read_bytes()
        (folder / "shared.pieces.json").write_bytes(content)
        described = {"kind": "word", "sha256": hashlib.sha256(content).hexdigest()}
        (folder / "shared.json").write_text(json.dumps(described))
        src, _ = load_tokenizers(folder)
        assert "\n" not in src.decode([i for i in range(len(src.vocabulary)) if i not in src.banned])

    def pieces(self, path: Path) -> None:
        """A model of sentencepiece, sealed by a checksum that is right."""
        folder = self.place / "subwords"
        folder.mkdir(exist_ok=True)
        content = path.read_bytes()
        (folder / "shared.model").write_bytes(content)
        described = {"kind": "bpe", "sha256": hashlib.sha256(content).hexdigest()}
        (folder / "shared.json").write_text(json.dumps(described))
        src, _ = load_tokenizers(folder)
        ids = src.encode("der Hund läuft \U0001f600 " * 3)
        assert all(0 <= i < len(src.vocabulary) for i in ids)
        src.decode(ids).encode()
        assert "\n" not in src.decode([i for i in range(len(src.vocabulary)) if i not in src.banned])

    def output(self, path: Path) -> None:
        for numbered_from in (None, 0, 5):
            content = path.read_bytes()
            with suppress(UserError), open_output(path, resume=True, numbered_from=numbered_from) as output:
                output.write("a\n")
            assert path.read_bytes().startswith(content)
            path.write_bytes(content)

    def markdown(self, path: Path) -> None:
        update_tables([path], [RESULT])
        assert update_tables([path], [RESULT]) == [False]

    def run(self, path: Path) -> None:
        """A run folder in which the bytes stand for the file that the first of them names by number."""
        number, content = (path.read_bytes() or b"\0")[0] % len(self.parts), path.read_bytes()[1:]
        part = self.parts[number]
        part.write_bytes(content)
        try:
            run = Run(self.run_folder)
            for read in (
                lambda: read_result(run.result),
                lambda: read_curves(run.metrics),
                Checkpoints(run.checkpoints, keep=1, every=1).newest,
                lambda: load_translator(TranslationOptions(models=(run.folder,), precision="float32")),
            ):
                with suppress(UserError):
                    read()
            if part != run.config:  # which may ask for a search of hours
                (found,) = load_translator(
                    TranslationOptions(models=(run.folder,), precision="float32")
                ).translate(["a"])
                assert "\n" not in found
        finally:
            part.write_bytes(self.contents[number])

    def export(self, path: Path) -> None:
        """An exported model in which the bytes stand for a file; a graph has a checksum that is right."""
        number, content = (path.read_bytes() or b"\0")[0] % len(self.exported_parts), path.read_bytes()[1:]
        part, manifest = self.exported_parts[number], self.exported / "manifest.json"
        kept = manifest.read_bytes()
        part.write_bytes(content)
        if part.name == "model.onnx":
            sums = (hashlib.sha256(each).hexdigest() for each in (self.exported_contents[number], content))
            before, after = (each.encode() for each in sums)
            manifest.write_bytes(kept.replace(before, after))
        try:
            (found,) = load(self.exported).translate(["der Hund"])
            assert "\n" not in found
        finally:
            part.write_bytes(self.exported_contents[number])
            manifest.write_bytes(kept)
