"""What every test has in common."""

import functools
import inspect
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

import pytest
from beartype import beartype
from hypothesis import settings
from jaxtyping import AbstractArray, jaxtyped

pytest_plugins = ["browsing", "serving", "tagging", "web"]

# Small products: a second thread costs more than it brings. The commands that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell starts what it runs in the background with interrupts ignored, and some tests send them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests check behaviour, never speed: a busy machine is no failure.
settings.register_profile("nmt", deadline=None)
settings.load_profile("nmt")


CHECKED = ("nmt.layers", "nmt.models", "nmt.decoding", "nmt.objectives")
seen: set[Any] = set()  # the calls of a test whose shapes agreed


class CheckShapes(MetaPathFinder):
    """Makes the functions and named tuples of some modules check the shapes that their annotations say.

    jaxtyping's own import hook checks every annotation at every call, for half as long again as the tests
    take. mypy has checked what is not a shape, and a loop repeats its shapes.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if ".".join(name.split(".")[:2]) not in CHECKED:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(self.load, spec.loader.exec_module)
        return spec

    def load(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        execute(module)
        own = {name: it for name, it in vars(module).items() if is_of(module, it)}
        for owner in [module, *filter(inspect.isclass, own.values())]:
            for name, it in list(own.items() if owner is module else vars(owner).items()):
                if isinstance(it, staticmethod):
                    setattr(owner, name, staticmethod(checking_shapes(it.__func__)))
                elif inspect.isfunction(it):
                    setattr(owner, name, checking_shapes(it))


def is_of(module: ModuleType, it: object) -> bool:
    return getattr(it, "__module__", None) == module.__name__


def checking_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a check that all shapes of a call agree, if its annotations say any."""
    from torch import Tensor

    hints = inspect.get_annotations(function)
    shapes = {name: only_shapes(hint) for name, hint in hints.items() if says_a_shape(hint)}
    if not shapes:
        return function
    function.__annotations__ = shapes
    check = beartype(function)

    def outline(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.dtype, value.shape
        return tuple(map(outline, value)) if isinstance(value, tuple | list) else id(value)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        outlined = function, outline(args), outline([*kwargs.items()]) if kwargs else None
        if outlined in seen:
            return function(*args, **kwargs)
        with jaxtyped("context"):
            result = check(*args, **kwargs)
        seen.add(outlined)
        return result

    return call


def only_shapes(hint: Any) -> Any:
    """The hint without what else is in a tuple, such as a recursive alias, at which beartype fails."""
    if get_origin(hint) is not tuple:
        return hint
    return tuple[*(part if part is ... or says_a_shape(part) else Any for part in get_args(hint))]


def says_a_shape(hint: object) -> bool:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(map(says_a_shape, get_args(hint)))


sys.meta_path.insert(0, CheckShapes())


TINY = """
name: tiny
data:
  tsv: {{train: {folder}/train.tsv, validation: {folder}/test.tsv, test: {folder}/test.tsv}}
  tokenizer: {{kind: bpe, vocab_size: 330, shared: true}}
  prepared: {folder}/prepared
model:
  embedding: 16
  encoder: {{hidden: 16}}
  decoder: {{style: input_feeding, hidden: 16}}
decoding: {{beam: 2, max_source: 40, max_ratio: 1.0, max_extra: 5}}
"""


# A training as small as can be, of a few seconds.
TRAINING = """
name: tiny
data:
  builtin: {train: 150, validation: 10, test: 10}
  src: de
  trg: en
  tokenizer: {kind: bpe, vocab_size: 450}
model: {embedding: 8, dropout: 0.2, encoder: {hidden: 8}, decoder: {hidden: 8}}
training: {tokens_per_batch: 200, precision: float32, device: cpu, threads: 1}
decoding: {max_ratio: 1.0, max_extra: 2}
"""


@pytest.fixture(autouse=True)
def _reproducible() -> None:
    import torch

    torch.manual_seed(0)
    seen.clear()


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str, str]]:
    """Runs nmt in this process, with `stdin` as its input.

    Calling it gives the exit code, standard output and standard error.
    """
    from nmt.cli import main

    def run(*arguments: str | Path, stdin: str = "") -> tuple[object, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["nmt", *map(str, arguments)])
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            file.write(stdin)
            file.seek(0)
            monkeypatch.setattr(sys, "stdin", file)
            with pytest.raises(SystemExit) as ended:
                main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., Path]:
    """Writes the configuration of a small training, with changes KEY=VALUE, into a folder; gives its path."""
    from nmt.config.loading import dump_experiment, load_experiment

    def write(folder: Path, *changes: str) -> Path:
        path = folder / "config.yaml"
        path.write_text(TRAINING, encoding="utf-8")
        experiment = load_experiment(path, [f"data.prepared={folder / 'prepared'}", *changes])
        path.write_text(dump_experiment(experiment), encoding="utf-8")
        return path

    return write


