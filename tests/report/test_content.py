from dataclasses import replace

import pytest

from nmt.evaluation.verdict import Group, Verdict
from nmt.report.content import sentence_table, show_p, spread, verdict_in_words, verdicts, what_p_ignores
from reporting import PAIRS, report, system

RIGHT = [pair.trg for pair in PAIRS]
WRONG = ["the dog", "the cat sleeps", "bread"]


def judged(difference: float, p: float) -> Verdict:
    group = Group((30.0,))
    return Verdict(group, group, difference, difference - 0.5, difference + 0.5, p, 0.6)


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [
        (1.0, 0.01, "b is better than a by 1.00 BLEU (95 % interval +0.50 to +1.50, p = 0.010)."),
        (-1.0, 0.01, "a is better than b by 1.00 BLEU (95 % interval −1.50 to −0.50, p = 0.010)."),
        (0.2, 0.4, "No difference between b and a can be shown: +0.20 BLEU (95 % interval −0.30 to +0.70, "),
    ],
)  # fmt: skip
def test_a_verdict_says_which_is_better_or_that_none_is(difference: float, p: float, said: str) -> None:
    first, second = system("a", WRONG), system("b", RIGHT)
    found = verdict_in_words(replace(second, verdict=judged(difference, p)), first)
    assert found.startswith(said)
    assert ("below 0.60 cannot be told from chance" in found) == (p > 0.05)


def test_the_mean_is_over_seeds() -> None:
    both = system("a", RIGHT, WRONG)
    a, b = (run.scores[0].score.score for run in both.runs)
    assert spread(both, 0) == f"{(a + b) / 2:.2f} ± {abs(a - b) / 2**0.5:.2f}"
    assert spread(system("a", RIGHT), 0, digits=1) == f"{a:.1f}"


def test_what_p_ignores_depends_on_the_runs() -> None:
    one, two = system("one", RIGHT), system("two", RIGHT, WRONG)
    assert "one has one run, whose luck" in what_p_ignores([one, two])[1]
    assert len(what_p_ignores([two, two])) == 1
    assert "2 systems are compared" in what_p_ignores([two, two, two])[-1]


def test_no_p_is_smaller_than_the_resamples_can_tell() -> None:
    assert show_p(0.001) == "p ≤ 0.001"
    assert show_p(0.0425) == "p = 0.043"


def test_one_system_is_told_by_its_score() -> None:
    assert verdicts(report(system("a", RIGHT))) == ["a: BLEU 100.00 on corpus test de→en, 3 sentences."]
    several = verdicts(report(system("a", RIGHT, RIGHT)))
    assert several == ["a: BLEU 100.00 ± 0.00 on corpus test de→en, 3 sentences."]


def test_the_table_of_sentences_has_all_outputs() -> None:
    found = report(system("a", RIGHT), system("b", WRONG), outputs=[[RIGHT], [WRONG]])
    table = sentence_table(found)
    assert table.columns == ["source", "reference", "a", "a: chrF2", "b", "b: chrF2"]
    assert table.rows[0][:5] == [*PAIRS[0], RIGHT[0], 100.0, WRONG[0]]
    assert len(table.rows) == 3
