"""Each file in scripts/, and a script of a person's own, run as a person runs it."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from browsing import chromium
from nmt.results import read_result

pytestmark = pytest.mark.slow
SCRIPTS = Path(__file__).parents[2] / "scripts"
CONFIG = """
name: tiny
data:
  dataset: FOLDER/corpus
  src: de
  trg: en
  tokenizer: {kind: word, min_frequency: 1}
  prepared: FOLDER/prepared
model: {embedding: 8, encoder: {hidden: 8}, decoder: {hidden: 8}}
training: {tokens_per_batch: 200, max_updates: 4, validate_every: 2, save_every: 2, precision: float32}
decoding: {max_ratio: 1.0, max_extra: 2}
"""
UNGUARDED = """
import sys
from pathlib import Path
from rich.console import Console
from nmt.workflows.train import build_trainer
from nmt.config import load_experiment
from nmt.run import Run
print("begun")
build_trainer(load_experiment(Path(sys.argv[1])), Run(Path(sys.argv[2])), Console())[0].train()
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose data is a folder as `datasets` reads it."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split, count in (("train", 60), ("validation", 4), ("test", 4)):
        rows = [{"de": f"Satz {split} {i % 7} hier", "en": f"sentence {split} {i}"} for i in range(count)]
        (corpus / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("FOLDER", str(tmp_path)))
    return path


def run(*command: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command of this Python that goes well."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS.parent)}
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_dataset_from_end_to_end_by_the_scripts(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert "60" in run(SCRIPTS / "prepare.py", config).stdout
    assert "done: 4 updates" in run(SCRIPTS / "train.py", config, "--run", folder).stdout
    out = tmp_path / "out"
    lines = tmp_path / "in"
    lines.write_text("Satz\n" * 600)
    by_worker = ("--input", lines, "--output", out, "--workers", "2")
    run(SCRIPTS / "translate.py", "--model", folder, *by_worker)
    assert len(out.read_text().splitlines()) == 600
    assert "BLEU" in run(SCRIPTS / "score.py", "--model", folder).stdout
    assert read_result(folder / "result.json").split == "test"


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "nmt", "train"),
        ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--", SCRIPTS / "train.py"),
    ],
    ids=["nmt train", "torchrun"],
)
def test_a_dataset_is_prepared_and_trained_on_in_one_command(
    command: tuple[str | Path, ...], config: Path, tmp_path: Path
) -> None:
    done = run(*command, config, "--run", tmp_path / "run")
    assert done.stdout.count("done: 4 updates") == 1
    assert read_result(tmp_path / "run" / "result.json").split == "validation"


