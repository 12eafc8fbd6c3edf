"""The browser's rules on text against the Python ones: they cut every text at the same places."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from nmt.data import sentences
from nmt.data.text import TextEncoder
from nmt.decoding.sources import SourceReader
from nmt.decoding.spans import NAMES, Masked, all_pieces, has_spans, sentence_pieces
from nmt.decoding.translator import Translator
from nmt.web.tokenizers import describe_tokenizer
from odd_text import CHARACTERS, odd_texts
from small_tokenizers import SUBWORDS, WORDS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

# Every word and character that the rules name, so that what is added to them is asked for here.
NAMED = [
    *(f"{word}. " for word in sorted(sentences._ABBREVIATIONS | sentences._BEFORE_NUMBER)),
    *sorted(sentences._BEGINNERS),
    *sentences._WIDE,
    *sentences._OPENERS.replace("\\", ""),
    *sentences._CLOSERS.replace("\\", ""),
]
STOPS = [
    ". ",
    ".",
    "! ",
    "?",
    "…",
    '." ',
    ".) ",
    "?« ",
    ".[3] ",
    "! 🙂 ",
    "3. ",
    "XIV. ",
    "z. B. ",
    "No. 7 ",
    "® ",
]
SPANS = [
    "https://example.org/a_(b)?c=d&e#f",
    "www.Beispiel.de/straße.",
    "mailto:a.b+c@example.co.uk",
    "{{name}}",
    "${price}",
    "{0}",
    "%(count)d",
    "%1$s",
    "%5.2f",
    "100%",
    "<b>",
    "</b>",
    '<a href="x">',
    "<br/>",
    "#{x}",
    "ftp://x",
    *NAMES,
]


def texts() -> list[str]:
    some = [*WORDS, "Wort", "NATO", "dass", "über"]
    return [
        *(
            f"{word}{stop}{after}"
            for word in [*some, *NAMED]
            for stop in STOPS
            for after in ("Der", "der", "7")
        ),
        *odd_texts([*some, *STOPS, *NAMED], 4_000, seed=1),
        *odd_texts([*some, *STOPS, *SPANS], 4_000, seed=2),
        *odd_texts([*some, *STOPS], 300, seed=3, most=120),
        *(f"Ein Satz.{character}Noch einer{character}." for character in CHARACTERS),
        "NUR GROSSES.NICHTS KLEINES. UND DU?",
    ]


def ask(scripts: "Page", body: str, inputs: Sequence[object]) -> list[Any]:
    """Return what a function body in JavaScript answers to each input, "it"."""
    found = scripts.evaluate(
        """async ([body, asked]) => {
          const names = ["sentences", "spans", "text", "translator", "tokenizers", "translation"];
          const parts = await Promise.all(names.map((name) => import(`./${name}.js`)));
          const scripts = Object.assign({}, ...parts);
          const each = new Function("it", ...Object.keys(scripts), body);
          return JSON.stringify(JSON.parse(asked).map((it) => each(it, ...Object.values(scripts))));
        }""",
        [body, json.dumps(inputs)],
    )
    answers: list[Any] = json.loads(found)
    return answers


def check(inputs: Sequence[object], found: list[Any], expected: list[Any]) -> None:
    """Fail with the first input that is answered otherwise."""
    for text, a, b in zip(inputs, found, expected, strict=True):
        assert a == b, text


def test_sentences_end_at_the_same_places(scripts: "Page") -> None:
    inputs = texts()
    found = ask(scripts, "return sentenceEnds(it).map((end) => [...it.slice(0, end)].length)", inputs)
    check(inputs, found, [sentences.sentence_ends(text) for text in inputs])


def test_white_space_is_what_it_is_in_python(scripts: "Page") -> None:
    inputs = [text for text in texts() if len(text) < 200]
    found = ask(
        scripts, "return [strip(it), stripRight(it), splitWords(it), isUpper(it), isLower(it)]", inputs
    )
    expected = [[it.strip(), it.rstrip(), it.split(), it.isupper(), it.islower()] for it in inputs]
    check(inputs, found, expected)


def test_the_same_spans_are_found(scripts: "Page") -> None:
    inputs = texts()
    body = "return [hasSpans(it), sentencePieces(it), allPieces(it)]"
    expected = [
        [has_spans(text), *([each._asdict() for each in cut(text)] for cut in (sentence_pieces, all_pieces))]
        for text in inputs
    ]
    check(inputs, ask(scripts, body, inputs), expected)


def test_names_stand_for_the_same_spans(scripts: "Page") -> None:
    inputs = texts()
    body = """const masked = Masked.of(it);
    const restored = [masked?.text, it + " Tom Paris"].map((text) => masked?.restore(text));
    return masked && [masked.text, [...masked.spans], ...restored]"""
    expected = [
        masked
        and [
            masked.text,
            [list(pair) for pair in masked.spans.items()],
            masked.restore(masked.text),
            masked.restore(text + " Tom Paris"),
        ]
        for text, masked in ((text, Masked.of(text)) for text in inputs)
    ]
    check(inputs, ask(scripts, body, inputs), expected)


@pytest.mark.parametrize("limits", [(40, 30, 1), (12, 9, 3), (4, 4, 1)])
def test_lines_are_cut_into_the_same_parts(scripts: "Page", limits: tuple[int, int, int]) -> None:
    tokenizer, inputs = SUBWORDS["bpe"], texts()[-4_500:]
    reader = SourceReader(TextEncoder(tokenizer), *limits)
    translator = Translator(None, (reader,), tokenizer)  # type: ignore[arg-type, type-var]
    description = json.dumps(describe_tokenizer(tokenizer))
    settings = dict(zip(("max_source", "tokens", "sentences"), limits, strict=True))
    body = f"""globalThis.tokenizer ??= makeTokenizer({description});
    const settings = {{ limits: {json.dumps(settings)}, normalize: "none", confidence: [], tag: "" }};
    return new Translator(null, {{ src: tokenizer, trg: tokenizer }}, settings).parts(it)"""
    found = ask(scripts, body, inputs)
    names = ("text", "ids", "spaced", "ended")
    expected = [
        [{name: getattr(part, name) for name in names} for part in translator.parts(it)] for it in inputs
    ]
    check(inputs, found, expected)