@pytest.fixture
def everything() -> Callable[[Path], dict[str, Any]]:
    """Reads all that a run left in its folder, times aside, to be compared bit by bit with another's."""
    from nmt.training.checkpoint import Checkpoints, read_tensors
    from nmt.training.trainer import CLOCKS, TIMES

    def read(folder: Path) -> dict[str, Any]:
        found = Checkpoints(folder / "checkpoints", keep=1, every=1).newest()
        assert found is not None
        step, groups, state, damaged = found
        assert not damaged
        groups["best"] = read_tensors(folder / "model.safetensors")
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
        return {
            "step": step,
            "state": state | {"at": {k: v for k, v in state["at"].items() if k not in CLOCKS}},
            "metrics": [{k: v for k, v in line.items() if k not in TIMES} for line in lines],
            "tensors": {
                f"{group}/{name}": (str(tensor.dtype), tensor.tolist())
                for group, tensors in groups.items()
                for name, tensor in tensors.items()
            },
        }

    return read


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose model is as it was drawn: what `nmt train` leaves, without the training.

    Its test split is test.tsv beside it. Not to be written to; copy it.
    """
    import random

    import torch

    from nmt.builders.corpus import open_corpus, train_tokenizers
    from nmt.builders.model import build_model
    from nmt.config import load_experiment
    from nmt.run import Run
    from nmt.tokenization.tokenizer import save_tokenizers

    folder = tmp_path_factory.mktemp("tiny")
    chance = random.Random(1)
    words = "der Hund läuft schnell über die Straße the dog runs quickly across a street".split()
    lines = [
        " ".join(chance.choices(words, k=6)) + ".\t" + " ".join(chance.choices(words, k=6))
        for _ in range(300)
    ]
    (folder / "train.tsv").write_text("\n".join(lines[:280]) + "\n", encoding="utf-8")
    (folder / "test.tsv").write_text("\n".join(lines[280:]) + "\n", encoding="utf-8")
    (folder / "config.yaml").write_text(TINY.format(folder=folder), encoding="utf-8")
    experiment = load_experiment(folder / "config.yaml")

    run = Run(folder / "run")
    run.folder.mkdir()
    run.save_experiment(experiment)
    corpus = open_corpus(experiment.data)
    src, trg = train_tokenizers(experiment.data.tokenizer, corpus.rows, lambda: corpus.pairs("train"))
    save_tokenizers(run.tokenizer, src, trg)
    torch.manual_seed(1)
    model = build_model(experiment.model, len(src.vocabulary), len(trg.vocabulary))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # opinions as strong as after training
    run.save_model(model, (src.fingerprint, trg.fingerprint), experiment)
    return run.folder


@pytest.fixture(scope="session")
def gru_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with GRUs, wide enough for 8-bit matrices, with random weights. Copy it to write to it."""
    import torch

    from nmt.builders.model import build_model
    from nmt.config import load_experiment
    from nmt.config.model import ModelConfig
    from nmt.run import Run
    from nmt.tokenization.tokenizer import load_tokenizers

    folder = tmp_path_factory.mktemp("gru") / "run"
    shutil.copytree(tiny_run / "tokenizer", folder / "tokenizer")
    wide = ("model.embedding=64", "model.encoder.hidden=128", "model.decoder.hidden=64")
    kinds = ("model.encoder.cell=gru", "model.decoder.cell=gru", "model.decoder.style=layer_parallel")
    experiment = load_experiment(
        tiny_run / "config.yaml", [*wide, *kinds, "model.decoder.attention.kind=general"]
    )
    run = Run(folder)
    run.save_experiment(experiment)
    assert isinstance(experiment.model, ModelConfig)
    src, trg = load_tokenizers(run.tokenizer)
    torch.manual_seed(1)
    model = build_model(experiment.model, len(src.vocabulary), len(trg.vocabulary))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    run.save_model(model, (src.fingerprint, trg.fingerprint), experiment)
    return folder