@pytest.mark.parametrize("text", [UNGUARDED, "from nmt.cli import main\nprint('begun')\nmain('train')\n"])
def test_a_script_without_a_guard_begins_once(text: str, config: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(text)
    arguments = [tmp_path / "run"] if text == UNGUARDED else ["--run", tmp_path / "run"]
    assert run(script, config, *arguments).stdout.count("begun") == 1
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_labelled_corpora(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        with gzip.open(tmp_path / f"{split}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write(json.dumps({"de": "Der Hund", "en": "the dog"}) + "\n")
    done = run(SCRIPTS / "label_corpora.py", tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "case-test.tsv").read_text() == "der hund\ttitle title\n"
    assert (tmp_path / "out" / "language-test.tsv").read_text() == "Der Hund\tde\nthe dog\ten\n"
    assert done.stdout.count("%") == 3


def test_the_benchmarks(config: Path, tmp_path: Path) -> None:
    gnmt = ("--layers", "1", "--hidden", "16", "--vocabulary", "50", "--tokens", "500", "--sentences", "4")
    assert "tokens/s" in run(SCRIPTS / "bench.py", *gnmt, "--updates", "1").stdout
    assert "share" in run(SCRIPTS / "bench.py", config, "--updates", "1").stdout
    assert "minimum_risk" in run(SCRIPTS / "bench_objectives.py", config, "--updates", "1").stdout
    assert "320 rows" in run(SCRIPTS / "bench_products.py", "--rounds", "1").stdout
    assert "MB more" in run(SCRIPTS / "bench_memory.py", "--pairs", "5000").stdout


def test_faults() -> None:
    done = run(SCRIPTS / "faults.py", "--part", "not_numbers")
    assert done.stdout.endswith(" passed, 0 failed\n")


def test_fuzzing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "export: " in run(SCRIPTS / "fuzz.py", "export", "tsv", "--seconds", "2").stdout
    assert not list(tmp_path.iterdir())


def test_attacking_a_server() -> None:
    out = run(SCRIPTS / "fuzz_server.py", "--requests", "160", "--seed", "2").stdout
    assert "answers: 200: " in out
    assert "finding" not in out


@pytest.mark.skipif(shutil.which("hey") is None, reason="no hey on PATH; Debian's package is called hey")
def test_the_load_on_a_server() -> None:
    out = run(SCRIPTS / "bench_server.py", "--rounds", "1", "--seconds", "1", "--requests", "320").stdout
    assert "two workers against one: " in out
    assert "after 320 requests: " in out


def test_the_exported_graph_is_measured_without_ctranslate2(config: Path, tmp_path: Path) -> None:
    run("-m", "nmt", "train", config, "--run", tmp_path / "run")
    script = SCRIPTS / "bench_ctranslate2.py"
    code = f"import sys, runpy; sys.modules['ctranslate2'] = None; sys.path.insert(0, {str(SCRIPTS)!r})\n"
    code += f"runpy.run_path({str(script)!r}, run_name='__main__')"
    few = ("--sentences", "3", "--rounds", "1")
    for chosen in (("--config", config), ("--model", tmp_path / "run")):
        printed = run("-c", code, *chosen, *few).stdout
        assert "nmt alone" in printed
        assert "| nmt int8 |" in printed
        assert "| nmt float32 |" in printed
        assert ("BLEU" in printed) == (chosen[0] == "--model")


def test_an_exported_model_is_measured_on_files_only(config: Path, tmp_path: Path) -> None:
    run("-m", "nmt", "train", config, "--run", tmp_path / "run")
    run("-m", "nmt", "export", tmp_path / "run", "--to", tmp_path / "out")
    words = [sys.executable, str(SCRIPTS / "bench_ctranslate2.py"), "--model", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert "give --src and --ref" in done.stderr.splitlines()[-1]
    for name, line in (("src", "Satz hier\n"), ("ref", "a sentence\n")):
        (tmp_path / name).write_text(line)
    files = ("--src", tmp_path / "src", "--ref", tmp_path / "ref", "--rounds", "1")
    assert "BLEU" in run(*words[1:], *files).stdout


def test_the_model_card(exported: Path, tiny_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "de-en"))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"src": "de", "trg": "en"}))
    (tmp_path / "src").write_text("der Hund\ndie Straße\n")
    (tmp_path / "ref").write_text("the dog\nthe street\n")
    result = SCRIPTS.parent / "experiments/multi30k-de-en/result.json"
    test = f"two lines={tmp_path / 'src'},{tmp_path / 'ref'}"
    done = run(SCRIPTS / "model_card.py", folder, "--result", result, "--test", test)
    assert "it is not calibrated" in done.stdout
    for name in ("src", "ref"):
        (tmp_path / f"dev.{name}").write_text((tmp_path / name).read_text() * 50)
    dev = f"fifty={tmp_path / 'dev.src'},{tmp_path / 'dev.ref'}"
    done = run(SCRIPTS / "model_card.py", folder, "--result", result, "--test", test, "--validation", dev)
    assert json.loads((folder / "manifest.json").read_text())["confidence"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| two lines | 2 |" in done.stdout
    assert "The curve comes from fifty" in card
    assert card.startswith("# German to English: de-en")
    assert "tok:13a|smooth:exp" in card
    assert "7,000 updates took 53 CPU minutes" in card


def test_a_page_without_a_server_is_compared(hosted: str, tmp_path: Path) -> None:
    text = tmp_path / "test.de"
    text.write_text("Guten Morgen!\nIch bin müde.\nDanke!\n" * 2, encoding="utf-8")
    words = ("--model", "de-en", "--input", text, "--lines", "3", "--chromium", chromium())
    done = run(SCRIPTS / "bench_web.py", hosted, *words)
    assert "3 of 3 lines alike\nbrowser: best " in done.stdout


def test_the_page_is_looked_at(served: str, tmp_path: Path) -> None:
    run(
        SCRIPTS / "look_at_page.py",
        served,
        "--visits",
        "2",
        "--pictures",
        tmp_path,
        "--chromium",
        chromium(),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{screen}-{scheme}.webp" for screen in ("desktop", "phone") for scheme in ("dark", "light")
    ]
