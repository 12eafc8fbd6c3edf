"""Every reader under atheris, which looks for bytes that lead it along new paths.

    pip install atheris
    python scripts/fuzz.py config -max_total_time=60 [FOLDER of inputs to begin with]
    python scripts/fuzz.py run=RUN -max_total_time=60

What is read: config, result, tsv, labelled, vectors; run: a copy of a run's folder, in which the bytes stand
for the file that the first of them names by number. A reader gives what it promises or raises UserError; any
other exception ends the run, and the bytes that led to it are written to a file. The options are libFuzzer's.
The tests ask the same with hypothesis.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed; pip install atheris")

with atheris.instrument_imports(include=["nmt"]):
    from nmt.build.translator import load_translator
    from nmt.config import load_experiment
    from nmt.config.data import LabelledText, TsvFiles
    from nmt.config.loading import dump_experiment
    from nmt.data.corpus import TsvCorpus
    from nmt.data.labelled import LabelledCorpus
    from nmt.data.vocabulary import SPECIALS, Vocabulary
    from nmt.data.word_vectors import check_word_vectors, read_word_vectors
    from nmt.errors import UserError
    from nmt.results import read_result


def config(path: Path) -> None:
    dump_experiment(load_experiment(path))


def result(path: Path) -> None:
    read_result(path)


def tsv(path: Path) -> None:
    for pair in TsvCorpus(TsvFiles(train=str(path), validation=str(path))).pairs("train"):
        assert "\n" not in pair.src + pair.trg


def labelled(path: Path) -> None:
    files = LabelledText(train=str(path), validation=str(path))
    for each_word in (False, True):
        try:
            for pair in LabelledCorpus(files, each_word=each_word).pairs("train"):
                assert len(pair.trg.split()) == (len(pair.src.split()) if each_word else 1)
        except UserError:
            continue


def vectors(path: Path) -> None:
    vocabulary = Vocabulary([*SPECIALS, "\u2581a", "a", "1"])
    for vector in read_word_vectors(path, vocabulary, 2, subwords=True).values():
        assert vector.shape == (2,)
    check_word_vectors(path, 2)


def run_reader(run: Path, place: Path) -> Callable[[Path], None]:
    """Return what reads the run with one file made of an input's bytes."""
    copy = place / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("checkpoints", "lock", "wandb"))
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in files]

    def read(path: Path) -> None:
        data = path.read_bytes() or b"\0"
        number = data[0] % len(files)
        files[number].write_bytes(data[1:])
        try:
            (found,) = load_translator(copy).translate(["a"])
            assert "\n" not in found
        finally:
            files[number].write_bytes(contents[number])

    return read


READERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (config, result, tsv, labelled, vectors)
}


def main() -> None:
    name, _, folder = sys.argv.pop(1).partition("=") if len(sys.argv) > 1 else ("", "", "")
    if name not in READERS and not (name == "run" and folder):
        sys.exit(f"give one of {', '.join(READERS)}, run=FOLDER")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "input"
        read = READERS[name] if name in READERS else run_reader(Path(folder), Path(place))

        def once(data: bytes) -> None:
            path.write_bytes(data)
            try:
                read(path)
            except UserError as error:
                if not str(error).strip():
                    raise

        atheris.Setup(sys.argv, once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