@pytest.fixture(scope="session")
def exported(gru_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `nmt export` writes of it in int8, unchecked. Copy it to write to it."""
    from nmt.builders.export import export_model
    from nmt.builders.members import read_member

    folder = tmp_path_factory.mktemp("exported") / "model"
    shutil.copytree(gru_run / "tokenizer", folder / "tokenizer")
    member = read_member(gru_run)
    export_model(member, member.load_model(), "int8").write(folder)
    return folder


LABELS = """
name: labels
data:
  labelled: {{train: {folder}/labels.tsv, validation: {folder}/labels.tsv, test: {folder}/labels.tsv}}
  tokenizer: {{kind: word}}
  prepared: {folder}/prepared
model: {{kind: {kind}, embedding: 64, encoder: {{cell: gru, hidden: 128}}}}
training: {{best_by: accuracy}}
"""


@pytest.fixture(scope="session", params=["classifier", "tagger"])
def labeller_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a classifier, or of a tagger, with random weights. Copy it to write to it."""
    import random

    import torch

    from nmt.builders.model import build_labeller
    from nmt.config import load_experiment
    from nmt.config.model import ClassifierConfig, TaggerConfig
    from nmt.run import Run
    from nmt.tokenization.tokenizer import save_tokenizers
    from nmt.tokenization.words import WordTokenizer

    folder, chance = tmp_path_factory.mktemp(request.param), random.Random(1)
    lines = [chance.choices("a b c d".split(), k=1 + n % 9) for n in range(60)]
    labels = [[f"<{word}>" for word in line][: None if request.param == "tagger" else 1] for line in lines]
    rows = [f"{' '.join(line)}\t{' '.join(of_line)}\n" for line, of_line in zip(lines, labels, strict=True)]
    (folder / "labels.tsv").write_text("".join(rows), encoding="utf-8")
    (folder / "config.yaml").write_text(LABELS.format(folder=folder, kind=request.param), encoding="utf-8")
    experiment, run = load_experiment(folder / "config.yaml"), Run(folder / "run")
    run.folder.mkdir()
    run.save_experiment(experiment)
    text, of_text = (
        WordTokenizer.train(
            [" ".join(line) for line in side], vocab_size=None, min_frequency=1, lowercase=False
        )
        for side in (lines, labels)
    )
    save_tokenizers(run.tokenizer, text, of_text)
    torch.manual_seed(1)
    assert isinstance(experiment.model, ClassifierConfig | TaggerConfig)
    model = build_labeller(experiment.model, len(text.vocabulary), len(of_text.vocabulary))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    run.save_model(model, (text.fingerprint, of_text.fingerprint), experiment)
    return run.folder


TEXT = """
name: text
data:
  text: {{train: {folder}/text.txt, held_out: 0.5, lines: {lines}}}
  tokenizer: {{kind: char}}
  prepared: {folder}/prepared
model: {{kind: language_model, cell: lstm, layers: 2, embedding: 64, hidden: 128}}
training: {{best_by: loss}}
"""


@pytest.fixture(scope="session", params=["true", "false"], ids=["lines", "continuous"])
def language_model_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a language model, of lines or one long text, with random weights."""
    import torch

    from nmt.builders.model import build_language_model
    from nmt.config import load_experiment
    from nmt.config.model import LanguageModelConfig
    from nmt.run import Run
    from nmt.tokenization.subwords import SentencePieceTokenizer
    from nmt.tokenization.tokenizer import save_tokenizers

    folder = tmp_path_factory.mktemp("text")
    lines = [f"{a}{b} {c}" for a in ("ab", "ba", "cab") for b in ("ca", "dab", "o") for c in ("no", "ro", "")]
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "config.yaml").write_text(TEXT.format(folder=folder, lines=request.param), encoding="utf-8")
    experiment, run = load_experiment(folder / "config.yaml"), Run(folder / "run")
    run.folder.mkdir()
    run.save_experiment(experiment)
    tokenizer = SentencePieceTokenizer.train(lines, kind="char")
    save_tokenizers(run.tokenizer, tokenizer, tokenizer)
    torch.manual_seed(1)
    assert isinstance(experiment.model, LanguageModelConfig)
    model = build_language_model(experiment.model, len(tokenizer.vocabulary))
    run.save_model(model, (tokenizer.fingerprint, tokenizer.fingerprint), experiment)
    return run.folder
