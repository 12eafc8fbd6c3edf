import pytest
import sacrebleu

from nmt.errors import UserError
from nmt.evaluation.metrics import (
    bleu_tokenizer,
    bounded_scores,
    compare,
    corpus_bleu,
    label_scores,
    scores,
    sentence_chrf,
)

HYPOTHESES = ["A man in an orange hat is looking at something.", "A Dog runs over the green grass."]
ALL = ("bleu", "chrf", "ter")
REFERENCES = ["A man in an orange hat starring at something.", "A dog runs over green grass."]


def test_scores_and_signatures_are_sacrebleus() -> None:
    found = {
        score.label: (round(score.score, 2), score.signature)
        for score in scores(HYPOTHESES, REFERENCES, metrics=ALL)
    }
    version = found["BLEU (cased, detokenised)"][1].rpartition(":")[2]
    assert found == {
        "BLEU (cased, detokenised)": (
            45.5,
            f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}",
        ),
        "chrF2 (cased, detokenised)": (
            77.15,
            f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}",
        ),
        "TER (cased, detokenised)": (
            26.67,
            f"nrefs:1|case:mixed|tok:tercom|norm:no|punct:yes|asian:no|version:{version}",
        ),
        "BLEU (lowercased, 13a)": (
            55.89,
            f"nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:{version}",
        ),
    }


def test_corpus_bleu_is_the_first_score() -> None:
    assert corpus_bleu(HYPOTHESES, REFERENCES) == scores(HYPOTHESES, REFERENCES)[0].score


def test_intervals_are_those_of_sacrebleus_bootstrap_up_to_chance() -> None:
    hypotheses = [f"{line} {'today' if n % 3 else ''} word{n % 7}" for n, line in enumerate(HYPOTHESES * 60)]
    found = bounded_scores(hypotheses, REFERENCES * 60)
    assert [each.score for each in found] == scores(hypotheses, REFERENCES * 60)
    metric = sacrebleu.metrics.BLEU()
    theirs = metric.corpus_score(hypotheses, [REFERENCES * 60], n_bootstrap=1000)
    assert found[0].low == pytest.approx(theirs._mean - theirs._ci, abs=0.3)
    assert found[0].high == pytest.approx(theirs._mean + theirs._ci, abs=0.3)
    assert all(each.low < each.score.score < each.high for each in found)


def test_intervals_are_of_all_metrics_and_references() -> None:
    hypotheses = [f"{line} word{n % 7}" for n, line in enumerate(HYPOTHESES * 20)]
    others = [f"{line} word{n % 5}" if n % 3 else "" for n, line in enumerate(REFERENCES * 20)]
    both, asked = (REFERENCES * 20, others), ("bleu", "chrf", "ter")
    found = bounded_scores(hypotheses, *both, metrics=asked)
    assert [each.score for each in found] == scores(hypotheses, *both, metrics=asked)
    assert [each.score.metric for each in found] == ["BLEU", "chrF2", "TER", "BLEU"]
    assert "nrefs:var" in found[0].score.signature
    assert all(each.low < each.score.score < each.high for each in found)


def test_an_interval_may_hold_zero() -> None:
    found = bounded_scores(["", "", "a dog runs over"], ["x y z u"] * 2 + ["a dog runs over"])
    assert found[0].low == 0.0
    assert found[0].high == pytest.approx(100)


def test_sentence_chrf_is_sacrebleus() -> None:
    assert sentence_chrf(HYPOTHESES[0], REFERENCES[0]) == pytest.approx(
        sacrebleu.sentence_chrf(HYPOTHESES[0], [REFERENCES[0]]).score
    )
    assert sentence_chrf("", "a") == 0.0


def test_only_the_lowercased_form_forgives_case() -> None:
    shouted = [line.upper() for line in REFERENCES]
    cased, _, ter, lowercased = scores(shouted, REFERENCES, metrics=ALL)
    assert lowercased.score == pytest.approx(100)
    assert cased.score < 10
    assert ter.score > 50


def test_splitting_punctuation_off_changes_the_lowercased_bleu_in_nothing() -> None:
    split = [line.replace(".", " .") for line in REFERENCES]
    assert scores(split, REFERENCES)[-1].score == pytest.approx(100)


def test_empty_hypotheses_are_scored_and_not_refused() -> None:
    assert corpus_bleu(["", ""], REFERENCES) == 0.0


@pytest.mark.parametrize("function", [scores, corpus_bleu])
def test_unequal_counts_are_refused_with_both(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="1 lines, but 2 references"):
        function(["one"], ["one", "two"])


@pytest.mark.parametrize("function", [scores, corpus_bleu])
def test_nothing_to_score_is_refused(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="nothing to score"):
        function([], [])


