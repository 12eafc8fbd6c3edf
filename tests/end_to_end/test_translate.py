"""`nmt translate`, run as a person runs it."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nmt
from nmt.builders.translator import load_translator
from nmt.data.lengths import TrainingLengths
from nmt.decoding.options import TranslationOptions
from translating import TRANSLATE

NMT = Path(sys.executable).with_name("nmt")
ODD = [
    "",
    "der Hund läuft.",
    "a\tb",
    "\x00\x1b[31m\x07",
    "👩‍👩‍👧 東京",
    "a\u2028b\u0085c",
    " \u2028 ",
    "die Straße, " * 1700,
]


def translate(run: Path, data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*TRANSLATE, str(run), *options], input=data, capture_output=True)


def test_whatever_the_line_a_line_comes_out(tiny_run: Path) -> None:
    assert len(ODD[-1]) > 20_000
    data = "\r\n".join([*ODD, "ohne Ende"]).encode()
    done = translate(tiny_run, data)
    assert done.returncode == 0
    assert done.stderr == b""
    *found, nothing = done.stdout.decode().split("\n")
    assert nothing == ""
    assert found == nmt.load(tiny_run).translate([*ODD, "ohne Ende"])
    assert [bool(line) for line in found] == [bool(line.strip()) for line in ODD] + [True]


def test_a_byte_that_is_not_utf8_is_an_error_behind_the_lines_before_it(tiny_run: Path) -> None:
    done = translate(tiny_run, b"der Hund\n\nsch\xf6n\nthe dog\n")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "nmt: standard input: line 3, byte 4 of the line: expected UTF-8, found 0xf6; "
        "convert the file to UTF-8"
    ]
    assert done.stdout.decode().split("\n")[:-1] == nmt.load(tiny_run).translate(["der Hund", ""])


SENTENCES = ["Der Hund läuft schnell.", "Die Straße, z. B. der Hund.", "The dog runs!", "Über die Straße?"]


def test_a_paragraph_is_translated_sentence_by_sentence(
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., tuple[object, str, str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sentences").write_text("\n".join(SENTENCES) + "\n", "utf-8")
    Path("paragraph").write_text(" ".join(SENTENCES) + "\n", "utf-8")
    single, parts, options = ["--beam", "1"], [], ["--precision", "float64"]
    for name in ("sentences", "paragraph"):
        assert (
            command("translate", "--model", tiny_run, name, *single, *options, "--output", f"{name}.out")[0]
            == 0
        )
        parts.append(Path(f"{name}.out").read_text("utf-8").splitlines())
    assert parts[1] == [" ".join(parts[0])]
    code, out, err = command("translate", "--model", tiny_run, "paragraph", "--no-split", *single, *options)
    assert (code, err) == (0, "")
    assert out != f"{parts[1][0]}\n"
    assert out == "".join(
        f"{text}\n"
        for text in load_translator(
            TranslationOptions(models=(tiny_run,), beam=1, split=False, precision="float64")
        ).translate([" ".join(SENTENCES)])
    )


def test_training_says_what_is_cut_and_what_is_too_short(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (tmp_path / "in").write_text(f"der Hund\n{' '.join(SENTENCES)}\n" * 2, "utf-8")
    TrainingLengths(tokens=1000, sentences=4, ratio=100.0).save(run / "tokenizer")
    code, whole, err = command("translate", "--model", run, tmp_path / "in", "--max-source", "1000")
    assert code == 0
    assert err == (
        "nmt: 2 of the translations are much shorter than their sources, the first that of line 2; "
        "check whether text is missing there\n"
    )
    (tmp_path / "one").write_text(f"{' '.join(SENTENCES)}\n", "utf-8")
    err = command("translate", "--model", run, tmp_path / "one", "--max-source", "1000")[2]
    assert err.startswith("nmt: 1 of the translations is much shorter than its source, that of line 1;")
    assert whole.splitlines() == nmt.load(tiny_run, split=False, max_source=1000).translate(
        ["der Hund", " ".join(SENTENCES)] * 2
    )
    TrainingLengths(tokens=1000, sentences=1).save(run / "tokenizer")
    code, cut, err = command("translate", "--model", run, tmp_path / "in")
    assert (code, err) == (0, "")
    assert cut.splitlines() == nmt.load(tiny_run).translate(["der Hund", " ".join(SENTENCES)] * 2)
    (run / "tokenizer" / "lengths.json").write_text("{}")
    code, _, err = command("translate", "--model", run, tmp_path / "in")
    assert code == 2
    assert "lengths.json: holds no lengths (tokens: Field required); restore it" in err


def test_an_empty_input_is_said(
    tiny_run: Path, tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    (tmp_path / "in").touch()
    said = f"nmt: {tmp_path / 'in'} is empty: no line in, no line out\n"
    assert command("translate", "--model", tiny_run, tmp_path / "in") == (0, "", said)
    done = translate(tiny_run, b"")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"nmt: standard input is empty: no line in, no line out\n"
    assert translate(tiny_run, b"\n").stderr == b""


@pytest.mark.parametrize("words", [[], ["--precision", "float64"]])
def test_lines_a_second_are_for_a_person(tiny_run: Path, tmp_path: Path, words: list[str]) -> None:
    (text := tmp_path / "letter.de").write_text("der Hund\n\n")
    terminal, inside = pty.openpty()
    job = [*TRANSLATE, str(tiny_run), str(text), *words]
    subprocess.run(job, stdout=subprocess.DEVNULL, stderr=inside, check=True)
    os.close(inside)
    assert re.fullmatch(
        r"nmt: 2 lines in \d+\.\d s, \d+\.\d lines a second with loading",
        os.read(terminal, 4096).decode().strip(),
    )
    os.close(terminal)
    assert subprocess.run(job, capture_output=True, check=True).stderr == b""


def test_a_dash_is_standard_input_and_output(tiny_run: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*TRANSLATE, str(tiny_run), "-", "--output", "-"],
        input=b"der Hund\n",
        capture_output=True,
        cwd=tmp_path,
    )
    assert done.stdout.decode().splitlines() == nmt.load(tiny_run).translate(["der Hund"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["translate", "predict"])
def test_a_standard_input_that_fails_is_one_line(tiny_run: Path, command: str) -> None:
    with open(os.devnull, "wb") as no_input:
        done = subprocess.run(
            [*TRANSLATE[:-2], command, "--model", str(tiny_run)],
            stdin=no_input,
            capture_output=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", ["", " --workers 1"])
def test_a_closed_standard_input_is_one_line(tiny_run: Path, options: str) -> None:
    job = f"{NMT} translate --model {tiny_run}{options} <&-"
    done = subprocess.run(["sh", "-c", job], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("nmt: standard input is closed; ")
    assert len(done.stderr.splitlines()) == 1


def test_the_n_best_with_their_links_and_bytes_replaced(tiny_run: Path) -> None:
    lines = ["der Hund läuft schnell", "", "sch\ufffdn"]
    data = "\n".join(lines).encode().replace("\ufffd".encode(), b"\xf6")
    done = translate(tiny_run, data, "--n-best", "3", "--alignments", "--errors", "replace")
    assert done.returncode == 0
    rows = [line.split(" ||| ") for line in done.stdout.decode().removesuffix("\n").split("\n")]
    assert [row[0] for row in rows] == ["0", "0", "0", "1", "2", "2", "2"]
    assert [len(row) for row in rows] == [4] * 7
    assert rows[3][1:] == ["", "0.000000", ""]
    for number, src in enumerate(lines):
        scores = [row[2] for row in rows if row[0] == str(number)]
        assert all(re.fullmatch(r"-?\d+\.\d{6}", score) for score in scores)
        assert scores == sorted(scores, key=float, reverse=True)
        for row in (row for row in rows if row[0] == str(number)):
            links = [link.split("-") for link in row[3].split()]
            assert {int(trg) for _, trg in links} == set(range(len(links)))
            assert all(int(place) < len(src.split()) for place, _ in links)


def test_json_is_an_object_a_line(tiny_run: Path) -> None:
    lines = ["der Hund läuft schnell", "", 'sch"n \\ 東京', "der Hund. über die Straße."]
    data = "\n".join(lines).encode()
    plain = translate(tiny_run, data).stdout.decode().removesuffix("\n").split("\n")
    done = translate(tiny_run, data, "--json", "--n-best", "2")
    assert (done.returncode, done.stderr) == (0, b"")
    records = [json.loads(row) for row in done.stdout.decode().removesuffix("\n").split("\n")]
    assert [record["source"] for record in records] == lines
    assert [record["text"] for record in records] == plain
    for record in records:
        assert " ".join(record["source_words"]) == " ".join(record["source"].split())
        for each in (record, *record["alternatives"]):
            assert [word["text"] for word in each["words"]] == each["text"].split()
            assert [trg for _, trg in each["alignment"]] == list(range(len(each["words"])))
            assert all(len(word["attention"]) == len(record["source_words"]) for word in each["words"])
            assert all(0 <= word["confidence"] <= 1 for word in each["words"])
            assert all(token["log_prob"] <= 0 for token in each["tokens"])
    assert [len(record["alternatives"]) for record in records] == [1, 0, 1, 1]
    assert [record["tokens"][-1]["text"] for record in records if record["tokens"]] == ["</s>"] * 3


def test_output_comes_before_the_input_ends(tiny_run: Path) -> None:
    process = subprocess.Popen(
        [*TRANSLATE, str(tiny_run), "--beam", "1", "--alignments"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in (b"der Hund", b"", b"the dog"):
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            assert b"|||" in process.stdout.readline()
        process.send_signal(signal.SIGINT)  # with the input still open, as at a terminal
        assert process.wait(timeout=60) in (1, 130)
        message = process.stderr.read().decode()
    assert "Traceback" not in message
    assert "Fatal" not in message


@pytest.mark.parametrize(
    ("line", "files", "has", "has_not"),
    [
        ("der Hund\tthe big\t!dog", {"--after-tab": "terms"}, "the big", "dog"),
        ("der Hund\tthe big", {"--after-tab": "prefix"}, "the big", None),
        ("der Hund", {"--glossary": "Hund\tdog\nKatze\tcat\n"}, "dog", "cat"),
        ("der Hund", {"--forbid": "the\na\n"}, None, "the"),
    ],
    ids=["terms", "prefix", "glossary", "forbid"],
)
@pytest.mark.parametrize("model", ["RUN", "de-en"])
def test_what_is_demanded_is_met(
    tiny_run: Path,
    model: str,
    tmp_path: Path,
    command: Callable[..., tuple[object, str, str]],
    line: str,
    files: dict[str, str],
    has: str | None,
    has_not: str | None,
) -> None:
    options = []
    for option, value in files.items():
        if option != "--after-tab":
            path = tmp_path / "given.tsv"
            path.write_text(value, encoding="utf-8")
            value = str(path)
        options += [option, value]
    of = tiny_run if model == "RUN" else model
    code, out, err = command("translate", "--model", of, *options, "--n-best", "3", stdin=f"{line}\n")
    assert (code, err) == (0, "")
    texts = [row.split(" ||| ")[1] for row in out.splitlines()]
    assert texts
    for text in texts:
        assert has is None or re.search(rf"(?<!\w){has}", text)
        assert has_not is None or not re.search(rf"(?<!\w){has_not}", text)
    if "--after-tab" in files and has and files["--after-tab"] == "prefix":
        assert all(text.startswith(has) for text in texts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--model", "de-en", "--no-repeat", "3", "--precision", "float64"],
            "de-en was exported and computes in int8 on a CPU; another precision or device needs",
        ),
        (["--model", "de-en", "--diverse", "2", "--beam", "4", "--precision", "float32"], "exported in int8"),
        (["--model", "RUN", "--no-repeat", "3", "--after-tab", "terms"], "no_repeat 3: expected no glossary"),
        (["--model", "RUN", "--diverse", "2", "--beam", "5"], "diverse 2: expected a beam of so many or a"),
        (["--model", "RUN", "--diversity", "1"], "--diversity: an option of --diverse; add --diverse GROUPS"),
        (["--model", "RUN", "--glossary", "setup.cfg"], "setup.cfg, line 1: expected a source text, one tab"),
        (["--model", "nowhere"], "nmt: nowhere is not a folder; give the folder of a run, such as runs/demo"),
        (["--model", "tests"], "nmt: tests is not a run: it has no config.yaml"),
        (["--model", "RUN", "--beam", "2", "--n-best", "5"], "nmt: a beam of 2 cannot give the 5 best"),
        (["--model", "CUT", "--sample", "--beam", "2"], "nmt: --beam: an option of searching, unused"),
        (
            ["--model", "CUT", "--sample", "--n-best", "3", "--alignments"],
            "--n-best, --alignments: an option",
        ),
        (["--model", "RUN", "--samples", "4"], "nmt: --samples: an option of --mbr; add --mbr chrf"),
        (
            ["--model", "RUN", "--sample", "--mbr", "chrf"],
            "--mbr: --mbr samples by itself; leave --sample out",
        ),
        (
            ["--model", "RUN", "--mbr", "chrf", "--beam", "2"],
            "--beam: an option of searching, unused with --mbr",
        ),
        (["--model", "CUT", "--sample", "--json"], "nmt: --json: an option of searching, unused with"),
        (["--model", "CUT", "--json", "--alignments"], "--alignments: --json already writes the word links"),
        (
            ["--model", "CUT", "--temperature", "1"],
            "nmt: --temperature: an option of sampling; add",
        ),
        (["--model", "CUT", "--seed", "1", "--top-p", "0.9"], "an option of sampling; add --sample"),
        (["--model", "CUT", "--sample", "--temperature", "inf"], "--temperature inf: expected a number"),
        (["--model", "CUT", "--sample", "--top-p", "1.5"], "--top-p 1.5: expected a probability above 0 and"),
        (["--model", "CUT"], "model.safetensors is damaged"),
        (
            ["--model", "RUN", "--format", "html", "--json", "--workers", "2"],
            "nmt: --json, --workers: no effect with --format html; leave it out",
        ),
        (["--model", "RUN", "--resume"], "--resume needs the lines as --input FILE"),
        (["--model", "RUN", "--shard", "1/2"], "--shard needs the lines as --input FILE"),
        (
            ["--model", "RUN", "--input", "/dev/null", "--shard", "1/2"],
            "expected a regular file as --input, found",
        ),
        (["--model", "RUN", "--input", "setup.cfg", "--resume"], "as --output FILE"),
        (["--model", "RUN", "--input", "setup.cfg", "--shard", "0/2"], "expected i/n such as 1/4"),
        (["--model", "RUN", "--input", "setup.cfg", "--shard", "3/2"], "expected i/n such as 1/4"),
        (["--model", "RUN", "--input", "setup.cfg", "--shard", "1/0"], "expected i/n such as 1/4"),
        (["--model", "RUN", "--input", "nowhere"], "--input nowhere: expected a file of text, found no such"),
        (["--model", "RUN", "--input", "tests"], "--input tests: expected a file of text, found a folder"),
        (["--model", "RUN", "--input", "setup.cfg", "--output", "README.md"], "README.md exists"),
        (
            ["--model", "RUN", "--input", "setup.cfg", "--output", "setup.cfg", "--resume"],
            "--input and --output are one file",
        ),
    ],
)
def test_a_mistake_is_one_line(
    tiny_run: Path,
    tmp_path: Path,
    command: Callable[..., tuple[object, str, str]],
    options: list[str],
    message: str,
) -> None:
    cut = Path(shutil.copytree(tiny_run, tmp_path / "cut"))
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    folders = {"RUN": str(tiny_run), "CUT": str(cut)}
    code, out, err = command("translate", *(folders.get(o, o) for o in options), stdin="der Hund\n")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err


def test_a_document_is_translated_with_its_tags(tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "out.html"
    page.write_text("<!DOCTYPE html>\n<p>Der <b>Hund</b> schläft.</p>\n<pre>Der Hund</pre>\n")
    expected = "<!DOCTYPE html>\n<p>The <b>dog</b> is sleeping.</p>\n<pre>Der Hund</pre>\n"
    job = [*TRANSLATE, "de-en", "--format", "html"]
    subprocess.run([*job, str(page), "--output", str(out)], check=True)
    assert out.read_text() == expected
    done = subprocess.run(job, input=page.read_bytes(), capture_output=True, check=True)
    assert (done.stdout.decode(), done.stderr) == (expected, b"")
