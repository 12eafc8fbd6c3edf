"""Score an exported model on test sets and write its model card, README.md, into its folder.

    python scripts/model_card.py nmt/pretrained/de-en --result experiments/tatoeba-de-en/result.json \\
        --validation "Tatoeba validation=validation.de,validation.en" \\
        --test "Tatoeba test=test.de,test.en" --test "newstest2013=news.de,news.en"

NAME=SRC,REF: text files, line n of one translates line n of the other. Scores are of the model as it ships,
with the beam of its manifest. --validation: the curve of confidence in words is fitted on it and stored in
the manifest first.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.data.lines import in_memory, read_lines
from nmt.decoding.translator import Translator
from nmt.evaluation.calibration import Curve, calibration_error
from nmt.evaluation.card import LIMITS, usage
from nmt.evaluation.markdown import table
from nmt.evaluation.metrics import scores
from nmt.files import replace_bytes
from nmt.results import Result, Score, read_result
from nmt.runtime.bundle import load, read_manifest
from nmt.runtime.engine import GraphEngine
from nmt.runtime.manifest import FILE, Manifest
from nmt.workflows.calibrate import judge_words

LANGUAGES = {"de": "German", "en": "English"}
CARD = """# {src} to {trg}: {name}

A small recurrent translation model: one bidirectional layer of GRUs, one layer with attention. It ships with
nmt {version} and runs on ONNX Runtime in {precision}, on any CPU, without torch.

{usage}

## Scores

{table}

Cased and detokenised, by sacreBLEU, beam {beam}, as it ships.

{signatures}

## Confidence in words

{confidence}

## Data and licence

Trained on 163,159 sentence pairs of [Tatoeba](https://tatoeba.org), by way of
[manythings.org/anki](https://www.manythings.org/anki/) (2018), licence
[CC BY 2.0 FR](https://creativecommons.org/licenses/by/2.0/fr/): the sentences are by the contributors of
Tatoeba. Validation and test sets, 3,000 pairs each, share no sentence with the training set on either side.
The model itself is under the licence of nmt, Apache-2.0.

## Limits

- It knows short sentences of everyday talk. News, law, medicine and long sentences come out badly: see the
  scores above. Names and rare words are often wrong.
{limits}

## How to train it again

{cost}. The configuration is `experiments/tatoeba-{name}/config.yaml`; the data is a folder with
`train.jsonl.gz`, `validation.jsonl.gz` and `test.jsonl.gz`, whose lines hold `{{"de": …, "en": …}}`.

```
nmt train experiments/tatoeba-{name}/config.yaml --set data.dataset=FOLDER
nmt export runs/tatoeba-{name} --to {name}
```
"""

CALIBRATED = """`--json` and `translations(…, details=True)` give each word a confidence: the rate at which
words of its log-probability are right, that is, stand in the reference. The curve comes from {name}
({words:,} words). Expected calibration error (15 bins), with the word's own probability and with the curve:

{table}"""
NOT_CALIBRATED = "The confidence in a word is its own probability: it is not calibrated."


class Text(NamedTuple):
    """A text with its translation: a name and two files."""

    name: str
    src: Path
    ref: Path

    def lines(self) -> tuple[list[str], list[str]]:
        """Return the lines of both files."""
        src, ref = (in_memory(read_lines(path), str(path)) for path in (self.src, self.ref))
        return src, ref


class Tested(NamedTuple):
    """What was measured on a test set: its scores, and the calibration error before and after."""

    lines: int
    scores: list[Score]
    errors: tuple[float, float]
    right: float


def parse_text(text: str) -> Text:
    """Return the text that NAME=SRC,REF names."""
    name, _, files = text.partition("=")
    src, _, ref = files.partition(",")
    if not (name and src and ref):
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=SRC,REF")
    return Text(name, Path(src), Path(ref))


def calibrate(folder: Path, text: Text) -> int:
    """Fit the curve of confidence on a text, store it in the manifest and return the number of words."""
    judged = judge_words(load(folder), *text.lines())
    manifest = replace(read_manifest(folder, "seq2seq"), confidence=Curve.fit(*judged))
    replace_bytes(folder / FILE, manifest.to_json())
    return len(judged.right)


def measure(translator: Translator[GraphEngine], text: Text) -> Tested:
    """Return what the model reaches on a test set."""
    src, ref = text.lines()
    found = list(scores(translator.translate(src), ref, metrics=("bleu", "chrf"), tokenize="13a"))
    log_probs, right = judge_words(translator, src, ref)
    before, after = (calibration_error(of(log_probs), right) for of in (np.exp, translator.confidence))
    return Tested(len(src), found, (before, after), float(right.mean()))


def card(folder: Path, manifest: Manifest, found: dict[str, Tested], result: Result, confidence: str) -> str:
    """Return the text of the card."""
    metrics = next(iter(found.values())).scores
    training, machine = result.training, result.machine
    assert training is not None
    assert machine is not None
    minutes = training.cpu_minutes or training.wall_minutes
    return CARD.format(
        src=LANGUAGES[manifest.src],
        trg=LANGUAGES[manifest.trg],
        name=folder.name,
        version=manifest.nmt,
        precision=manifest.precision,
        usage=usage(manifest, folder.name),
        limits=LIMITS,
        table=table(
            ["test set", "sentences", *(score.label for score in metrics)],
            [
                [name, f"{each.lines:,}", *(f"{score.score:.1f}" for score in each.scores)]
                for name, each in found.items()
            ],
            numbers=range(1, 2 + len(metrics)),
        ),
        beam=manifest.beam,
        signatures="  \n".join(f"{score.label}: `{score.signature}`" for score in metrics),
        confidence=confidence,
        cost=f"{training.updates:,} updates took {minutes:.0f} CPU minutes ({machine.description})",
    )


def main() -> None:
    """Score, print the tables and write the card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--result", type=Path, required=True, help="result.json of the training")
    parser.add_argument("--validation", type=parse_text, metavar="NAME=SRC,REF")
    parser.add_argument("--test", type=parse_text, action="append", required=True, metavar="NAME=SRC,REF")
    args = parser.parse_args()
    words = calibrate(args.folder, args.validation) if args.validation else 0
    manifest, translator = read_manifest(args.folder, "seq2seq"), load(args.folder)
    found = {text.name: measure(translator, text) for text in args.test}
    confidence = NOT_CALIBRATED
    if args.validation:
        rows = [
            [name, f"{each.right:.3f}", *(f"{error:.3f}" for error in each.errors)]
            for name, each in found.items()
        ]
        head = ["test set", "right words", "error, probability", "error, curve"]
        confidence = CALIBRATED.format(
            name=args.validation.name, words=words, table=table(head, rows, range(1, 4))
        )
    text = card(args.folder, manifest, found, read_result(args.result), confidence)
    (args.folder / "README.md").write_text(text, encoding="utf-8")
    print(text[text.index("## Scores") : text.index("## Data")])


if __name__ == "__main__":
    main()
