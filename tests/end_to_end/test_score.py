"""`nmt score` and `nmt show`, run as a person runs them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import sacrebleu

import nmt
from nmt.results import read_result

Command: TypeAlias = Callable[..., tuple[object, str, str]]

REFERENCES = ["The dog runs across the street.", "A man sits there.", "It is late."]
HYPOTHESES = ["The dog runs over the street.", "A man sits there.", "it was late"]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_scores_of_two_files_are_sacrebleus(tmp_path: Path) -> None:
    hyp, ref = write(tmp_path / "out.en", HYPOTHESES), write(tmp_path / "ref.en", REFERENCES)
    code = "from nmt.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "score", "--hyp", hyp, "--ref", ref, "--output", tmp_path / "scores"],
        capture_output=True,
        text=True,
        check=True,
    )
    result = read_result(tmp_path / "scores")
    wanted = {
        ("BLEU", "cased, detokenised"): sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score,
        ("chrF2", "cased, detokenised"): sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score,
        ("BLEU", "lowercased, 13a"): sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], lowercase=True).score,
    }
    for (metric, form), value in wanted.items():
        found = result.score(metric, form)
        assert found is not None
        assert found.score == pytest.approx(value)
        assert found.signature in done.stdout
    assert result.score("TER") is None
    assert (result.schema_version, result.sentences, result.training) == (2, 3, None)


def test_a_baseline_is_compared_with(tmp_path: Path, command: Command) -> None:
    hyp, ref = write(tmp_path / "out.en", HYPOTHESES), write(tmp_path / "ref.en", REFERENCES)
    code, out, _ = command("score", "--hyp", hyp, "--ref", ref, "--baseline", hyp)
    assert code == 0
    assert "BLEU   +0.00 to out.en, p = 1.0000" in out
    code, out, _ = command("score", "--hyp", hyp, "--ref", ref, "--baseline", hyp, "--metrics", "ter")
    assert code == 0
    assert "TER    +0.00 to out.en, p = 1.0000" in out
    assert "BLEU" not in out
    short = write(tmp_path / "short.en", HYPOTHESES[:2])
    code, out, err = command("score", "--hyp", hyp, "--ref", ref, "--baseline", short)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert f"{short} has 2" in err
    code, _, err = command("score", "--model", tmp_path, "--baseline", hyp)
    assert code == 2
    assert "give it with --hyp and --ref" in err


def test_files_that_cannot_be_scored(tmp_path: Path, command: Command) -> None:
    hyp, ref = write(tmp_path / "out.en", HYPOTHESES[:2]), write(tmp_path / "ref.en", REFERENCES)
    empty = write(tmp_path / "empty", [])
    for arguments, message in [
        (
            (hyp, ref),
            f"nmt: {hyp} has 2 lines and {ref} has 3; line n of one must translate line n of the other",
        ),
        ((tmp_path / "nowhere", ref), f"nmt: {tmp_path / 'nowhere'}: cannot be read"),
        ((empty, empty), f"nmt: {empty} is empty: nothing to score"),
    ]:
        code, out, err = command("score", "--hyp", arguments[0], "--ref", arguments[1])
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert message in err
    assert not list(tmp_path.glob("*.json"))
    code, _, err = command("score", "--hyp", hyp)
    assert code == 2
    assert err.startswith("nmt: give --model RUN, or --model RUN --src FILE --ref FILE, or")


def test_a_run_is_scored_on_its_test_split(tiny_run: Path, tmp_path: Path, command: Command) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    saved = tmp_path / "out.txt"
    code, out, _ = command(
        "score",
        "--model",
        run,
        "--save",
        saved,
        "--set",
        "decoding.length_penalty={kind: none}",
        "--beam",
        "3",
    )
    assert code == 0
    pairs = [line.split("\t") for line in (tiny_run.parent / "test.tsv").read_text("utf-8").splitlines()]
    outputs = saved.read_text("utf-8").removesuffix("\n").split("\n")
    result = read_result(run / "result.json")
    assert len(outputs) == len(pairs)
    assert (result.name, result.split, result.sentences) == ("tiny", "test", len(pairs))
    assert result.decoding is not None
    assert result.decoding.settings["beam"] == 3
    assert result.decoding.settings["length_penalty"] == {"kind": "none"}
    bleu = result.score("BLEU")
    assert bleu is not None
    assert bleu.score == pytest.approx(sacrebleu.corpus_bleu(outputs, [[trg for _, trg in pairs]]).score)
    assert bleu.signature in out
    assert set(result.tokenizers) == {"src", "trg"}
    before = result.data_hashes["test"]
    other = write(tmp_path / "other.tsv", ["der Hund\tthe dog"])
    assert command("score", "--model", run, "--set", f"data.tsv.test={other}")[0] == 0
    assert read_result(run / "result.json").data_hashes["test"] != before


@pytest.mark.parametrize("override", ["seed=77", "model.dropout=0.1", "data.tokenizer={kind: char}"])
def test_a_score_does_not_say_of_a_model_what_it_is_not(
    tiny_run: Path, command: Command, override: str
) -> None:
    code, _, err = command("score", "--model", tiny_run, "--set", override)
    assert (code, len(err.splitlines())) == (2, 1)
    assert f"--set {override.partition('=')[0]}" in err
    assert not (tiny_run / "result.json").exists()


def test_a_run_is_scored_on_files(tiny_run: Path, tmp_path: Path, command: Command) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    src, ref = write(tmp_path / "a.de", ["der Hund", "", "die Straße"]), write(tmp_path / "a.en", REFERENCES)
    code, _, _ = command("score", "--model", run, "--src", src, "--ref", ref, "--save", tmp_path / "out")
    assert code == 0
    assert (tmp_path / "out").read_text("utf-8").split("\n")[:-1] == nmt.load(run).translate(
        ["der Hund", "", "die Straße"]
    )
    result = read_result(run / "result-a.en.json")
    assert (result.dataset, result.split, result.sentences) == (str(ref), None, 3)
    code, _, err = command("score", "--model", run, "--src", src, "--ref", write(tmp_path / "b.en", ["one"]))
    assert code == 2
    assert f"{src} has 3 lines" in err
    code, _, err = command("score", "--model", run, "--split", "tset")
    assert code == 2
    assert "has no split 'tset'; give --split with one of train, validation, test" in err


def test_show_prints_translations_beside_references_and_a_drawing(tiny_run: Path, command: Command) -> None:
    code, out, _ = command("show", "--model", tiny_run, "--count", "2")
    assert code == 0
    pairs = [line.split("\t") for line in (tiny_run.parent / "test.tsv").read_text("utf-8").splitlines()]
    for src, ref in (pairs[0], pairs[10]):
        (translation,) = nmt.load(tiny_run).translate([src])
        assert f"source       {src}\nreference    {ref}\ntranslation  {translation}\n" in out
    assert "attention (rows" in out
    assert "░" in out


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(tmp_path / "hyp", HYPOTHESES)
    write(tmp_path / "ref", REFERENCES)
    write(tmp_path / "ref2", HYPOTHESES)
    write(tmp_path / "ref.zh", ["我昨天在图书馆看了一本书。"])
    write(tmp_path / "hyp.zh", ["我昨天在图书馆读了一本书。"])
    return tmp_path


def test_files_are_scored_and_nothing_is_written(files: Path, command: Command) -> None:
    before = sorted(files.iterdir())
    assert command("score", "--hyp", files / "hyp", "--ref", files / "ref")[0] == 0
    assert sorted(files.iterdir()) == before
    code, out, _ = command("score", "--hyp", files / "hyp", "--ref", files / "ref", "--metrics", "ter")
    assert (code, len(out.splitlines())) == (0, 1)
    assert out.startswith("TER")


def test_several_references(files: Path, command: Command) -> None:
    references = ("--ref", files / "ref", "--ref", files / "ref2")
    code, out, _ = command("score", "--hyp", files / "hyp", *references, "--output", files / "scores")
    assert code == 0
    assert "100.00   nrefs:2|" in out.splitlines()[0]
    result = read_result(files / "scores")
    assert result.dataset == f"{files / 'ref'} {files / 'ref2'}"
    assert set(result.data_hashes) == {str(files / "ref"), str(files / "ref2")}
    code, _, err = command("score", "--hyp", files / "hyp", "--ref", files / "ref", "--ref", files / "ref.zh")
    assert (code, f"{files / 'ref.zh'} has 1" in err) == (2, True)


def test_a_blank_reference_counts_only_where_there_is_another(files: Path, command: Command) -> None:
    gaps = write(files / "gaps", [REFERENCES[0], "", REFERENCES[2]])
    hyp = ("--hyp", files / "hyp")
    code, out, _ = command("score", *hyp, "--ref", files / "ref", "--ref", gaps)
    assert code == 0
    assert all("nrefs:var|" in line for line in out.splitlines())
    for references in (("--ref", gaps), ("--ref", gaps, "--ref", gaps)):
        code, out, err = command("score", *hyp, *references)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert f"{gaps}: line 2: expected a reference, found a blank line" in err


@pytest.fixture
def sacrebleu_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(sacrebleu.DATASETS["multi30k/2016"], "_outdir", str(folder))
    write(folder / "multi30k_2016.en-de.src", ["The dog sleeps.", "A man sits."])
    write(folder / "multi30k_2016.en-de.ref", ["Der Hund schläft.", "Ein Mann sitzt."])
    return folder


def test_a_test_set_by_sacrebleus_name(
    sacrebleu_cache: Path, tiny_run: Path, tmp_path: Path, command: Command
) -> None:
    named = ("--test-set", "multi30k/2016", "--langpair", "en-de")
    hyp = write(tmp_path / "hyp", ["Der Hund schläft.", "Ein Mann sitzt."])
    code, out, _ = command("score", "--hyp", hyp, *named, "--output", tmp_path / "scores")
    assert (code, "100.00   nrefs:1|" in out) == (0, True)
    result = read_result(tmp_path / "scores")
    assert (result.dataset, result.sentences) == ("multi30k/2016 en-de", 2)
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    assert command("score", "--model", run, *named, "--save", tmp_path / "saved")[0] == 0
    sources = (sacrebleu_cache / "multi30k_2016.en-de.src").read_text("utf-8").splitlines()
    assert (tmp_path / "saved").read_text("utf-8").splitlines() == nmt.load(run).translate(sources)
    assert read_result(run / "result-multi30k_2016.en-de.ref.json").dataset == "multi30k/2016 en-de"
    code, out, _ = command("score", "--model", run, *named, "--force")
    assert (code, len(out.splitlines())) == (0, 2)
    short = write(tmp_path / "short", ["Der Hund schläft."])
    for wrong, message in [
        (("--hyp", short, *named), f"{short} has 1 lines and {sacrebleu_cache}"),
        (("--hyp", hyp, *named[:2]), "--test-set and --langpair go together"),
        (("--hyp", hyp, *named, "--ref", hyp), "has its own texts; leave --ref"),
        (("--model", run, *named, "--split", "test"), "has no effect with --src, --ref, --test-set"),
        ((*named,), "--test-set NAME --langpair PAIR stands for --src and --ref"),
    ]:
        code, out, err = command("score", *wrong)
        assert (code, out, len(err.splitlines()), message in err) == (2, "", 1, True), err


def test_the_tokenizer_of_bleu(files: Path, command: Command) -> None:
    shutil.copy(files / "ref.zh", files / "chinese")
    for arguments, expected in (
        (("--ref", files / "ref.zh"), "tok:zh"),
        (("--ref", files / "chinese"), "tok:zh"),
        (("--ref", files / "chinese", "--trg", "zh-CN"), "tok:zh"),
        (("--ref", files / "ref.zh", "--tokenize", "char"), "tok:char"),
        (("--ref", files / "ref.zh", "--trg", "de"), "tok:13a"),
    ):
        code, out, _ = command("score", "--hyp", files / "hyp.zh", *arguments)
        assert code == 0
        assert expected in out.splitlines()[0]
    files_of = ("--hyp", files / "hyp.zh", "--ref", files / "ref.zh")
    for wrong in (("--tokenize", "moses"), ("--metrics", "bleu,meteor")):
        code, _, err = command("score", *files_of, *wrong)
        assert (code, len(err.splitlines()), wrong[0] in err) == (2, 1, True)


def test_a_run_into_chinese_is_validated_and_scored_by_the_tokenizer_of_chinese(
    tiny_run: Path, tmp_path: Path, command: Command
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    config = (run / "config.yaml").read_text()
    assert "trg: null" in config
    (run / "config.yaml").write_text(config.replace("trg: null", "trg: zh").replace("src: null", "src: de"))
    code, out, _ = command("score", "--model", run)
    assert (code, "tok:zh" in out) == (0, True)


@pytest.mark.parametrize(
    ("way", "option"),
    [
        ("files", ("--save", "new")),
        ("files", ("--set", "decoding.beam=2")),
        ("files", ("--split", "test")),
        ("files", ("--beam", "3")),
        ("files", ("--precision", "float32")),
        ("files", ("--device", "cpu")),
        ("files", ("--threads", "1")),
        ("files", ("--lm-weight", "0.1")),
        ("run", ("--trg", "zh")),
        ("sources", ("--split", "test")),
        ("chrf", ("--tokenize", "zh")),
        ("chrf", ("--trg", "zh")),
        ("zh", ("--trg", "zh")),
        ("sources", ("--set", "data.tsv.test=hyp")),
        ("forced", ("--set", "decoding.beam=3")),
        ("beam", ("--set", "decoding.beam=3")),
        ("forced", ("--metrics", "bleu")),
        ("forced", ("--tokenize", "zh")),
        ("forced", ("--beam", "2")),
        ("forced", ("--output", "new")),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    way: str, option: tuple[str, str], files: Path, tiny_run: Path, command: Command
) -> None:
    pair = ("--src", files / "hyp", "--ref", files / "ref")
    words = {
        "files": ("--hyp", files / "hyp", "--ref", files / "ref"),
        "chrf": ("--hyp", files / "hyp", "--ref", files / "ref", "--metrics", "chrf"),
        "zh": ("--hyp", files / "hyp", "--ref", files / "ref", "--tokenize", "zh"),
        "run": ("--model", tiny_run),
        "beam": ("--model", tiny_run, "--beam", "2"),
        "sources": ("--model", tiny_run, *pair),
        "forced": ("--model", tiny_run, *pair, "--force"),
    }[way]
    value = files / "new" if option[1] == "new" else option[1]
    code, out, err = command("score", *words, option[0], value)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert option[0] in err
    assert not (files / "new").exists()


@pytest.mark.parametrize("option", ["--output", "--save"])
@pytest.mark.parametrize("name", ["ref", "-", "nowhere/new", "link"])
def test_a_file_that_is_there_is_not_overwritten(
    option: str, name: str, files: Path, tiny_run: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    (files / "link").symlink_to("elsewhere")
    before = {path: path.lstat().st_mtime_ns for path in files.iterdir()}
    code, out, err = command("score", "--model", tiny_run, "--src", "hyp", "--ref", "ref", option, name)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"nmt: {option} {name}")
    assert {path: path.lstat().st_mtime_ns for path in files.iterdir()} == before


@pytest.mark.parametrize("result", ["new", "sub/../new", "run/result-validation.json"])
def test_outputs_and_result_are_two_files(
    result: str, tiny_run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run, "run")
    Path("sub").mkdir()
    given = () if result.startswith("run") else ("--output", tmp_path / "new")
    code, out, err = command("score", "--model", "run", "--split", "validation", "--save", result, *given)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "one file" in err
    assert not Path(result).exists()


def test_names_that_are_not_utf8_do_not_lose_the_result(files: Path, command: Command) -> None:
    ref = files / os.fsdecode(b"ref\xff")
    shutil.copy(files / "ref", ref)
    code, _, err = command("score", "--hyp", files / "hyp", "--ref", ref, "--output", files / "new")
    assert (code, err) == (0, "")
    assert read_result(files / "new").dataset.endswith("ref\ufffd")


def test_a_broken_result_is_told_before_anything_is_computed(
    tiny_run: Path, tmp_path: Path, command: Command
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run / "result.json").write_text("{")
    code, out, err = command("score", "--model", run)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "broken JSON" in err
    assert "delete it" in err
    assert (run / "result.json").read_text() == "{"


def test_scores_are_shown_where_they_cannot_be_written(
    tiny_run: Path, tmp_path: Path, command: Command
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run / "result.json").mkdir()  # a superuser may write into any folder
    (run / "result.json" / "held").touch()
    code, out, err = command("score", "--model", run, "--split", "validation", "--save", tmp_path / "out")
    assert code == 0
    shutil.rmtree(run / "result-validation.json", ignore_errors=True)
    code, out, err = command("score", "--model", run, "--save", tmp_path / "out2")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "tok:13a" in out
    assert len((tmp_path / "out2").read_text().splitlines()) == 20


def test_a_run_without_a_test_split_names_what_else_can_be_scored(
    tiny_run: Path, tmp_path: Path, command: Command
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    code, _, err = command("score", "--model", run, "--set", "data.tsv.test=null")
    assert code == 2
    assert "has no split 'test'; give --split with one of train, validation, or --src FILE --ref FILE" in err
