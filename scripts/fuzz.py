"""Every reader under atheris, which looks for bytes that lead it along new paths.

    pip install atheris
    python scripts/fuzz.py config -max_total_time=60 [FOLDER of inputs to begin with]

What is read: config, result, tsv, labelled, vectors. A reader gives what it promises or raises UserError;
any other exception ends the run, and the bytes that led to it are written to a file. The options are
libFuzzer's. The tests ask the same of these readers, and of run folders, with hypothesis.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["nmt"]):
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


READERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (config, result, tsv, labelled, vectors)
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit(f"give one of {', '.join(READERS)}")
    read = READERS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "input"

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
