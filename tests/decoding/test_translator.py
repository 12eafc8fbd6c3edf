"""nmt.decoding.translator: every line comes back in its place, whole, whatever it holds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nmt.builders.translator import load_translator
from nmt.data.lengths import TrainingLengths
from nmt.data.sentences import sentences
from nmt.decoding.engine import Hypothesis
from nmt.decoding.options import TranslationOptions
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translation import Ranked, best_of_each
from nmt.decoding.translator import Translator
from nmt.evaluation.alignment import Link
from nmt.machine import Precision
from nmt.tokenization.vocabulary import SPECIALS, Vocabulary, printable
from nmt.tokenization.words import WordTokenizer
from tests.support.copier import SUBWORDS, Copier, copier, with_engine

# sentencepiece writes the space as U+2581, so that this one character comes back as a space.
LINE = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["Cc", "Zl", "Zp"],
        include_characters="\t",
        exclude_characters="\u2581",
    ),
    max_size=30,
)
ODD = [
    "",
    " ",
    "a\tb",
    "👩‍👩‍👧 Ünïcödé 東京",
    "\u0085",
    " x  y ",
    "</s> <s>",
]


@examples(max_examples=40)
@given(st.lists(LINE, max_size=8))
@example(ODD)
def test_a_line_out_for_each_line_in(lines: list[str]) -> None:
    assert copier().translate(lines) == [line.strip() for line in lines]


@pytest.mark.parametrize("line", ["a\x00\x1b[31m", "a\u2028b\u0085c\u2029", "a\x0bb\x0cc\rd\x7f\x9b"])
def test_no_output_holds_a_control_character(line: str) -> None:
    (found,) = copier().translate([line])
    assert found.startswith("a")
    assert found == printable(found)
    assert len(found.splitlines()) == 1


def test_one_text_is_not_taken_for_many_lines() -> None:
    with pytest.raises(TypeError, match="expected a list of lines"):
        copier().translate("der Hund")


@examples(max_examples=40)
@given(
    st.lists(LINE | st.lists(st.sampled_from("ab .,\t。"), min_size=10, max_size=80).map("".join), max_size=4)
)
@example(["     " * 20 + "x" + "\t" * 50 + "y"])
def test_long_lines_lose_nothing_but_spaces(lines: list[str]) -> None:
    found = copier(max_source=6).translate(lines)
    assert ["".join(text.split()) for text in found] == ["".join(line.split()) for line in lines]
    assert all("  " not in text or "  " in line for text, line in zip(found, lines, strict=True))


def test_the_parts_of_a_long_line_are_joined_as_they_were() -> None:
    line = " ".join(["der Hund läuft, schnell. Über die Straße! 東京。京都。the dog"] * 200)
    assert copier(max_source=12).translate([line, "", "x" * 20_000]) == [line, "", "x" * 20_000]


def test_order_and_batch_size_change_nothing(tiny_run: Path) -> None:
    import nmt

    translator = nmt.load(tiny_run)
    lines = [*ODD, "der Hund läuft.", "the dog runs quickly across a street " * 4, "die"]
    together = translator.translate(lines)
    assert translator.translate(lines[::-1])[::-1] == together
    assert with_engine(translator, tokens_per_batch=1).translate(lines) == together
    assert [text for line in lines for text in translator.translate([line])] == together
    assert [bool(text) for text in together] == [bool(line.strip()) for line in lines]


@pytest.mark.parametrize("precision", ["float64", "auto"])
def test_eight_threads_translate_as_one(tiny_run: Path, precision: Precision) -> None:
    options = TranslationOptions(models=(tiny_run,), precision=precision, n_best=2)
    lines = [*ODD, "der Hund läuft.", "the dog runs quickly across a street " * 4, "die", PARAGRAPH]
    jobs = [lines[n:] + lines[:n] for n in range(8)]

    def results(translator: Translator[TorchEngine], job: list[str]) -> tuple[list[list[Ranked]], list[str]]:
        found = translator.translations(job, details=True)
        return [each.ranked for each in found], translator.sample(job, seed=1)

    alone = load_translator(options)
    expected = [results(alone, job) for job in jobs]
    shared = load_translator(options)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(partial(results, shared), jobs)) == expected


def test_what_is_sampled_belongs_to_seed_line_and_part(tiny_run: Path) -> None:
    translator = load_translator(TranslationOptions(models=(tiny_run,), precision="float64"))
    lines = [*ODD, "der Hund läuft.", "der Hund läuft.", "die Straße, " * 60]
    assert [len(translator.parts(line)) > 1 for line in lines[-3:]] == [False, False, True]
    sampled = translator.sample(lines, seed=3, first=7)
    assert sampled == [translator.sample([line], seed=3, first=n)[0] for n, line in enumerate(lines, 7)]
    assert sampled[4:] == translator.sample(lines[4:], seed=3, first=11)
    assert with_engine(translator, tokens_per_batch=1).sample(lines, seed=3, first=7) == sampled
    assert sampled[-3] != sampled[-2]  # one line, two numbers
    assert translator.sample(lines, seed=4, first=7)[-2] != sampled[-2]
    assert [bool(text) for text in sampled] == [bool(line.strip()) for line in lines]
    with pytest.raises(TypeError, match="expected a list of lines"):
        translator.sample("der Hund", seed=3)


def test_the_parts_of_a_line_are_sampled_apart(tiny_run: Path) -> None:
    options = TranslationOptions(models=(tiny_run,), precision="float64")
    line = "der Hund läuft schnell über die Straße. "
    max_source = len(load_translator(options).src_tokenizer.encode(line))
    translator = load_translator(replace(options, max_source=max_source))
    first, second = translator.parts(line * 2)
    assert first.ids == second.ids
    (sampled,), (alone,) = translator.sample([line * 2], seed=1), translator.sample([line], seed=1)
    assert sampled.startswith(alone + " ")
    assert sampled != f"{alone} {alone}"


def test_the_most_probable_at_every_step_is_greedy_search(tiny_run: Path) -> None:
    translator = load_translator(TranslationOptions(models=(tiny_run,), precision="float64", beam=1))
    lines = [*ODD, "der Hund läuft.", "the dog runs quickly across a street " * 4]
    assert translator.sample(lines, seed=1, temperature=0.0) == translator.translate(lines)


def test_the_n_best_are_ranked_and_blank_lines_have_one() -> None:
    blank, dog = copier(beam=3).translations(["\t ", "der Hund"])
    assert blank.ranked == [Ranked("", 0.0)]
    assert len(dog.ranked) == 3
    assert dog.text == dog.ranked[0].text == "der Hund"
    scores = [each.score for each in dog.ranked]
    assert scores == sorted(scores, reverse=True)


def test_links_are_between_words_of_the_line() -> None:
    line = "der Hund läuft schnell. über die Straße the dog runs"
    count = len(line.split())
    for max_source in (1000, 12, 6):
        (found,) = copier(max_source=max_source).translations([line], details=True)
        assert found.text == line
        assert found.links() == [Link(i, i) for i in range(count)]
    assert copier().translations([line])[0].ranked[0].parts == []
    assert copier().translations([" "], details=True)[0].links() == []


def test_a_word_cut_in_two_is_one_word() -> None:
    (found,) = copier(max_source=6).translations(["x" * 20 + " der Hund"], details=True)
    assert len(found.ranked[0].parts) > 2
    assert found.links() == [Link(0, 0), Link(1, 1), Link(2, 2)]


def test_a_part_without_output_keeps_the_places_of_the_others() -> None:
    words = WordTokenizer(Vocabulary([*SPECIALS, "a", "b", "c", "d"]), lowercase=False)
    translator = copier(words, max_source=2)
    silent = Copier(len(words.vocabulary), silent=words.vocabulary.id("c"))
    translator = with_engine(translator, scorer=silent)
    (found,) = translator.translations(["a b c d b a"], details=True)
    assert found.text == "a b b a"
    assert found.links() == [Link(0, 0), Link(1, 1), Link(4, 2), Link(5, 3)]


PARAGRAPH = "Der Hund läuft. The dog runs, z. B. schnell! „Die Straße?“ Der Hund. The dog runs."


@pytest.mark.parametrize(
    ("sentences", "tokens", "expected"),
    [
        (
            1,
            1000,
            [
                "Der Hund läuft.",
                "The dog runs, z. B. schnell!",
                "„Die Straße?“",
                "Der Hund.",
                "The dog runs.",
            ],
        ),
        (
            2,
            1000,
            ["Der Hund läuft. The dog runs, z. B. schnell!", "„Die Straße?“ Der Hund.", "The dog runs."],
        ),
        (5, 1000, [PARAGRAPH]),
        # A sentence alone stays whole; several only up to what training showed.
        (
            5,
            1,
            [
                "Der Hund läuft.",
                "The dog runs, z. B. schnell!",
                "„Die Straße?“",
                "Der Hund.",
                "The dog runs.",
            ],
        ),
    ],
)
def test_what_is_more_than_training_showed_is_cut_at_sentence_ends(
    sentences: int, tokens: int, expected: list[str]
) -> None:
    translator = copier(lengths=TrainingLengths(tokens=tokens, sentences=sentences))
    parts = translator.parts(PARAGRAPH)
    assert [SUBWORDS.decode(part.ids) for part in parts] == expected
    (found,) = translator.translations([PARAGRAPH], details=True)
    assert found.text == PARAGRAPH
    assert found.links() == [Link(i, i) for i in range(len(PARAGRAPH.split()))]


def test_no_line_is_cut_that_fits_where_none_may_be() -> None:
    lengths = TrainingLengths(tokens=5, sentences=1)
    assert len(copier(lengths=lengths, split=False).parts(PARAGRAPH)) == 1
    assert len(copier(lengths=lengths, split=False, max_source=30).parts(PARAGRAPH)) > 1


@pytest.mark.parametrize(
    ("source", "target"), [("东京。京都。", "the dog. der Hund."), ("the dog. Der Hund.", "东京。京都。")]
)
def test_translated_sentences_have_a_space_between_them_where_the_target_has(
    source: str, target: str
) -> None:
    first, second = sentences(target)
    translator = copier(lengths=TrainingLengths(tokens=1000))
    outputs = [SUBWORDS.encode(text.strip()) for text in (first, second)]

    class Fixed:
        def hypotheses(self, *_: object, details: bool = False) -> list[list[Hypothesis]]:
            return [[Hypothesis(ids, 0.0, 0.0)] for ids in outputs]

    fixed = Translator(Fixed(), translator.readers, SUBWORDS, lengths=translator.lengths)
    assert fixed.translate([source]) == [target]


def test_the_n_best_of_parts_are_the_best_of_all_combinations() -> None:
    scores = [-0.1, -3.0], [-0.2, -0.5]
    found = [[Hypothesis([n], score, score) for n, score in enumerate(part)] for part in scores]
    ways = best_of_each(found, 3)
    assert [[each.ids[0] for each in chosen] for _, chosen in ways] == [[0, 0], [0, 1], [1, 0]]
    assert [score for score, _ in ways] == pytest.approx([-0.3, -0.6, -3.2])


def test_an_output_far_shorter_than_its_source_is_told() -> None:
    words = WordTokenizer(Vocabulary([*SPECIALS, "a", "b", "c"]), lowercase=False)
    lengths = TrainingLengths(tokens=100, ratio=0.5)
    translator = copier(words, lengths=lengths)
    silent = Copier(len(words.vocabulary), silent=words.vocabulary.id("c"))
    translator = with_engine(translator, scorer=silent)
    lines = ["a " * 4 + "c " + "b " * 20, "a " * 20, "a c b", "c " * 9, ""]
    assert [found.short for found in translator.translations(lines)] == [True, False, False, False, False]


@pytest.mark.parametrize("max_source", [1000, 12, 6])
def test_every_one_of_the_n_best_has_its_own_details(max_source: int) -> None:
    line = "der Hund läuft schnell. über die Straße the dog runs"
    (found,) = copier(max_source=max_source, beam=3).translations([line], details=True)
    assert len(found.ranked) == 3
    for each in found.ranked:
        assert "".join(word for part in each.parts for word in part.trg_words) == each.text.replace(" ", "")
        for part in each.parts:
            assert part.weights.shape == (len(part.trg_words), len(part.src_words))
            assert len(part.tokens) == len(part.log_probs)
            assert part.tokens[-1] == "</s>"
            assert len(part.confidence) == len(part.trg_words)
            assert all(0 < value <= 1 for value in part.confidence)
    assert found.links() == found.ranked[0].links()
    assert found.ranked[0].links() != found.ranked[2].links()


def test_a_text_is_there_once_with_the_score_of_its_best_segmentation() -> None:
    cut = [SUBWORDS.vocabulary.id(piece) for piece in "▁dog"]
    whole, other = SUBWORDS.encode("dog"), SUBWORDS.encode("the")
    assert cut != whole

    class Fixed:
        def hypotheses(self, *_: object, details: bool = False) -> list[list[Hypothesis]]:
            scored = (whole, -0.25), (cut, -0.5), (other, -1.0)
            return [[Hypothesis(ids, score, score) for ids, score in scored]]

    translator = Translator(Fixed(), copier().readers, SUBWORDS, n_best=3)
    (found,) = translator.translations(["der"])
    assert found.ranked == [Ranked("dog", -0.25), Ranked("the", -1.0)]
    (found,) = replace(translator, n_best=1).translations(["der"])
    assert found.ranked == [Ranked("dog", -0.25)]


def test_given_translations_are_aligned_word_by_word() -> None:
    words = WordTokenizer(Vocabulary([*SPECIALS, "a", "b", "c"]), lowercase=False)
    assert copier(words).align([("a b c", "c b a"), ("a", "b"), ("a b", ""), ("", "a")]) == [
        [Link(0, 0), Link(1, 1), Link(2, 2)],
        [Link(0, 0)],
        [],
        [],
    ]
