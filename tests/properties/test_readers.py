"""Whatever lies on disk, a reader gives what it promises or a UserError, never another exception."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import nmt
from nmt.config import Experiment, load_experiment
from nmt.config.loading import dump_experiment
from nmt.data.corpus import FileCorpus, Pair, TextFile, parse_tsv
from nmt.errors import UserError
from nmt.jobs.output import open_output
from nmt.results import Result, Score, Versions, read_result

pytestmark = pytest.mark.slow

FOLDERS = examples(suppress_health_check=[HealthCheck.function_scoped_fixture])
BYTES = st.binary(max_size=60) | st.lists(
    st.sampled_from(
        [b"a", b"\t", b"\n", b"\r", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff", b"\0"]
    ),
    max_size=20,
).map(b"".join)


def attempt(read: Callable[[], Any]) -> Any:
    """What it gives, or None and a message that says something in lines of text."""
    try:
        return read()
    except UserError as error:
        if not str(error).strip():
            raise
        return None


@examples(FOLDERS, max_examples=150)
@given(src=BYTES, trg=BYTES, name=st.sampled_from(["x", "x.gz"]), cut=st.integers(0, 40))
def test_files_of_text(tmp_path: Path, src: bytes, trg: bytes, name: str, cut: int) -> None:
    for side, content in (("src", src), ("trg", trg)):
        whole = gzip.compress(content, mtime=0)
        (tmp_path / f"{side}.x").write_bytes(content)
        (tmp_path / f"{side}.x.gz").write_bytes(content if cut > 30 else whole[: len(whole) - cut])
    src, trg = (TextFile("data.files", tmp_path / f"{side}.{name}") for side in ("src", "trg"))
    for files, parse in (([src, trg], Pair), ([src], parse_tsv)):
        corpus = FileCorpus({"train": files}, parse, "file")
        for pair in attempt(lambda corpus=corpus: list(corpus.pairs("train"))) or []:
            assert isinstance(pair, Pair)
            assert "\n" not in pair.src + pair.trg
            pair.src.encode()


KEYS = st.sampled_from(
    "name seed data dataset files tsv builtin src trg train tokenizer kind vocab_size model encoder decoder "
    "attention hidden layers training optimizer lr schedule decoding beam tracking x".split()
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["bpe", "adam", "general", "linear", "off", "2020-01-01", "builtin"])
)
TREES = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
YAML = (
    TREES.map(lambda tree: json.dumps(tree).encode())
    | TREES.map(
        lambda tree: json.dumps(
            {"name": "x", "data": {"builtin": {}, "src": "de", "trg": "en"}, "model": tree}
        ).encode()
    )
    | TREES.map(lambda tree: json.dumps({"name": "x", "data": tree}).encode())
    | st.lists(
        st.sampled_from(
            "a b: - [ ] { } , : # & * ! | > ' \" % @ ` ? \n \n  \n\t ~ << !!python &a *a 1e999 .nan "
            "0x 2020-01-01 12:30:45 name: data: --- ... \\ 0o7 =".split(" ")
        ),
        max_size=12,
    ).map(lambda words: "".join(words).encode())
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.binary(max_size=40)
)


@examples(FOLDERS, max_examples=400)
@given(content=YAML)
def test_a_configuration(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    experiment = attempt(lambda: load_experiment(path))
    if experiment is not None:
        assert isinstance(experiment, Experiment)
        dump_experiment(experiment)


@examples(max_examples=150)
@given(override=st.text(max_size=20) | st.builds("{}={}".format, KEYS, st.text(max_size=12)))
def test_an_override(override: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "override.yaml"
    path.write_text("name: x\ndata: {builtin: {}, src: de, trg: en}\n")
    attempt(lambda: load_experiment(path, [override]))


RESULT: dict[str, Any] = json.loads(
    Result(
        name="x",
        date="2026-11-20T12:00:00Z",  # type: ignore[arg-type]
        dataset="ref.txt",
        sentences=3,
        scores=(Score(metric="BLEU", form="cased", score=1.0, signature=""),),
        versions=Versions(python="3.11"),
    ).model_dump_json()
)
JSON = (
    TREES.map(json.dumps)
    | st.dictionaries(st.sampled_from(sorted(RESULT)), TREES, max_size=3).map(
        lambda d: json.dumps(RESULT | d)
    )
    | st.integers(1, 400).map(lambda length: json.dumps(RESULT)[:length])
    | st.text(max_size=20)
)


@examples(FOLDERS, max_examples=300)
@given(content=JSON.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=20))
def test_a_result(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    result = attempt(lambda: read_result(path))
    assert result is None or isinstance(result, Result)


@examples(FOLDERS, max_examples=100)
@given(content=st.binary(max_size=60) | st.binary(max_size=5).map(lambda b: b"7 ||| a ||| " + b + b"\n"))
@pytest.mark.parametrize("numbered_from", [None, 0, 5])
def test_an_output_to_go_on_with(tmp_path: Path, content: bytes, numbered_from: int | None) -> None:
    path = tmp_path / "out"
    path.write_bytes(content)

    def resume() -> None:
        with open_output(path, resume=True, numbered_from=numbered_from) as output:
            output.write("a\n")

    attempt(resume)
    assert path.read_bytes() in (content, b"a\n")  # nothing is lost that the job would not write


PARTS = ["config.yaml", "model.safetensors", "tokenizer/shared.json", "tokenizer/shared.model"]


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Cut, empty, overwrite or lengthen; near the beginning, where headers are, or anywhere."""
    place = draw(st.integers(0, 300) | st.integers(0, 10**6))
    content = draw(st.binary(min_size=1, max_size=8))
    match draw(st.sampled_from(["cut", "overwrite", "insert", "drop", "replace"])):
        case "cut":
            return lambda old: old[: place % (len(old) + 1)]
        case "overwrite":
            return lambda old: old[: place % len(old)] + content + old[place % len(old) + len(content) :]
        case "insert":
            return lambda old: old[: place % len(old)] + content + old[place % len(old) :]
        case "drop":
            return lambda old: old[: place % len(old)] + old[place % len(old) + len(content) :]
        case _:
            return lambda old: content


@examples(FOLDERS, max_examples=120)
@given(part=st.sampled_from(PARTS), damage=damages())
def test_a_run_folder(tiny_run: Path, tmp_path: Path, part: str, damage: Callable[[bytes], bytes]) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run, dirs_exist_ok=True)
    (run / part).write_bytes(damage((tiny_run / part).read_bytes()))
    found = attempt(lambda: nmt.load(run).translate(["der Hund", "", "the dog runs"]))
    assert found is None or [bool(text) for text in found][1] is False
