"""Metrics of translations (sacreBLEU), language models and labels, each with its signature."""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from nmt.data.encoded import EncodedSplit
from nmt.errors import Diverged, UserError
from nmt.evaluation.papers import papers_bleu
from nmt.evaluation.references import with_gaps
from nmt.results import Score
from nmt.tokenization.vocabulary import EOS, UNK

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    Metric: TypeAlias = BLEU | CHRF | TER

CASED = "cased, detokenised"
LOWERCASED = "lowercased, 13a"
METRICS = ("bleu", "chrf")  # the default
_TOKENIZERS = {
    **dict.fromkeys(("zh", "zho", "chi", "cmn"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
    # sacreBLEU has none for these, which put no space between words.
    **dict.fromkeys("th tha lo lao km khm my mya bur bo bod tib dz dzo".split(), "char"),
}
# The tokenizer for text of a script, in Unicode's ranges, where the language is not known.
_SCRIPTS = {
    "ja-mecab": re.compile("[\u3040-\u30ff]"),
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"),
    "ko-mecab": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "char": re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]"),
}
RESAMPLES, RESAMPLES_SEED = 1_000, 12345  # of an interval
_LOOKED_AT = 1000  # lines of a text, to see its script
LABELS = "fraction of correct labels"
CLASSES = "mean F1 of the classes"


class Comparison(NamedTuple):
    """A system compared with the baseline by one metric."""

    system: str
    metric: str
    score: float
    difference: float  # from the baseline
    p_value: float  # two-sided: probability of a difference this large by chance
    signature: str


def bleu_tokenizer(language: str | None, texts: Sequence[str] = ()) -> tuple[str, str | None]:
    """Return sacreBLEU's tokenizer for a target language, and a remark if it is missing.

    language: a code such as zh or zh-CN; None if unknown. texts: lines of that language, whose script decides
    if there is no code. BLEU is over characters, as its signature says, if the language's package is not
    installed, or if it has no tokenizer and no spaces between words.
    """
    code = re.split("[-_]", language.lower())[0] if language else ""
    wanted = _TOKENIZERS.get(code, "13a") if code else _tokenizer_of_script(texts)
    try:
        check_tokenizer(wanted)
    except UserError as error:
        return "char", f"{error}; until then BLEU is over characters (tok:char)"
    return wanted, None


def _tokenizer_of_script(texts: Sequence[str]) -> str:
    """Return the tokenizer for the script of most letters; 13a for scripts with spaces between words."""
    text = "".join(each[:1000] for each in texts[:_LOOKED_AT])
    letters = sum(map(str.isalpha, text))
    counts = {name: len(script.findall(text)) for name, script in _SCRIPTS.items()}
    if 2 * (counts["ja-mecab"] + counts["zh"]) > letters:
        return "ja-mecab" if 10 * counts["ja-mecab"] > letters else "zh"
    return next((name for name, count in counts.items() if 2 * count > letters), "13a")


def check_tokenizer(name: str) -> None:
    """Raise UserError unless sacreBLEU has this tokenizer and the package it needs is installed."""
    from sacrebleu.metrics.bleu import BLEU

    if name not in BLEU.TOKENIZERS:
        raise UserError(f"--tokenize {name}: expected one of {', '.join(BLEU.TOKENIZERS)}")
    try:
        BLEU(tokenize=name)
    except RuntimeError:
        package = f"sacrebleu[{name.partition('-')[0]}]"
        raise UserError(f"the tokenizer {name} is not installed; pip install '{package}'") from None
    except Exception as error:  # some are downloaded first
        raise UserError(f"the tokenizer {name} is not available ({' '.join(str(error).split())})") from error


def scores(
    hypotheses: Sequence[str],
    *references: Sequence[str],
    metrics: Sequence[str] = METRICS,
    tokenize: str = "13a",
    moses: str | None = None,
    written: Sequence[str] | None = None,
) -> list[Score]:
    """Return BLEU, chrF2 and TER of detokenised, cased text, then lowercased BLEU as papers report it.

    references: one or several lists of lines; a blank one does not count where the sentence has another, and
    the signature says nrefs:var. metrics: some of bleu, chrf and ter; TER takes time cubic in
    the length of a line. tokenize: sacreBLEU's tokenizer for BLEU, see `bleu_tokenizer`. moses: a language,
    to add what papers report exactly, see `papers_bleu`, also for written.

    BLEU and chrF2 have sacreBLEU's defaults; TER is made case-sensitive like them (sacreBLEU's own default
    folds case, its signature says `case:lc`).

    "BLEU (lowercased, 13a)" agrees within a few tenths with results called "tokenised, lowercased BLEU"
    (multi-bleu.perl over text lowercased and split by Moses): Moses splits contractions and some hyphens,
    13a does not. It must not be compared with the cased score, with BLEU over subwords, over compounds split
    at hyphens (`tensor2tensor`'s get_ende_bleu.sh), or over text whose rare words are <unk>. Both sides may
    already be tokenised; 13a changes almost nothing in such text.

    Raises UserError if the numbers of lines differ or there is nothing to score.
    """
    for each in references:
        _check(hypotheses, each)
    wanted = with_gaps(references)
    result = []
    for form, asked in _forms(metrics, tokenize):
        found = asked.corpus_score(hypotheses, wanted)  # type: ignore[arg-type]
        signature = str(asked.get_signature())
        result.append(Score(metric=found.name, form=form, score=found.score, signature=signature))
    if moses is not None:
        result.append(papers_bleu(hypotheses, *wanted, language=moses, written=written))
    return result


class Bounded(NamedTuple):
    """A score with its 95 % interval."""

    score: Score
    low: float
    high: float


def bounded_scores(
    hypotheses: Sequence[str],
    *references: Sequence[str],
    metrics: Sequence[str] = METRICS,
    tokenize: str = "13a",
) -> list[Bounded]:
    """Return what `scores` gives with intervals: a bootstrap over sentences (Koehn 2004)."""
    computed = scores(hypotheses, *references, metrics=metrics, tokenize=tokenize)
    rng = np.random.default_rng(RESAMPLES_SEED)
    size, wanted = len(hypotheses), with_gaps(references)
    drawn = [np.bincount(rng.integers(size, size=size), minlength=size) for _ in range(RESAMPLES)]
    found = []
    for each, (_, metric) in zip(computed, _forms(metrics, tokenize), strict=True):
        # sacreBLEU's own bootstrap keeps all resamples in memory, and fails where some have a score of 0.
        statistics = metric._extract_corpus_statistics(hypotheses, wanted)  # type: ignore[arg-type]
        counts = np.array(statistics, np.float64)
        sums = ((times @ counts).tolist() for times in drawn)
        resampled = [float(metric._compute_score_from_stats(of_all).score) for of_all in sums]
        low, high = np.quantile(resampled, (0.025, 0.975))
        found.append(Bounded(each, float(low), float(high)))
    return found


def _forms(metrics: Sequence[str], tokenize: str) -> "list[tuple[str, Metric]]":
    """Return the metrics, and lowercased BLEU too, each with the form of the text that it compares."""
    from sacrebleu.metrics.bleu import BLEU

    chosen: list[tuple[str, Metric]] = [(CASED, metric) for metric in _made(metrics, tokenize).values()]
    if "bleu" in metrics:
        # force: warn of tokenised text once, not twice
        chosen.append((f"lowercased, {tokenize}", BLEU(lowercase=True, tokenize=tokenize, force=True)))
    return chosen


def _made(metrics: Sequence[str], tokenize: str) -> "dict[str, Metric]":
    """Return sacreBLEU's metrics for what is asked for, by their own names."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    made: dict[str, tuple[str, Callable[[], Metric]]] = {
        "bleu": ("BLEU", lambda: BLEU(tokenize=tokenize)),
        "chrf": ("chrF2", CHRF),
        "ter": ("TER", lambda: TER(case_sensitive=True)),
    }
    return {name: make() for metric, (name, make) in made.items() if metric in metrics}


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a") -> float:
    """Return cased, detokenised BLEU with sacreBLEU's defaults: the first of `scores`, computed alone."""
    from sacrebleu.metrics.bleu import BLEU

    _check(hypotheses, references)
    return float(BLEU(tokenize=tokenize, force=True).corpus_score(hypotheses, [references]).score)


def sentence_bleu(hypothesis: str, reference: str, tokenize: str = "13a") -> float:
    """Return sacreBLEU's BLEU of one sentence, from 0 to 100, over the orders that it is long enough for."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize=tokenize, effective_order=True)
    return float(metric.sentence_score(hypothesis, [reference]).score)


def sentence_chrf(hypothesis: str, reference: str) -> float:
    """Return sacreBLEU's chrF2 of one sentence, from 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(hypothesis, [reference]).score)


def form_of(tag: str, form: str, *, several: bool) -> str:
    """Return the form of a score of the lines with one tag, "" for none; several: there are other lines."""
    return f"{tag or 'no tag'}, {form}" if tag or several else form


def tag_of(form: str) -> tuple[str, str]:
    """Return the tag of a form of `form_of`, "" where it has none, and the form of a single language."""
    found = re.fullmatch(r"(<\S+>|no tag), (.*)", form)
    return (found[1], found[2]) if found else ("", form)


def text_scores(
    nll: float, text: EncodedSplit, characters: int, *, tokenizer: str, rows: int | None
) -> tuple[Score, ...]:
    """Return perplexity exp(nll) and bits per character of a text with `nll` nats per token; less is better.

    The end of a line counts as a token (</s>) and a character. tokenizer: its kind. rows: the number of
    parallel streams of one long text, None for separate lines. Bits per character can be compared on the same
    text without unknown tokens; perplexity also needs the same tokenizer. Perplexity is left out if it
    overflows. Raises Diverged if nll is not finite.
    """
    if not math.isfinite(nll):
        raise Diverged.giving_no("text")
    ids = text.targets(EOS)
    context = "line" if rows is None else f"text{f'-in-{rows}-rows' if rows > 1 else ''}"
    unknown = int((ids == UNK).sum())
    shared = f"eos:yes|context:{context}|tokens:{len(ids)}|characters:{characters}|unknown:{unknown}"
    bits = nll * len(ids) / math.log(2) / characters
    bits_per_character = Score(
        metric="bits/character", form="end of line counted", score=bits, signature=shared
    )
    if nll > math.log(sys.float_info.max):
        return (bits_per_character,)
    perplexity = Score(metric="perplexity", form=f"{tokenizer} tokens", score=math.exp(nll), signature=shared)
    return perplexity, bits_per_character


def label_scores(found: Sequence[str], wanted: Sequence[str]) -> list[Score]:
    """Return accuracy, macro F1 and the F1 of each label, in percent; a line holds labels between spaces.

    F1 = 2 right / (given + wanted), for each label that is wanted; their mean is macro F1. Raises UserError
    if the numbers of lines or labels differ, or if there is nothing to score.
    """
    _check(found, wanted)
    for number, (line, of_line) in enumerate(zip(found, wanted, strict=True), 1):
        if len(line.split()) != len(of_line.split()):
            raise UserError(
                f"line {number}: expected {len(of_line.split())} labels, found {len(line.split())}: {line!r}"
            )
    given, labels = " ".join(found).split(), " ".join(wanted).split()
    right = Counter(a for a, b in zip(given, labels, strict=True) if a == b)
    of_given, of_wanted = Counter(given), Counter(labels)
    counted = label_signature(wanted)
    each = [
        Score(
            metric="F1",
            form=label,
            score=200 * right[label] / (of_given[label] + count),
            signature=f"right:{right[label]}|given:{of_given[label]}|wanted:{count}",
        )
        for label, count in of_wanted.most_common()
    ]
    accuracy, macro = 100 * right.total() / len(labels), sum(score.score for score in each) / len(each)
    return [
        Score(metric="accuracy", form=LABELS, score=accuracy, signature=counted),
        Score(metric="macro-F1", form=CLASSES, score=macro, signature=counted),
        *each,
    ]


def label_signature(wanted: Sequence[str]) -> str:
    """Return the signature of accuracy and macro F1 of these lines of labels."""
    labels = " ".join(wanted).split()
    return f"labels:{len(labels)}|classes:{len(set(labels))}"


def bleu_signature(tokenize: str = "13a", *, lowercase: bool = False) -> str:
    """Return the signature of `corpus_bleu`; lowercase: of text that is."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize=tokenize, lowercase=lowercase)
    metric.corpus_score(["a"], [["a"]])  # a signature is complete after the first score
    return str(metric.get_signature())


def compare(
    references: Sequence[Sequence[str]],
    baseline: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    trials: int = 10_000,
    *,
    metrics: Sequence[str] = METRICS,
    tokenize: str = "13a",
) -> list[Comparison]:
    """Is a system's difference from the baseline more than chance, in each of the metrics?

    Uses sacreBLEU's paired approximate randomisation (Riezler & Maxwell 2005): the two outputs of each
    sentence are swapped at random, `trials` times. Its seed is fixed (12345, or SACREBLEU_SEED) and part of
    the signature. references: one or several lists of lines. Raises UserError if the numbers of lines differ
    or there is nothing to score.
    """
    from sacrebleu.significance import PairedTest

    for each in references:
        _check(baseline, each, "baseline")
        for name, hypotheses in systems.items():
            _check(hypotheses, each, name)
    named: list[tuple[str, Sequence[str]]] = [("baseline", baseline), *systems.items()]
    made = _made(metrics, tokenize)
    wanted = with_gaps(references)
    test = PairedTest(named, made, wanted, "ar", n_samples=trials)  # type: ignore[arg-type]
    signatures, columns = test()
    comparisons = []
    for metric, signature in signatures.items():
        first, *others = (float(result.score) for result in columns[metric])  # type: ignore[union-attr]
        p_values = [result.p_value for result in columns[metric][1:]]  # type: ignore[union-attr]
        for system, score, p_value in zip(systems, others, p_values, strict=True):
            assert p_value is not None  # only the baseline has none
            # sacreBLEU counts only trials strictly above the difference: equal systems would seem different.
            p = p_value if score != first else 1.0
            comparisons.append(Comparison(system, metric, score, score - first, p, str(signature)))
    return comparisons


def _check(hypotheses: Sequence[str], references: Sequence[str], name: str = "hypotheses") -> None:
    if len(hypotheses) != len(references):
        raise UserError(
            f"{name}: {len(hypotheses)} lines, but {len(references)} references; "
            "line n of one must translate line n of the other"
        )
    if not references:
        raise UserError(f"{name}: no lines; there is nothing to score")
