"""nmt.evaluation.references: sentences with fewer references than others."""

import pytest
import sacrebleu

from nmt.errors import UserError
from nmt.evaluation.metrics import compare, scores
from nmt.evaluation.papers import papers_bleu
from nmt.evaluation.references import check_no_blank, with_gaps

HYPOTHESES = ["the dog runs over the green grass", "it is late and we go"]
FIRST = ["the dog runs on the green grass", "it is late and we walk"]
SECOND = ["the dog runs over green grass", " "]


def test_a_blank_one_of_several_is_none() -> None:
    assert with_gaps([FIRST, SECOND]) == [FIRST, [SECOND[0], None]]
    assert with_gaps([[""], [" "]]) == [[""], [" "]]  # a sentence keeps what it has
    assert with_gaps([["a", ""]]) == [["a", ""]]


def test_scores_are_sacrebleus_with_a_variable_number() -> None:
    found = scores(HYPOTHESES, FIRST, SECOND, metrics=("bleu", "chrf", "ter"))
    gaps: list[list[str]] = [FIRST, [SECOND[0], None]]  # type: ignore[list-item]
    assert [found[0].score, found[1].score] == pytest.approx(
        [sacrebleu.corpus_bleu(HYPOTHESES, gaps).score, sacrebleu.corpus_chrf(HYPOTHESES, gaps).score]
    )
    assert all(each.signature.startswith("nrefs:var|") for each in found)
    alone = scores(HYPOTHESES[1:], FIRST[1:], SECOND[1:])
    assert [each.score for each in alone] == [each.score for each in scores(HYPOTHESES[1:], FIRST[1:])]


def test_papers_bleu_and_the_comparison_leave_it_out_too() -> None:
    alone = papers_bleu(HYPOTHESES[1:], FIRST[1:], language="en").score
    assert papers_bleu(HYPOTHESES[1:], FIRST[1:], [None], language="en").score == alone
    (found,) = compare([FIRST, SECOND], HYPOTHESES, {"same": HYPOTHESES}, 10, metrics=("bleu",))
    assert found.score == scores(HYPOTHESES, FIRST, SECOND)[0].score
    assert found.signature.startswith("nrefs:var|")


def test_a_sentence_without_any_is_refused_with_its_line() -> None:
    check_no_blank([FIRST, SECOND], "a b")
    with pytest.raises(UserError, match="a b: line 2: expected a reference, found a blank line"):
        check_no_blank([["x", " "], ["y", ""]], "a b")
