"""nmt.evaluation.papers: what Moses and multi-bleu.perl do."""

import gzip
import json
import math
import sys
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.evaluation.papers import FORM, papers_bleu
from nmt.tokenization.moses import Moses

SHARED = Path(__file__).parents[3] / "shared" / "data" / "multi30k"


def test_it_is_multi_bleus_arithmetic_over_moses_tokens() -> None:
    # Moses: it &apos;s a dog , a dog . / it &apos;s the dog , a dog .
    found = papers_bleu(["It's a Dog, a dog."], ["It\u2019s the dog, a dog."], language="en")
    precisions = [7 / 8, 5 / 7, 3 / 6, 2 / 5]
    assert found.score == pytest.approx(100 * math.exp(sum(map(math.log, precisions)) / 4))
    assert (found.metric, found.form) == ("BLEU", FORM)
    assert found.signature.startswith("case:lc|tok:sacremoses-en-")
    assert "smooth:none" in found.signature


def test_without_a_common_four_gram_it_is_zero_as_multi_bleu_says() -> None:
    assert papers_bleu(["a b c d"], ["d c b a"], language="en").score == 0


def test_a_missing_sacremoses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    with pytest.raises(UserError, match="--papers: needs the package sacremoses"):
        papers_bleu(["a"], ["a"], language="en")


def test_what_a_model_wrote_in_that_form_is_not_split_again() -> None:
    references = ['He says "no" &amp; goes.']
    written = ["he says &quot; no &quot; &amp; amp ; goes ."]
    (split,) = (Moses("en", "--papers").split(line.lower()) for line in references)
    assert split == written[0]
    assert papers_bleu(["whatever"], references, language="en", written=written).score == pytest.approx(100)
    assert papers_bleu(written, references, language="en").score < 60


def test_an_unknown_language_is_one_line() -> None:
    with pytest.raises(UserError, match="--papers: Moses does not know the language tlh; it knows as, bn"):
        papers_bleu(["a"], ["a"], language="tlh")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs Multi30k")
@pytest.mark.parametrize(("language", "tokens"), [("de", 12103), ("en", 12968), ("fr", 13988)])
def test_the_references_of_multi30k_have_the_published_tokens(language: str, tokens: int) -> None:
    with gzip.open(SHARED / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [json.loads(line)[language] for line in file]
    moses = Moses(language, "--papers")
    assert sum(len(moses.split(line.lower()).split()) for line in lines) == tokens
