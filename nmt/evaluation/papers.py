"""BLEU as papers of Multi30k and IWSLT report it: over lowercased text, split by Moses, without smoothing."""

from collections.abc import Sequence
from importlib.metadata import version

from nmt.results import Score
from nmt.tokenization.moses import Moses

FORM = "lowercased, Moses"


def papers_bleu(
    hypotheses: Sequence[str],
    *references: Sequence[str | None],
    language: str,
    written: Sequence[str] | None = None,
) -> Score:
    """Return what multi-bleu.perl gives on text that sacremoses normalised, lowercased and split.

    The steps are those that give the published references of Multi30k line for line (Wu et al. 2021:
    lowercase, normalise punctuation, tokenise with escapes). references: None where a sentence lacks one.
    language: of the text, such as de; it chooses abbreviations and punctuation. written: the hypotheses as a
    model wrote them that was trained on such text; they are not split again. Raises UserError if sacremoses
    is not installed or knows no such language.
    """
    from sacrebleu.metrics.bleu import BLEU

    moses = Moses(language, "--papers")
    split = [[line if line is None else moses.split(line.lower()) for line in lines] for lines in references]
    found_in = [moses.split(line.lower()) for line in hypotheses] if written is None else written
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    found = metric.corpus_score([line.lower() for line in found_in], split)  # type: ignore[arg-type]
    how = f"case:lc|tok:sacremoses-{language}-{version('sacremoses')}"
    signature = str(metric.get_signature()).replace("case:mixed", "").replace("tok:none", "")
    kept = "|".join(part for part in signature.split("|") if part)
    return Score(metric=found.name, form=FORM, score=found.score, signature=f"{how}|{kept}")