def test_compare_tells_a_better_system_from_an_equal_one() -> None:
    references = [f"the dog number {n} runs over the green grass today" for n in range(60)]
    worse = [line.replace("runs over", "walks on") for line in references]
    found = compare([references], worse, {"better": references, "equal": worse}, trials=200)
    assert [(c.system, c.metric) for c in found] == [
        ("better", "BLEU"),
        ("equal", "BLEU"),
        ("better", "chrF2"),
        ("equal", "chrF2"),
    ]
    for comparison in found:
        if comparison.system == "better":
            assert comparison.difference > 20
            assert comparison.p_value < 0.01
        else:
            assert comparison.difference == 0
            assert comparison.p_value == 1
        assert "ar:200" in comparison.signature


def test_compare_names_the_system_whose_count_is_off() -> None:
    with pytest.raises(UserError, match="mine: 1 lines, but 2 references"):
        compare([REFERENCES], HYPOTHESES, {"mine": ["one"]})


def test_labels_are_scored_by_accuracy_and_the_f1_of_each() -> None:
    accuracy, macro, *each = label_scores(["x x", "y z x"], ["x y", "y y x"])
    assert accuracy.score == pytest.approx(100 * 3 / 5)
    f1 = {score.form: score.score for score in each}
    # x: 2 right, 3 given, 2 wanted; y: 1 right, 1 given, 3 wanted; z is not wanted at all.
    assert f1 == pytest.approx({"x": 100 * 2 * 2 / 5, "y": 100 * 2 * 1 / 4})
    assert macro.score == pytest.approx((80 + 50) / 2)
    assert accuracy.signature == macro.signature == "labels:5|classes:2"
    assert each[0].signature == "right:1|given:1|wanted:3"


def test_a_line_with_too_few_labels_is_named() -> None:
    with pytest.raises(UserError, match="line 2: expected 2 labels, found 1: 'x'"):
        label_scores(["x", "x"], ["x", "x y"])


@pytest.mark.parametrize(
    ("language", "tokenizers"),
    [
        *((each, {"zh"}) for each in ("zh", "zh-CN", "zh_TW", "ZH", "cmn")),
        *((each, {"ja-mecab", "char"}) for each in ("ja", "ja_JP", "jpn")),
        *((each, {"ko-mecab", "char"}) for each in ("ko", "kor")),
        *((each, {"13a"}) for each in ("de", "en", "zha", None, "")),
    ],
)
def test_the_tokenizer_of_a_language_is_sacrebleus(language: str | None, tokenizers: set[str]) -> None:
    found, remark = bleu_tokenizer(language)
    assert found in tokenizers
    assert (found == "char") == (remark is not None)


@pytest.mark.parametrize(
    ("texts", "tokenizers"),
    [
        (["他来了。", "NMT 很好"], {"zh"}),
        (["これは本です。"], {"ja-mecab", "char"}),
        (["그는 왔다."], {"ko-mecab", "char"}),
        (["สวัสดีครับ"], {"char"}),
        (["He said 你好.", ""], {"13a"}),
        (["", "123"], {"13a"}),
    ],
)
def test_of_no_language_the_script_tells_the_tokenizer(texts: list[str], tokenizers: set[str]) -> None:
    assert bleu_tokenizer(None, texts)[0] in tokenizers
    assert bleu_tokenizer("de", texts)[0] == "13a"


@pytest.mark.parametrize("language", ["th", "lo", "km", "my", "bo"])
def test_bleu_of_words_without_spaces_is_over_characters(language: str) -> None:
    tokenize, remark = bleu_tokenizer(language)
    assert (tokenize, remark) == ("char", None)
    assert corpus_bleu(["สวัสดีครับ"], ["สวัสดีครับ"], tokenize) == pytest.approx(100)


def test_bleu_of_chinese_counts_characters() -> None:
    hypothesis, reference = ["我昨天在图书馆看了一本书。"], ["我昨天在图书馆读了一本书。"]
    assert corpus_bleu(hypothesis, reference) == 0
    expected = sacrebleu.corpus_bleu(hypothesis, [reference], tokenize="zh").score
    assert corpus_bleu(hypothesis, reference, "zh") == pytest.approx(expected)
    cased, _, lowercased = scores(hypothesis, reference, tokenize="zh")
    assert cased.score == pytest.approx(expected)
    assert "|tok:zh|" in cased.signature
    assert lowercased.label == "BLEU (lowercased, zh)"


def test_each_of_several_references_counts() -> None:
    other = ["Nothing of this here.", HYPOTHESES[1]]
    found = scores(HYPOTHESES, REFERENCES, other)[0]
    assert found.score == pytest.approx(sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES, other]).score)
    assert "nrefs:2" in found.signature
