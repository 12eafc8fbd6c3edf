"""nmt.evaluation.record: one JSON object a line, whatever the parts of the line."""

import json

import numpy as np

from nmt.decoding.translation import Ranked, Translation
from nmt.evaluation.alignment import Detail
from nmt.evaluation.record import translation_record


def part(
    src: str, trg: str, weights: list[list[float]], *, spaced: bool = True, apart: bool = True
) -> Detail:
    words = trg.split()
    confidence = [0.5 + 0.1 * n for n in range(len(words))]
    log_probs = [*np.log(confidence), -0.125]
    matrix = np.array(weights).reshape(len(words), len(src.split()))
    return Detail(src.split(), words, matrix, spaced, apart, [*words, "</s>"], log_probs, confidence)


def test_a_record_is_json_of_one_form() -> None:
    best = part("der Hund", "the dog", [[0.9, 0.1], [0.25, 0.75]])
    other = part("der Hund", "a dog", [[0.6, 0.4], [0.5, 0.5]])
    found = Translation([Ranked("the dog", -0.5, [best]), Ranked("a dog", -0.75, [other])])
    record = translation_record("der Hund ", found)
    assert json.loads(json.dumps(record)) == {
        "source": "der Hund ",
        "text": "the dog",
        "score": -0.5,
        "tokens": [
            {"text": "the", "log_prob": -0.693147},
            {"text": "dog", "log_prob": -0.510826},
            {"text": "</s>", "log_prob": -0.125},
        ],
        "source_words": ["der", "Hund"],
        "words": [
            {"text": "the", "confidence": 0.5, "attention": [0.9, 0.1]},
            {"text": "dog", "confidence": 0.6, "attention": [0.25, 0.75]},
        ],
        "alignment": [[0, 0], [1, 1]],
        "alternatives": [
            {
                "text": "a dog",
                "score": -0.75,
                "tokens": [
                    {"text": "a", "log_prob": -0.693147},
                    {"text": "dog", "log_prob": -0.510826},
                    {"text": "</s>", "log_prob": -0.125},
                ],
                "words": [
                    {"text": "a", "confidence": 0.5, "attention": [0.6, 0.4]},
                    {"text": "dog", "confidence": 0.6, "attention": [0.5, 0.5]},
                ],
                "alignment": [[0, 0], [0, 1]],
            }
        ],
    }


def test_a_blank_line_has_no_words() -> None:
    record = translation_record(" ", Translation([Ranked("", 0.0)]))
    assert (record["source"], record["text"], record["source_words"], record["words"]) == (" ", "", [], [])
    assert (record["tokens"], record["alignment"], record["alternatives"]) == ([], [], [])


def test_words_count_through_the_parts_of_a_line() -> None:
    first = part("a b", "A B", [[1, 0], [0, 1]])
    second = part("c", "C", [[1]])
    record = translation_record("a b c", Translation([Ranked("A B C", -1.0, [first, second])]))
    assert record["source_words"] == ["a", "b", "c"]
    assert [word["attention"] for word in record["words"]] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert record["alignment"] == [(0, 0), (1, 1), (2, 2)]
    assert [token["text"] for token in record["tokens"]] == ["A", "B", "</s>", "C", "</s>"]


def test_a_word_that_goes_on_in_the_next_part_is_one_word() -> None:
    halves = [
        part("a b", "A B", [[1, 0], [0.2, 0.8]], spaced=False, apart=False),
        part("c", "", [], spaced=False),  # without any output
        part("d e", "D E", [[0.6, 0.4], [0, 1]]),
    ]
    record = translation_record("a bcd e", Translation([Ranked("A BD E", -1.0, halves)]))
    assert record["source_words"] == ["a", "bcd", "e"]
    assert [word["text"] for word in record["words"]] == ["A", "BD", "E"]
    assert [word["confidence"] for word in record["words"]] == [0.5, 0.5, 0.6]
    assert [word["attention"] for word in record["words"]] == [[1, 0, 0], [0.1, 0.7, 0.2], [0, 0, 1]]
