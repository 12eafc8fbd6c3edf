"""The text side of translation needs numpy, sentencepiece and the standard library, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.data.lengths import TrainingLengths
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer, save_tokenizers
from nmt.tokenization.words import WordTokenizer

ALONE = """
import sys

class Refuse:
    allowed = {*sys.stdlib_module_names, "numpy", "sentencepiece", "nmt"}

    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError(f"{name} is refused", name=name)

before = {name.partition(".")[0] for name in sys.modules}
sys.meta_path.insert(0, Refuse())

import json
from pathlib import Path

import numpy as np

import nmt.decoding.options
import nmt.errors, nmt.files, nmt.machine, nmt.records, nmt.shapes
from nmt.data.lengths import TrainingLengths
from nmt.data.sentences import sentences
from nmt.data.text import Normalizer, TextEncoder
from nmt.decoding.engine import Engine, Hypothesis, by_length
from nmt.decoding.sources import SourceReader
from nmt.decoding.translator import Translator
from nmt.evaluation.alignment import pharaoh
from nmt.evaluation.record import translation_record
from nmt.tokenization.tokenizer import load_tokenizers

assert nmt.machine.cores() >= 1

class Copier:
    # Writes the source down, and looks where it writes.
    def hypotheses(self, rows, *others, details=False):
        found = [[]] * len(rows)
        for chosen in by_length(rows, 30):
            width = max(len(rows[i]) for i in chosen) + 1
            for i in chosen:
                looked = np.eye(len(rows[i]) + 1, width, dtype=np.float32) if details else None
                each = [-0.5] * len(looked) if details else None
                best = Hypothesis(list(rows[i]), -0.25, -0.5, looked, each)
                found[i] = [best, Hypothesis(rows[i][:1], -1.0, -1.0, looked, each and each[:2])]
        return found

folder = Path(sys.argv[1])
src, trg = load_tokenizers(folder)
lengths = TrainingLengths.load(folder)
encoder = TextEncoder(src, Normalizer("nfc"))
reader = SourceReader(encoder, 200, lengths.tokens, lengths.sentences)
translator = Translator(Copier(), (reader,), trg, n_best=2, lengths=lengths)
lines = json.loads(sys.argv[2])
found = [
    {
        "text": each.text,
        "ranked": len(each.ranked),
        "score": each.ranked[0].score,
        "links": pharaoh(each.links()),
        "words": [word["text"] for word in translation_record(line, each)["words"]],
        "parts": len(translator.parts(line)),
    }
    for line, each in zip(lines, translator.translations(lines, details=True), strict=True)
]
assert [each["text"] for each in found] == translator.translate(lines)
print(json.dumps(found))
# What was there before, by a .pth file for instance, is no import of ours.
more = {name.partition(".")[0] for name in sys.modules} - before - Refuse.allowed
assert not {name for name in more if not name.startswith("_")}, more
"""

LINES = ["", "the dog runs.", " \t", "the dog runs. a cat runs. the dog sleeps.", "the cat"]


def subwords() -> Tokenizer:
    return SentencePieceTokenizer.train([*LINES] * 20, kind="bpe", vocab_size=290)


def characters() -> Tokenizer:
    return SentencePieceTokenizer.train(LINES, kind="char")


def words() -> Tokenizer:
    return WordTokenizer.train(LINES, vocab_size=None, min_frequency=1, lowercase=False)


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", [subwords, characters, words])
def test_text_is_translated_without_torch_or_pydantic(tokenizer: type[Tokenizer], tmp_path: Path) -> None:
    made = tokenizer()
    save_tokenizers(tmp_path, made, made)
    TrainingLengths(tokens=100, sentences=1).save(tmp_path)
    command = [sys.executable, "-c", ALONE, str(tmp_path), json.dumps(LINES)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["text"] for each in found] == [line.strip() for line in LINES]
    assert [each["parts"] for each in found] == [0, 1, 0, 3, 1]
    assert [each["ranked"] for each in found] == [1, 2, 1, 2, 2]
    assert [each["score"] for each in found] == [0.0, -0.25, 0.0, -0.75, -0.25]
    assert [each["words"] for each in found] == [line.split() for line in LINES]
    assert [each["links"] for each in found] == [
        " ".join(f"{i}-{i}" for i in range(len(line.split()))) for line in LINES
    ]
