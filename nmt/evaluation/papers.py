"""BLEU as papers of Multi30k and IWSLT report it: over lowercased text, split by Moses, without smoothing."""

from collections.abc import Sequence
from importlib.metadata import version

from nmt.errors import UserError
from nmt.results import Score

FORM = "lowercased, Moses"


def papers_bleu(hypotheses: Sequence[str], *references: Sequence[str], language: str) -> Score:
    """Return what multi-bleu.perl gives on text that sacremoses normalised, lowercased and split.

    The steps are those that give the published references of Multi30k line for line (Wu et al. 2021:
    lowercase, normalise punctuation, tokenise with escapes). language: of the text, such as de; it chooses
    abbreviations and punctuation. Raises UserError if sacremoses is not installed.
    """
    from sacrebleu.metrics.bleu import BLEU

    texts = [_moses(lines, language) for lines in (hypotheses, *references)]
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    found = metric.corpus_score(texts[0], texts[1:])
    split = f"case:lc|tok:sacremoses-{language}-{version('sacremoses')}"
    signature = str(metric.get_signature()).replace("case:mixed", "").replace("tok:none", "")
    kept = "|".join(part for part in signature.split("|") if part)
    return Score(metric=found.name, form=FORM, score=found.score, signature=f"{split}|{kept}")


def _moses(lines: Sequence[str], language: str) -> list[str]:
    try:
        from sacremoses import MosesPunctNormalizer, MosesTokenizer
    except ImportError:
        raise UserError(
            "--papers: needs the package sacremoses, which is not installed; pip install 'nmt[papers]'"
        ) from None
    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
    normalized = (normalizer.normalize(line.lower()) for line in lines)
    return [tokenizer.tokenize(line, escape=True, return_str=True) for line in normalized]
