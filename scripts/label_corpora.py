"""Two labelled corpora from parallel text: which language a sentence is in, and the case of each word.

    python scripts/label_corpora.py FOLDER OUT [--language de]

FOLDER holds SPLIT.jsonl.gz for train, validation and test, a column for each language, as Multi30k does. OUT
gets language-SPLIT.tsv (sentence, tab, language) and case-SPLIT.tsv (words in lower case, tab, their tags).
Prints what two baselines get on the test split: the most frequent label, and that of the word in training.
"""

import argparse
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
SPLITS = ("train", "validation", "test")


def tag(word: str) -> str:
    """Say how to write a word that is known in lower case: as it is, Title, UPPER; mixed cannot be told."""
    rest = word.lower()
    forms = {"lower": rest, "title": rest[:1].upper() + rest[1:], "upper": rest.upper()}
    return next((name for name, form in forms.items() if form == word), "mixed")


def rows(file: Path) -> Iterator[dict[str, str]]:
    """Yield the sentences of each line by language, on one line each."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield {language: " ".join(text.split()) for language, text in json.loads(line).items()}


def write(file: Path, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Write pairs with two sides as TSV and return them."""
    kept = [(text, labels) for text, labels in pairs if text]
    file.write_text("".join(f"{text}\t{labels}\n" for text, labels in kept), encoding="utf-8")
    return kept


def baselines(name: str, train: list[tuple[str, str]], test: list[tuple[str, str]]) -> None:
    """Print the accuracy of the most frequent label; where words have tags, of each word's most frequent."""
    overall = Counter(label for _, labels in train for label in labels.split())
    of_word: dict[str, Counter[str]] = defaultdict(Counter)
    for text, labels in train:
        for word, label in zip(text.split(), labels.split(), strict=False):
            of_word[word][label] += 1
    (most, _), *_ = overall.most_common(1)
    items = [item for text, labels in test for item in zip(text.split(), labels.split(), strict=False)]
    always = sum(label == most for _, label in items) / len(items)
    print(f"{name}: {len(items):,} labels of test; always {most}: {always:.2%}")
    if any(" " in labels for _, labels in test):
        own = sum(
            label == max(of_word[word] or overall, key=(of_word[word] or overall).get)
            for word, label in items
        )
        print(f"{name}: the most frequent tag of the word: {own / len(items):.2%}")


def main() -> None:
    """Read, write, and print the baselines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--language", default="de", help="whose case is to be restored")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    language, case = {}, {}
    for split in SPLITS:
        sentences = list(rows(options.folder / f"{split}.jsonl.gz"))
        of_language = ((text, name) for row in sentences for name, text in row.items())
        words = [WORD.findall(row[options.language]) for row in sentences]
        of_case = ((" ".join(map(str.lower, each)), " ".join(map(tag, each))) for each in words)
        language[split] = write(options.out / f"language-{split}.tsv", of_language)
        case[split] = write(options.out / f"case-{split}.tsv", of_case)
    baselines("language", language["train"], language["test"])
    baselines("case", case["train"], case["test"])


if __name__ == "__main__":
    main()
