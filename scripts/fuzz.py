"""Every reader on bytes that nobody meant for it.

    python scripts/fuzz.py [--seconds 60] [--seed 1] [READER ...]

A reader is given a valid input that was changed at random: bits, cuts, repeats, and the words that readers
trip over. With the package atheris installed, which looks for bytes that lead along new paths, that takes the
place of chance. The seconds are for all readers together, each in a process of its own.

A reader gives what it promises or raises UserError. Anything else is a finding: another exception, a crash,
more than 30 seconds or 4 GB for one input. Its input is kept as fuzz-READER; exit code 1 then. The tests ask
the same with hypothesis.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from io import StringIO
from pathlib import Path

import torch

from nmt.builders.corpus import corpus_of, train_tokenizers
from nmt.builders.model import build_model
from nmt.builders.translator import load_translator
from nmt.cli import app
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
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import load_tokenizers, save_tokenizers
from nmt.tokenization.vocabulary import SPECIALS, Vocabulary
from nmt.training.checkpoint import Checkpoints, DamagedCheckpoint, read_tensors, write_tensors
from nmt.training.saved import Saved
from nmt.training.tracking import Tracker

SECONDS, BYTES = 30, 4_000_000_000  # that one input may take
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
WORDS = (
    # YAML, JSON, shells and paths
    *"{ } [ ] : , - # & * &a *a <<: ! !!binary !!python/x | > ' \" % @ ` ? ~ null true &a [*a,*a]".split(),
    *".inf -.inf .nan 1e999 -1 0 1e-999 0x 1_0 2020-01-01 12:30 --- ... NaN Infinity = ${HOME}".split(),
    *r"\ \ud800 \u0000 ../ /dev/zero".split(),
    # sizes
    *("9" * 30, "9" * 5000, "[" * 2000, '{"a":' * 2000, "x" * 300),
    # characters
    *(
        "\n",
        "\r",
        "\t",
        "\t\t",
        " ",
        "\0",
        "\x1b[2J",
        "\x85",
        "\u2028",
        "\ufeff",
        "\u00b2",
        "\u2581",
        "e\u0301",
    ),
    # our own
    *(" ||| ", "<s>", "</s>", "<unk>", "<0x0A>", BEGIN, END),
)
BYTES_OF = (
    *(word.encode() for word in WORDS),
    b"\xff",
    b"\xed\xa0\x80",
    b"\x1f\x8b\x08",
    bytes(8),
    b"\xff" * 8,
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
                app(args=["translate", "--model", str(self.place / "none"), "--sample", f"{option}={text}"])
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


def changed(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """An input a few random changes away."""
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + int(chance.expovariate(0.2)) + 1)
        match chance.randrange(8):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:to] + data[at:to] * chance.choice((1, 3, 1000)) + data[to:]
            case 3:
                other = chance.choice(others)
                data = data[:at] + other[chance.randrange(len(other) + 1) :]
            case 4 if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
            case 5:
                data = data[:at] + chance.randbytes(chance.choice((1, 2, 8))) + data[to:]
            case 6:
                data = data[:at] + chance.choice(BYTES_OF) + data[to:]
            case _:
                data = data[:at] + chance.choice(BYTES_OF) + data[at:]
    return data


def fuzz(name: str, seconds: float, seed: int) -> None:
    """Feed one reader for some seconds; what it should not raise goes up."""

    def alarm(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    with tempfile.TemporaryDirectory() as place:
        readers = Readers(Path(place))
        read, path = getattr(readers, name), Path(place) / "input"
        others = readers.examples[name]
        resource.setrlimit(resource.RLIMIT_DATA, (_data() + BYTES,) * 2)
        signal.signal(signal.SIGALRM, alarm)

        def once(data: bytes) -> None:
            kept = Path(f"fuzz-{name}")
            kept.write_bytes(data)  # before, so that it is there after a crash
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            signal.alarm(SECONDS)
            try:
                read(path)
            except UserError as error:
                if not str(error).strip():
                    raise
            finally:
                signal.alarm(0)
            kept.unlink()

        for each in others:
            once(each)
        tried = len(others)
        if _atheris(once, seconds):
            return
        end, chance = time.monotonic() + seconds, random.Random(seed)
        while time.monotonic() < end:
            once(changed(chance.choice(others), others, chance))
            tried += 1
        print(f"{name}: {tried:,} inputs", flush=True)


def _data() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _atheris(once: Callable[[bytes], None], seconds: float) -> bool:
    """Let atheris look for inputs, which ends this process; False where it is not installed."""
    try:
        import atheris  # type: ignore[import-not-found]
    except ImportError:
        return False
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={max(1, round(seconds))}", "-rss_limit_mb=0"], once)
    atheris.Fuzz()
    return True


def main() -> None:
    """Feed each reader in a process of its own and say which have findings."""
    names = [name for name in vars(Readers) if not name.startswith("_")]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", metavar="READER", nargs="*", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=60.0, help="for all readers together")
    parser.add_argument("--seed", type=int, default=1, help="of the changes")
    options = parser.parse_args()
    if unknown := set(options.readers) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected some of {', '.join(names)}")
    chosen = options.readers or names
    if len(chosen) == 1:
        try:
            fuzz(chosen[0], options.seconds, options.seed)
        except Exception:
            traceback.print_exc()
            sys.exit(f"{chosen[0]}: a finding; its input is fuzz-{chosen[0]}")
        return
    seconds, found = options.seconds / len(chosen), []
    for name in chosen:
        command = [sys.executable, __file__, name, "--seconds", str(seconds), "--seed", str(options.seed)]
        if subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode:
            found.append(name)
    if found:
        sys.exit(f"findings: {', '.join(found)}")


if __name__ == "__main__":
    main()
