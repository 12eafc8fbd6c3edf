"""The browser's tokenizers against the ones that train: the same ids, texts and words, in Chromium."""

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from nmt.data.builtin import pairs
from nmt.errors import UserError
from nmt.runtime.bundle import PRETRAINED
from nmt.tokenization.preprocessing import PreprocessedTokenizer, Preprocessing
from nmt.tokenization.reversal import right_to_left
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizer
from nmt.tokenization.vocabulary import SPECIALS
from nmt.web.tokenizers import describe_tokenizer
from odd_text import odd_texts
from small_tokenizers import SUBWORDS, WORDS, word_tokenizer

if TYPE_CHECKING:
    from playwright.sync_api import Page

COUNT = 2_000
SENTENCES = [text for pair in pairs("test", 300, seed=3) for text in pair]
TOKENIZERS: dict[str, Tokenizer] = {
    **SUBWORDS,
    "unigram_of_sentences": SentencePieceTokenizer.train(SENTENCES, kind="unigram", vocab_size=600),
    "word": word_tokenizer(),
    "lowercase": word_tokenizer(lowercase=True),
    "shipped": load_tokenizer(PRETRAINED / "de-en" / "tokenizer", "shared"),
}
each_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)


def texts() -> list[str]:
    spelt = [*WORDS, *SPECIALS, "<0x0A>", "<0x41>", "schmetterlingsflügel"]
    long = ["".join(odd_texts(spelt, 40, seed=9)), "Donaudampfschiff" * 60, " " * 50, "東京" * 100]
    return [*SENTENCES, *odd_texts(spelt, COUNT), *odd_texts([*WORDS, *SENTENCES[:50]], COUNT, seed=2), *long]


def ask(scripts: "Page", tokenizer: Tokenizer, method: str, inputs: list[Any]) -> list[Any]:
    found = scripts.evaluate(
        """async (asked) => {
          const [description, method, inputs] = JSON.parse(asked);
          const { makeTokenizer } = await import("./tokenizers.js");
          const tokenizer = makeTokenizer(description);
          return JSON.stringify(inputs.map((each) => tokenizer[method](each)));
        }""",
        json.dumps([describe_tokenizer(tokenizer), method, inputs]),
    )
    answers: list[Any] = json.loads(found)
    return answers


@pytest.mark.slow
@each_tokenizer
def test_the_ids_are_the_same(scripts: "Page", tokenizer: Tokenizer) -> None:
    inputs = texts()
    assert ask(scripts, tokenizer, "encode", inputs) == [tokenizer.encode(text) for text in inputs]


@pytest.mark.slow
@each_tokenizer
def test_any_ids_are_the_same_text_and_words(scripts: "Page", tokenizer: Tokenizer) -> None:
    chance = Random(1)
    every = range(len(tokenizer.vocabulary))
    bytes_and_others = [*every[:300], *chance.choices(every, k=300)]
    rows = [
        chance.choices(some, k=chance.randrange(12))
        for some in (every, bytes_and_others)
        for _ in range(COUNT)
    ]
    rows += [tokenizer.encode(text) for text in texts()[:COUNT]]
    assert ask(scripts, tokenizer, "decode", rows) == [tokenizer.decode(ids) for ids in rows]
    assert ask(scripts, tokenizer, "wordStarts", rows) == [tokenizer.word_starts(ids) for ids in rows]


def test_a_tokenizer_of_another_library_is_refused() -> None:
    class Other:
        kind = "torchtext"
        vocabulary = word_tokenizer().vocabulary

    with pytest.raises(UserError, match="torchtext has no form for the browser"):
        describe_tokenizer(Other())  # type: ignore[arg-type]


def test_preprocessing_has_no_form_for_the_browser() -> None:
    tokenizer = PreprocessedTokenizer(SUBWORDS["bpe"], Preprocessing(lowercase=True))
    with pytest.raises(UserError, match=r"data\.preprocess has no form for the browser; train without it"):
        describe_tokenizer(tokenizer)


def test_a_reversed_target_has_no_form_for_the_browser() -> None:
    with pytest.raises(UserError, match=r"data\.reverse_target has no form for the browser"):
        describe_tokenizer(right_to_left(SUBWORDS["bpe"]))
