"""nmt augment: more pairs from trained models, what they are made of, and what is refused."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.builders.corpus import corpus_of, open_corpus
from nmt.config.data import DataConfig
from nmt.config.loading import dump_experiment, load_experiment
from nmt.data.filtering import scan
from nmt.errors import UserError
from nmt.workflows import augment
from tests.support.training import build

pytestmark = pytest.mark.slow
Command = Callable[..., tuple[object, str, str]]
BOTH = ("--model", "de-en", "--model", "en-de")


@pytest.fixture
def config(tmp_path: Path, tiny_config: Callable[..., Path]) -> Path:
    """German and English of the package, which the models that ship translate in both directions."""
    return tiny_config(tmp_path, "data.builtin.train=100")


@pytest.fixture
def run(tmp_path: Path, gru_run: Path) -> Path:
    """A run that says its languages; its configuration is one too."""
    folder = Path(shutil.copytree(gru_run, tmp_path / "run"))
    experiment = load_experiment(folder / "config.yaml", ["data.src=de", "data.trg=en"])
    (folder / "config.yaml").write_text(dump_experiment(experiment), encoding="utf-8")
    return folder


def sides(config: Path) -> tuple[list[str], list[str]]:
    """The training text of each language."""
    pairs = list(corpus_of(load_experiment(config)).pairs("train"))
    return [pair.src for pair in pairs], [pair.trg for pair in pairs]


def pairs_in(path: Path) -> list[tuple[str, str]]:
    """The pairs of a file, as a training reads them."""
    data = DataConfig.model_validate({"tsv": {"train": str(path), "validation": str(path)}})
    return [tuple(pair) for pair in open_corpus(data).pairs("train")]


def test_each_model_writes_its_own_pairs_behind_the_originals(
    config: Path, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "out.tsv"
    code, _, err = command("augment", config, *BOTH, "--drop-test", "--originals", "--output", out)
    assert (code, err) == (0, "")
    record = json.loads(Path(f"{out}.json").read_text())
    assert not Path(f"{out}.parts").exists()

    german, english = sides(config)
    held_out = set().union(*corpus_of(load_experiment(config)).pairs("test"))
    expected = {pair: None for pair in zip(german, english, strict=True) if not held_out & set(pair)}
    assert record["originals"] == len(expected)
    for model, lines, back in (("de-en", german, False), ("en-de", english, True)):
        (tmp_path / "lines").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        _, translated, _ = command("translate", "--model", model, tmp_path / "lines")
        for line, found in zip(lines, translated.splitlines(), strict=True):
            if line not in held_out:
                expected[(found, line) if back else (line, found)] = None
    assert pairs_in(out) == list(expected)
    assert record["pairs"] == len(expected)
    assert record["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert sum(each["already_there"] for each in record["models"]) > 0


def test_the_record_says_what_the_pairs_are_made_of(config: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out.tsv"
    assert command("augment", config, "--model", "de-en", "--drop-test", "--output", out)[0] == 0
    record = json.loads(Path(f"{out}.json").read_text())
    job = record["job"]
    assert job["train"] == scan(corpus_of(load_experiment(config)).pairs("train")).sha256
    (text,), (model,), (test,) = job["texts"], job["models"], job["tests"]
    assert (text["language"], text["lines"]) == ("de", 100)
    translated = 100 - text["blank"] - text["in_test"] - text["repeated"]
    assert record["models"][0]["translations"] == translated
    assert model["direction"] == "forward"
    weights = Path(augment.__file__).parents[1] / "pretrained/de-en/model.onnx"
    assert model["files"]["model.onnx"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert test["sha256"] == scan(corpus_of(load_experiment(config)).pairs("test")).sha256


def test_text_of_one_language_is_translated_back(config: Path, tmp_path: Path, command: Command) -> None:
    mono = tmp_path / "mono.en.gz"
    mono.write_bytes(gzip.compress(b"\xef\xbb\xbfIt is late.\r\n\nTom\tsleeps.\nIt is late. \n"))
    job = ("augment", config, "--model", "en-de", "--text", mono, "--output")
    for name in ("a.tsv.gz", "b.tsv.gz"):
        code, out, err = command(*job, tmp_path / name)
        assert (code, err) == (0, "")
        assert "en-de: 2 of 2 translations" in out
    assert [english for _, english in pairs_in(tmp_path / "a.tsv.gz")] == ["It is late.", "Tom sleeps."]
    assert (tmp_path / "a.tsv.gz").read_bytes() == (tmp_path / "b.tsv.gz").read_bytes()


def test_an_interrupted_job_goes_on(
    config: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ("augment", config, *BOTH, "--drop-test", "--output")
    assert command(*job, tmp_path / "whole.tsv")[0] == 0
    cut, parts = tmp_path / "cut.tsv", tmp_path / "cut.tsv.parts"

    def full(*_: object) -> None:
        raise UserError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(augment, "_write", full)
        assert command(*job, cut) == (
            2,
            "de-en: de → en, forward\nen-de: en → de, back\n",
            "nmt: no space left\n",
        )
    second = parts / "2.txt"
    second.write_bytes(second.read_bytes()[:-7])
    code, _, err = command(*job, cut)
    assert (code, err) == (
        2,
        f"nmt: {parts} holds an interrupted job; continue it with --resume, or remove it\n",
    )
    code, _, err = command(*job, cut, "--resume", "--beam", 1)
    assert code == 2
    assert err.startswith(f"nmt: {parts}: belongs to a job with another 'beam'; ")
    assert command(*job, cut, "--resume")[0] == 0
    assert cut.read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert not parts.exists()

    before = cut.stat()
    assert command(*job, cut, "--resume") == (0, f"{cut} is complete\n", "")
    assert cut.stat() == before
    code, _, err = command(*job, cut)
    assert code == 2
    assert "exists" in err


@pytest.mark.parametrize(("ships", "weights"), [("", "model.safetensors"), ("de-en", "model.onnx")])
def test_samples_depend_on_the_seed_alone(
    run: Path, tmp_path: Path, command: Command, ships: str, weights: str
) -> None:
    job = ("augment", run / "config.yaml", "--model", ships or run, "--drop-test", "--sample", "--top-k", 5)
    for name, seed, workers in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        found = command(*job, "--seed", seed, "--workers", workers, "--output", tmp_path / name)
        assert (found[0], found[2]) == (0, "")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()
    record = json.loads((tmp_path / "c.json").read_text())
    assert record["job"]["sampled"] == {"seed": 2, "temperature": 1.0, "top_k": 5, "top_p": 1.0}
    assert weights in record["job"]["models"][0]["files"]


def test_text_of_a_test_split_is_refused_or_dropped(
    config: Path, run: Path, tmp_path: Path, command: Command
) -> None:
    of_config = next(corpus_of(load_experiment(config)).pairs("test")).src
    of_run = next(corpus_of(load_experiment(run / "config.yaml")).pairs("test")).src
    mono = tmp_path / "mono.de"
    mono.write_text(f"Es ist spät.\n{of_run} \n{of_config}\n", encoding="utf-8")
    out = tmp_path / "out.tsv"
    job = ("augment", config, "--text", mono, "--output", out)
    code, _, err = command(*job, "--model", run)
    assert code == 2
    assert err == (
        f"nmt: {mono}: 2 of 3 lines to translate are in a test split, the first is line 2: {of_run[:60]!r}; "
        "--drop-test leaves them out\n"
    )
    code, _, err = command(*job, "--model", "de-en")  # which has no test split here
    assert "1 of 3 lines" in err
    assert not list(tmp_path.glob("out.tsv*"))
    assert command(*job, "--model", run, "--drop-test")[0] == 0
    assert [german for german, _ in pairs_in(out)] == ["Es ist spät."]


def test_a_test_split_that_is_elsewhere_is_told(
    config: Path, run: Path, tmp_path: Path, command: Command
) -> None:
    text = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(text.replace("test.tsv", "gone.tsv"), encoding="utf-8")
    (tmp_path / "mono").write_text("der Hund\n")
    job = ("--text", tmp_path / "mono", "--output", tmp_path / "out.tsv")
    code, out, err = command("augment", config, "--model", run, *job)
    assert (code, err) == (0, "")
    assert f"{run}: its test split cannot be read, so no text is compared with it" in out
    _, test = json.loads((tmp_path / "out.tsv.json").read_text())["job"]["tests"]
    assert test["sha256"] is None
    assert "gone.tsv" in test["problem"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "de-en", "--model", "de-en"), "--model de-en: is the model de-en; give each once"),
        (("--model", "de-en", "--set", "data.src=fr"), "translates de into en, and the corpus is fr and en"),
        ((*BOTH, "--text", "config.yaml"), "the models translate from de and en; give models of one"),
        (("--model", "de-en", "--sample", "--beam", "2"), "--beam: an option of searching"),
        (("--model", "de-en", "--top-k", "2"), "--top-k: an option of sampling; add --sample"),
        (("--model", "de-en", "--text", "nothing"), "nothing: no line to translate"),
        (("--model", "absent"), "absent is not a folder"),
        (("--model", "de-en", "--output", "no/out.tsv"), "there is no folder no"),
        (("--model", "de-en", "--output", "config.yaml"), "config.yaml: exists"),
        (("--model", "de-en", "--output", "config.yaml", "--resume"), "config.yaml.json does not"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    config: Path,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing").write_text("\n \n")
    before = sorted(tmp_path.iterdir())
    output = () if "--output" in options else ("--output", "out.tsv")
    drop = () if "--text" in options else ("--drop-test",)
    code, _, err = command("augment", config.name, *options, *output, *drop)
    assert code == 2
    (line,) = err.splitlines()
    assert message in line
    assert sorted(tmp_path.iterdir()) == before


def test_runs_without_languages_or_of_others_are_refused(
    run: Path, gru_run: Path, language_model_run: Path, tmp_path: Path, command: Command
) -> None:
    job = ("--drop-test", "--output", tmp_path / "out.tsv")
    for config, model, message in (
        (run, gru_run, "its languages are unknown"),
        (gru_run, run, "its languages are unknown"),
        (language_model_run, run, "expected a corpus of translations"),
        (run, language_model_run, "expected a corpus of translations"),
    ):
        code, _, err = command("augment", config / "config.yaml", "--model", model, *job)
        assert code == 2
        assert message in err
    french = load_experiment(run / "config.yaml", ["data.trg=fr"])
    (tmp_path / "french.yaml").write_text(dump_experiment(french), encoding="utf-8")
    code, _, err = command("augment", tmp_path / "french.yaml", "--model", run, *job)
    assert code == 2
    assert "translates de into en, and the corpus is de and fr" in err


ONE = "{builtin: {train: 100, validation: 10, test: 10}, src: %s, trg: %s, tag: <2%s>}"


def test_a_model_of_both_directions_writes_both(
    config: Path, tmp_path: Path, tiny_config: Callable[..., Path], command: Command
) -> None:
    corpora = f"data.corpora=[{ONE % ('de', 'en', 'en')}, {ONE % ('en', 'de', 'de')}]"
    one = ("data.builtin=null", "data.src=null", "data.trg=null")
    (tmp_path / "both").mkdir()
    of_both = load_experiment(tiny_config(tmp_path / "both", *one, corpora, "training.max_updates=2"))
    run, out = tmp_path / "both/run", tmp_path / "out.tsv"
    build(run, of_both).train()
    assert command("augment", config, "--model", run, "--drop-test", "--output", out)[0] == 0
    record = json.loads(Path(f"{out}.json").read_text())
    assert [(each["direction"], each["tag"]) for each in record["job"]["models"]] == [
        ("forward", "<2en>"),
        ("back", "<2de>"),
    ]
    assert [(each["src"], each["trg"]) for each in record["job"]["tests"]] == [
        ("de", "en"),
        ("de", "en"),
        ("en", "de"),
    ]
    held_out = set().union(*corpus_of(load_experiment(config)).pairs("test"))
    english = [line for line in dict.fromkeys(sides(config)[1]) if line not in held_out]
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in english), encoding="utf-8")
    _, translated, _ = command("translate", "--model", run, "--to", "de", tmp_path / "lines")
    back = [*zip(translated.splitlines(), english, strict=True)]
    assert {pair for pair in pairs_in(out) if pair[1] in set(english)} >= {p for p in back if p[0]}
