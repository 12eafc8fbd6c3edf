"""Score an exported model on test sets and write its model card, README.md, into its folder.

    python scripts/model_card.py nmt/pretrained/de-en --result experiments/tatoeba-de-en/result.json \\
        --test "Tatoeba test=test.de,test.en" --test "newstest2013=news.de,news.en"

--test NAME=SRC,REF: text files, line n of one translates line n of the other. Scores are of the model as it
ships, with the beam of its manifest.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from nmt.data.lines import in_memory, read_lines
from nmt.evaluation.metrics import scores
from nmt.results import Result, Score, read_result
from nmt.runtime.bundle import load, read_manifest
from nmt.runtime.manifest import Manifest

LANGUAGES = {"de": "German", "en": "English"}
CARD = """# {src} to {trg}: {name}

A small recurrent translation model: one bidirectional layer of GRUs, one layer with attention. It ships with
nmt {version} and runs on ONNX Runtime in {precision}, on any CPU, without torch.

```
echo "{example}" | nmt translate --model {name}
```

```python
import nmt.runtime

print(nmt.runtime.load("{name}").translate(["{example}"]))
```

## Scores

{table}

Cased and detokenised, by sacreBLEU, beam {beam}, as it ships.

{signatures}

## Data and licence

Trained on 163,159 sentence pairs of [Tatoeba](https://tatoeba.org), by way of
[manythings.org/anki](https://www.manythings.org/anki/) (2018), licence
[CC BY 2.0 FR](https://creativecommons.org/licenses/by/2.0/fr/): the sentences are by the contributors of
Tatoeba. Validation and test sets, 3,000 pairs each, share no sentence with the training set on either side.
The model itself is under the licence of nmt, Apache-2.0.

## Limits

- It knows short sentences of everyday talk. News, law, medicine and long sentences come out badly: see the
  scores above. Names and rare words are often wrong.
- It invents fluent text where it does not understand. Do not use it where a mistake does harm.
- It repeats what its data says of people, prejudices included.
- A line is split into sentences; each is translated by itself, without context.

## How to train it again

{cost}. The configuration is `experiments/tatoeba-{name}/config.yaml`; the data is a folder with
`train.jsonl.gz`, `validation.jsonl.gz` and `test.jsonl.gz`, whose lines hold `{{"de": …, "en": …}}`.

```
nmt train experiments/tatoeba-{name}/config.yaml --set data.dataset=FOLDER
nmt export runs/tatoeba-{name} --to {name}
```
"""
EXAMPLES = {"de": "Wie spät ist es?", "en": "What time is it?"}


class Test(NamedTuple):
    """A test set: its name and its two files."""

    name: str
    src: Path
    ref: Path


def parse_test(text: str) -> Test:
    """Return the test set that NAME=SRC,REF names."""
    name, _, files = text.partition("=")
    src, _, ref = files.partition(",")
    if not (name and src and ref):
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=SRC,REF")
    return Test(name, Path(src), Path(ref))


def card(folder: Path, manifest: Manifest, found: dict[str, tuple[int, list[Score]]], result: Result) -> str:
    """Return the text of the card."""
    metrics = next(iter(found.values()))[1]
    head = ["test set", "sentences", *(score.label for score in metrics)]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for name, (lines, each) in found.items():
        rows.append([name, f"{lines:,}", *(f"{score.score:.1f}" for score in each)])
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
        example=EXAMPLES[manifest.src],
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
        beam=manifest.beam,
        signatures="  \n".join(f"{score.label}: `{score.signature}`" for score in metrics),
        cost=f"{training.updates:,} updates took {minutes:.0f} CPU minutes ({machine.description})",
    )


def main() -> None:
    """Score, print the table and write the card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--result", type=Path, required=True, help="result.json of the training")
    parser.add_argument("--test", type=parse_test, action="append", required=True, metavar="NAME=SRC,REF")
    args = parser.parse_args()
    manifest, translator = read_manifest(args.folder, "seq2seq"), load(args.folder)
    found = {}
    for test in args.test:
        src, ref = (in_memory(read_lines(path), str(path)) for path in (test.src, test.ref))
        outputs = translator.translate(src)
        found[test.name] = len(src), list(scores(outputs, ref, metrics=("bleu", "chrf"), tokenize="13a"))
    text = card(args.folder, manifest, found, read_result(args.result))
    (args.folder / "README.md").write_text(text, encoding="utf-8")
    print(text[text.index("## Scores") : text.index("## Data")])


if __name__ == "__main__":
    main()
