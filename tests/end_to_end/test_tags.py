"""Models with tags, as a person uses them; and that both directions are learnt by one model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

import nmt
from nmt.config.loading import dump_experiment, load_experiment
from nmt.data.builtin import pairs
from nmt.results import read_result
from nmt.run import Run
from tagging import LINES

Command: TypeAlias = Callable[..., tuple[object, str, str]]


@pytest.fixture
def run(tagged_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tagged_run, tmp_path / "run"))


def test_lines_of_each_tag_are_scored_apart(run: Path, command: Command) -> None:
    code, out, err = command("score", "--model", run, "--metrics", "bleu", "--save", run / "out")
    assert (code, err) == (0, "")
    forms = [score.form for score in read_result(run / "result.json").scores]
    assert forms == [
        f"{tag}, {form}" for tag in ("<2en>", "<2de>") for form in ("cased, detokenised", "lowercased, 13a")
    ]
    assert all(f"BLEU ({form})" in out for form in forms)
    lines = (run / "out").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 24

    code, out, _ = command("score", "--model", run, "--metrics", "bleu", "--to", "de", "--save", run / "de")
    assert code == 0
    result = read_result(run / "result-de.json")
    whole = read_result(run / "result.json")
    assert result.scores == tuple(score for score in whole.scores if "<2de>" in score.form)
    assert (run / "de").read_text(encoding="utf-8").splitlines() == lines[12:]


def test_given_targets_are_forced_behind_the_tags_of_their_sources(run: Path, command: Command) -> None:
    def probabilities(*options: str) -> list[float]:
        code, out, _ = command("score", "--model", run, "--force", "--precision", "float64", *options)
        assert code == 0
        return [json.loads(line)["log_prob"] for line in out.splitlines()]

    whole = probabilities()
    assert whole[12:] == pytest.approx(probabilities("--to", "de"), rel=1e-9)
    assert whole[:12] == pytest.approx(probabilities("--to", "en"), rel=1e-9)


def test_every_command_takes_a_language_or_the_tags_of_the_text(run: Path, command: Command) -> None:
    text = "\n".join(LINES) + "\n"
    expected = "".join(f"{line}\n" for line in nmt.load(run, to="de").translate(LINES))
    assert command("translate", "--model", run, "--to", "de", stdin=text) == (0, expected, "")
    (run / "lines").write_text(text, encoding="utf-8")
    assert command("check", "--model", run, "--to", "de", "--data", run / "lines")[0] == 0
    code, out, _ = command("show", "--model", run, "--count", "2")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines() if line.startswith("source")] == ["<2en>", "<2de>"]
    other = Path(shutil.copytree(run, run.with_name("other")))
    code, out, _ = command("compare", run, "--with", other, "--to", "de")
    assert (code, "A − B  +0.00" in out) == (0, True)
    code, out, err = command("export", run, "--to", run.with_name("out"))
    assert (code, err) == (0, "")
    assert "40 lines of validation: float32 unlike torch 0" in out
    assert command("translate", "--model", run.with_name("out"), "--to", "de", stdin=text)[1] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("translate",), "translates to en or de; say which, such as --to en"),
        (("translate", "--sample"), "translates to en or de; say which, such as --to en"),
        (("translate", "--to", "fr"), "was not trained with the tag <2fr>; expected one of en, de"),
        (("translate", "--model", "RUN"), "translates to en or de; say which, such as --to en"),
        (("score", "--to", "fr"), "was not trained with the tag <2fr>; expected one of en, de"),
        (("score", "--src", "FILE", "--ref", "FILE"), "translates to en or de; say which"),
        (("check", "--data", "FILE"), "translates to en or de; say which"),
        (("compare", "RUN", "--with", "de-en"), "translates to en or de; say which"),
        (
            ("compare", "RUN", "--with", "OTHER", "--to", "de"),
            "has no line with <2de>",
        ),
        (("augment", "CONFIG", "--output", "OUT"), "mixes several corpora, expected one"),
        (("lab", "gates"), "nmt lab studies models without tags"),
    ],
)
def test_a_tag_that_is_missing_or_too_much_is_one_line(
    run: Path, command: Command, options: tuple[str, ...], message: str
) -> None:
    file = run / "lines"
    file.write_text("ein Hund\n", encoding="utf-8")
    other = Path(shutil.copytree(run, run.with_name("other")))
    untested = load_experiment(run / "config.yaml", ["data.corpora.1.tsv.test=null"])
    (other / "config.yaml").write_text(dump_experiment(untested), encoding="utf-8")
    paths = {"OTHER": other, "FILE": file, "RUN": run, "CONFIG": run / "config.yaml", "OUT": run / "out.tsv"}
    words = [str(paths.get(word, word)) for word in options]
    if "compare" not in words:
        words += ["--model", str(run)]
    code, out, err = command(*words, stdin="ein Hund\n")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line


BOTH = """
name: both
data:
  corpora:
    - {{builtin: {{train: 1500, validation: 20, test: 40}}, src: de, trg: en, tag: <2en>}}
    - {{builtin: {{train: 1500, validation: 20, test: 40}}, src: en, trg: de, tag: <2de>}}
  tokenizer: {{kind: bpe, vocab_size: 800}}
  prepared: {folder}/prepared
model:
  embedding: 64
  dropout: 0.0
  tie_embeddings: three_way
  encoder: {{hidden: 64}}
  decoder: {{hidden: 64}}
training:
  tokens_per_batch: 768
  max_updates: 700
  validate_every: 350
  validation_beam: 1
  precision: float32
  device: cpu
  threads: 1
  optimizer: {{lr: 0.004}}
  schedule: {{kind: constant}}
decoding: {{max_ratio: 1.5, max_extra: 5}}
"""


def test_one_model_learns_both_directions_and_translates_to_the_language_asked_for(
    tmp_path: Path, command: Command
) -> None:
    config, run = tmp_path / "both.yaml", Run(tmp_path / "run")
    config.write_text(BOTH.format(folder=tmp_path), encoding="utf-8")
    code, out, err = command("train", config, "--run", run.folder)
    assert (code, err) == (0, "")
    assert "bleu 2en" in out
    best = read_result(run.result)
    assert [score.form for score in best.scores] == ["<2en>, cased, detokenised", "<2de>, cased, detokenised"]

    german, english = zip(*pairs("train", 1500, seed=1), strict=True)
    known = {"de": set(" ".join(german).split()), "en": set(" ".join(english).split())}
    german, english = zip(*pairs("test", 40, seed=1), strict=True)
    for to, lines in (("en", german), ("de", english)):
        code, out, _ = command("translate", "--model", run.folder, "--to", to, stdin="\n".join(lines))
        assert code == 0
        words = out.split()
        right, wrong = (
            sum(word in known[each] for word in words) for each in (to, {"de": "en", "en": "de"}[to])
        )
        assert right > 0.6 * len(words)
        assert wrong < 0.3 * len(words)
    code, out, _ = command("score", "--model", run.folder, "--metrics", "bleu")
    assert code == 0
    assert all(score.score > 2 for score in read_result(run.result).scores)
