"""Write the small texts of examples/: names, tunes, reviews with a sentiment, sentences with entities.

    python scripts/make_examples.py [FOLDER]

All are made up by small grammars from a fixed seed, so that they may be shared and are the same everywhere.
"""

import argparse
from pathlib import Path
from random import Random

ONSETS = "b br d dr f g gl h k kr l m n p r s sk st t th tr v w".split()
VOWELS = "a e i o u ai ei ia ou".split()
CODAS = ["", "", "n", "r", "l", "s", "nd", "th", "m"]
ENDINGS = "ham ton wick ford by stead mere dale".split()

THINGS = "film book meal hotel song game phone lecture concert walk".split()
GOOD = "wonderful clever warm funny excellent beautiful gripping charming".split()
BAD = "boring clumsy cold dull terrible ugly tiresome broken".split()

FIRST = "Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Lena Max Nora Oskar".split()
LAST = "Berger Fischer Hansen Keller Lindner Moser Peters Schuster Vogel Winter".split()
PLACES = "Berlin Hamburg London Oslo Paris Prague Rome Vienna Zurich Lisbon".split()
FIRMS = ["Nordlicht", "Blue Harbour", "Kessler & Sons", "Red Kite Records", "Alpine Rail"]


def name(random: Random) -> str:
    """Return the name of a place that is on no map."""
    syllables = (
        random.choice(ONSETS) + random.choice(VOWELS) + random.choice(CODAS)
        for _ in range(random.choice((1, 1, 2)))
    )
    return ("".join(syllables) + random.choice(ENDINGS)).capitalize()


def tune(random: Random) -> str:
    """Return a tune in ABC notation, eight bars of 3/4: a walk over the scale that ends on its first note."""
    scale = "C D E F G A B c d e f g".split()
    place, bars = random.choice((0, 2, 4, 7)), []
    for _ in range(8):
        bar = ""
        for length in random.choice((("", "", ""), ("2", ""), ("", "2"), ("3",))):
            bar += scale[place] + length
            place = min(max(place + random.choice((-2, -1, -1, 1, 1, 2)), 0), len(scale) - 1)
        bars.append(bar)
    bars[-1] = "C3"
    return "|".join(bars) + "|]"


def review(random: Random) -> str:
    """Return a short review, a tab and its sentiment; a negation turns it round."""
    good = random.random() < 0.5
    thing, negated = random.choice(THINGS), random.random() < 0.3
    word = random.choice(GOOD if good != negated else BAD)
    frame = random.choice(("the {t} was {n}{w}", "what a {w} {t}", "i found the {t} {n}{w}"))
    if negated and "{n}" not in frame:
        frame = "the {t} was {n}{w}"
    text = frame.format(t=thing, w=word, n="not " if negated else random.choice(("", "very ", "so ")))
    extra = random.choice(("", " , and so was the end", " from beginning to end", " , says my brother"))
    return f"{text}{extra}\t{'positive' if good else 'negative'}"


def entities(random: Random) -> str:
    """Return a sentence, a tab and a tag for each word: PERSON, PLACE, FIRM or O."""
    slots = {
        "P": (f"{random.choice(FIRST)} {random.choice(LAST)}", "PERSON"),
        "L": (random.choice(PLACES), "PLACE"),
        "F": (random.choice(FIRMS), "FIRM"),
    }
    frame = random.choice(
        (
            "yesterday P flew to L .",
            "P works for F in L .",
            "F opens an office in L .",
            "in L , P met somebody from F .",
            "does P still live in L ?",
            "nobody at F knows P .",
        )
    )
    words, tags = [], []
    for token in frame.split():
        text, tag = slots.get(token, (token, "O"))
        words += text.split()
        tags += [tag] * len(text.split())
    return f"{' '.join(words)}\t{' '.join(tags)}"


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("folder", nargs="?", default="examples", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for file, make, lines in (("names.txt", name, 2000), ("tunes.txt", tune, 1500)):
        random = Random(file)
        texts = dict.fromkeys(make(random) for _ in range(lines))
        (folder / file).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        print(f"{folder / file}: {len(texts)} lines")
    for stem, make in (("sentiment", review), ("entities", entities)):
        random = Random(stem)
        for split, lines in (("train", 3000), ("dev", 200), ("test", 300)):
            file = folder / f"{stem}-{split}.tsv"
            file.write_text("".join(f"{make(random)}\n" for _ in range(lines)), encoding="utf-8")
            print(f"{file}: {lines} lines")


if __name__ == "__main__":
    main()
