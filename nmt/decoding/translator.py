"""Lines of text in, lines of text out: in order, one for one. Needs no torch, whichever engine translates."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt.data.lengths import TrainingLengths
from nmt.data.text import TextEncoder
from nmt.decoding.demands import Demand, Glossary, holds
from nmt.decoding.engine import (
    DemandingEngine,
    Engine,
    ForcingEngine,
    Hypothesis,
    SamplingEngine,
    TokenDemand,
)
from nmt.decoding.protection import translate_protected
from nmt.decoding.reranking import Reranker
from nmt.decoding.sources import SourceReader
from nmt.decoding.splitting import TIGHT, ends_without_space, split_text
from nmt.decoding.translation import Ranked, Translation, best_of_each
from nmt.decoding.unknown import replace_unknown
from nmt.errors import UserError
from nmt.evaluation.alignment import Confidence, Detail, Link, best_links, detail, merge_tokens
from nmt.tokenization.preprocessing import preprocessing_of, without_preprocessing, words_as_written
from nmt.tokenization.reversal import is_reversed, left_to_right, reading_order
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import EOS, UNK

AnyEngine = TypeVar("AnyEngine", bound=Engine, covariant=True)


class Part(NamedTuple):
    """A stretch of a line that is translated as a whole: its text and its ids, the tag's before them.

    spaced: white space stands behind it.
    ended: it does not end within a word. others: the ids that further models of an ensemble read.
    """

    text: str
    ids: list[int]
    spaced: bool
    ended: bool
    others: tuple[list[int], ...] = ()

    def apart(self, text: str) -> bool:
        """Say whether a space goes behind the text that the part becomes."""
        return self.ended and text != "" and text[-1] not in TIGHT


class Forced(NamedTuple):
    """The ids of a given target, </s> last, and the log-probability of each after those written before it."""

    ids: list[int]
    log_probs: list[float]


@dataclass(frozen=True)
class Translator(Generic[AnyEngine]):
    """Translates text with any engine; it samples and forces with one that can.

    It keeps nothing of a text, so that several threads may use one. readers: how each model of an ensemble
    reads a source; alignments go by the tokens of the first. n_best: the most translations of a line; of a
    text that the engine found in several segmentations, the best one counts. lengths: what training showed,
    by which a translation is called short. confidence: in words of given log-probabilities. protect: what
    `translations` finds of addresses, placeholders and tags comes out as it is; see `translate_protected`.
    replace_unk: so does a word that the target's vocabulary lacks; see `replace_unknown`. Raises UserError
    where replace_unk is given and the model never writes <unk>. glossary, forbidden: what every translation
    must hold and must not; see `Demand`. reranker: orders what the engine found, each part by itself.
    """

    engine: AnyEngine
    readers: tuple[SourceReader, ...]
    trg_tokenizer: Tokenizer
    _: KW_ONLY
    n_best: int = 1
    lengths: TrainingLengths | None = None
    confidence: Confidence = np.exp
    protect: bool = False
    replace_unk: bool = False
    glossary: Glossary | None = None
    forbidden: tuple[str, ...] = ()
    reranker: Reranker | None = None

    def __post_init__(self) -> None:
        if self.replace_unk and UNK in self.trg_tokenizer.banned:
            raise UserError(
                "replace_unk: a model of words writes <unk>, and this one is of "
                f"{self.trg_tokenizer.kind} and never does; leave it out"
            )

    @property
    def src_tokenizer(self) -> Tokenizer:
        """The tokenizer that the first model reads with."""
        return self.readers[0].encoder.tokenizer

    @property
    def max_source(self) -> int:
        """The longest source, in tokens, that the first model reads as a whole."""
        return self.readers[0].max_source

    def with_tag(self, tag: str) -> Self:
        """Return it with another tag before its sources, "" for none; UserError where a model lacks it."""
        readers = (each._replace(encoder=each.encoder.with_tag(tag)) for each in self.readers)
        return replace(self, readers=tuple(readers))

    def translate(self, lines: Sequence[str]) -> list[str]:
        """Return the best translation of each line; a blank line gives an empty one."""
        return [translation.text for translation in self.translations(lines)]

    def translations(
        self, lines: Sequence[str], *, details: bool = False, demands: Sequence[Demand] | None = None
    ) -> list[Translation]:
        """Return the translation of each line, in order, with up to n_best different ones of each.

        A line with more sentences or tokens than training showed is cut at sentence ends; a sentence of more
        than `max_source` tokens, of any model, at clause ends, else spaces, else anywhere. The translations
        of the parts are joined; nothing is dropped. details: each of the n best holds its `parts`.
        demands: one for each line, which is then translated as a whole and not protected. Raises UserError
        for a demand that cannot be met.
        """
        if demands is not None or not self.protect:
            return self._translations(lines, details=details, demands=demands)
        translate = partial(self._translations, details=details)
        return translate_protected(translate, lines, n_best=self.n_best, details=details)

    def _translations(
        self, lines: Sequence[str], *, details: bool, demands: Sequence[Demand] | None = None
    ) -> list[Translation]:
        parts = self._parts(lines) if demands is None else list(map(self._whole, lines))
        flat = [part for line in parts for part in line]
        rows, others = [part.ids for part in flat], zip(*(part.others for part in flat), strict=True)
        looks = details or self.replace_unk
        if demands is None and not (self.glossary or self.forbidden):
            found = self.engine.hypotheses(rows, *others, details=looks)
        else:
            of_lines = demands or [Demand()] * len(lines)
            each = [demand for demand, line in zip(of_lines, parts, strict=True) for _ in line]
            wanted = list(map(self._in_tokens, flat, each))
            found = self._demanding.demanded(rows, *others, demands=wanted, details=looks)
        if self.reranker:
            found = self.reranker([part.text for part in flat], found)
        each_part = iter(found)
        return [self._join(line, [next(each_part) for _ in line], details=details) for line in parts]

    def sample(
        self: "Translator[SamplingEngine]",
        lines: Sequence[str],
        *,
        seed: int,
        first: int = 0,
        draw: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> list[str]:
        """Return a translation of each line, sampled as `SamplingSettings` says, not searched.

        first: the number of the first line. The random numbers belong to seed, number of the line and place
        of the part in it, so that neither batch nor neighbours change what is sampled; and to the number of
        the draw, where a line is sampled several times. Where a search would
        have to end, a translation is cut. Raises Diverged where no token has a probability above 0.
        """
        parts = self._parts(lines)
        flat = [part for line in parts for part in line]
        others = zip(*(part.others for part in flat), strict=True)
        drawn = () if draw is None else (draw,)
        keys = [(seed, n, place, *drawn) for n, line in enumerate(parts, first) for place in range(len(line))]
        found = iter(
            self.engine.sample(
                [part.ids for part in flat],
                *others,
                keys=keys,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
            )
        )
        return [self._text(line, [self.trg_tokenizer.decode(next(found)) for _ in line]) for line in parts]

    def force(self: "Translator[ForcingEngine]", pairs: Sequence[tuple[str, str]]) -> list[Forced]:
        """Return the log-probabilities of the given targets, token by token, each after those before it.

        pairs: source and target. Of a fusion they are its scores. No source is cut: one of more than
        `max_source` tokens is read as a whole. The tokens stand as the text does, in whichever order the
        model writes them.
        """
        (rows, *others), targets = self.encoded(pairs)
        log_probs = self.engine.force(rows, *others, targets=targets)
        found = []
        for ids, each in zip(targets, log_probs, strict=True):
            order = reading_order(self.trg_tokenizer, len(ids))
            found.append(Forced([ids[i] for i in order], [each[i] for i in order]))
        return found

    def align(self: "Translator[ForcingEngine]", pairs: Sequence[tuple[str, str]]) -> list[list[Link]]:
        """Return word links of sentence pairs: of each target word to the source word it looks at most.

        Words are what stands between spaces, counted from 0. No source is cut.
        """
        (rows, *others), targets = self.encoded(pairs)
        found = self.engine.attend(rows, *others, targets=targets)
        links = []
        for ids, trg, attention in zip(rows, targets, found, strict=True):
            src, looked = self._untagged(ids, attention)
            *places, _ = reading_order(self.trg_tokenizer, len(trg))
            written = left_to_right(self.trg_tokenizer).word_starts([trg[i] for i in places])
            starts = self.src_tokenizer.word_starts(src), written
            links.append(best_links(merge_tokens(looked[places, : len(src)], *starts)))
        return links

    def encoded(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[list[list[int]]], list[list[int]]]:
        """Return the ids of the sources as each model reads them, and of the targets, as written."""
        sources = [text for text, _ in pairs]
        trg_encoder = TextEncoder(self.trg_tokenizer, self.readers[0].encoder.normalize)
        targets = [[*ids, EOS] for ids in trg_encoder.encode_batch([text for _, text in pairs])]
        return [reader.encoder.encode_batch(sources) for reader in self.readers], targets

    def _parts(self, lines: Sequence[str]) -> list[list[Part]]:
        if isinstance(lines, str):  # which is a sequence of strings too, each a character
            raise TypeError("expected a list of lines, found one text; give [text]")
        return [self.parts(line) for line in lines]

    def parts(self, line: str) -> list[Part]:
        """Return the stretches that the line is translated in, none for a blank one."""
        text = self.readers[0].encoder.normalize(line)
        if not text:
            return []

        def fits(text: str) -> bool:
            return all(reader.fits(text, several=False) for reader in self.readers)

        def together(text: str) -> bool:
            return all(reader.fits(text, several=True) for reader in self.readers)

        parts = []
        for stretch, after in pairwise([*split_text(text, fits, together, self.readers[0].ends), ""]):
            ids, *others = self._read(stretch)
            if ids:
                spaced = stretch[-1:].isspace() or after[:1].isspace()
                ended = spaced or not after or ends_without_space(stretch)
                parts.append(Part(stretch, ids, spaced, ended, tuple(others)))
        return parts

    def _whole(self, line: str) -> list[Part]:
        """Return the line as one part, none for a blank one."""
        text = self.readers[0].encoder.normalize(line)
        ids, *others = self._read(text)
        return [Part(text, ids, spaced=False, ended=True, others=tuple(others))] if ids else []

    @property
    def _demanding(self) -> DemandingEngine:
        if is_reversed(self.trg_tokenizer):
            raise UserError(
                "demands: the model writes from right to left (data.reverse_target); leave them out"
            )
        if not isinstance(self.engine, DemandingEngine):
            raise UserError(
                "demands need a translator that was opened with rules, such as "
                "nmt.load(run, rules=Rules(after_tab='terms'))"
            )
        return self.engine

    def _in_tokens(self, part: Part, demand: Demand) -> TokenDemand:
        """Return the demand of a part, with what the glossary and the forbidden texts add."""
        glossary = self.glossary.terms(part.text) if self.glossary else []
        texts = list(dict.fromkeys([*demand.terms, *glossary]))
        forbidden = [text for text in (*demand.forbidden, *self.forbidden) if text.strip()]
        encoder = TextEncoder(self.trg_tokenizer, self.readers[0].encoder.normalize)
        for text in filter(None, [demand.prefix, *texts]):
            if UNK in encoder.encode(text):
                raise UserError(f"{text!r}: the model cannot write this text; use other words")
            if clash := next((bad for bad in forbidden if holds(text, bad)), None):
                raise UserError(
                    f"{text!r} must be in the translation of {part.text!r}, and {clash!r} must not"
                )
        found = TokenDemand(
            encoder.encode(demand.prefix),
            [encoder.encode(text) for text in texts],
            tuple(" ".join(words_as_written(self.trg_tokenizer, bad)).encode() for bad in forbidden),
        )
        if found.tokens > (longest := self._demanding.longest(part.ids)):
            raise UserError(
                f"the translation of {part.text!r} has at most {longest} tokens, and {found.tokens} are "
                f"demanded: {', '.join(filter(None, [demand.prefix, *texts]))}; demand less"
            )
        return found

    def _read(self, text: str) -> list[list[int]]:
        """Return the ids of a text, as each model reads it."""
        return [reader.encoder.encode(text) for reader in self.readers]

    def _decode(self, part: Part, found: Hypothesis) -> str:
        """Return the text of a part's translation."""
        if not self.replace_unk or UNK not in found.ids:
            return self.trg_tokenizer.decode(found.ids)
        return preprocessing_of(self.trg_tokenizer).undo(self._replaced(part, found))

    def _replaced(self, part: Part, found: Hypothesis) -> str:
        """Return a part's translation as the model wrote it, with the words for which it wrote <unk>."""
        tokenizer, found = self._as_read(found)
        ids, alignment = self._untagged(part.ids, found.alignment)
        written = without_preprocessing(tokenizer).decode(found.ids)
        words, starts = self.src_tokenizer.words(part.text), self.src_tokenizer.word_starts(ids)
        return replace_unknown(written, found.ids, alignment, words, starts)

    def _as_read(self, found: Hypothesis) -> tuple[Tokenizer, Hypothesis]:
        """Return a hypothesis, all of it in the order of its text, and the tokenizer of such ids."""
        *places, end = reading_order(self.trg_tokenizer, len(found.ids) + 1)
        alignment, log_probs = found.alignment, found.token_log_probs
        return left_to_right(self.trg_tokenizer), replace(
            found,
            ids=[found.ids[i] for i in places],
            alignment=None if alignment is None else alignment[[*places, end]],
            token_log_probs=None if log_probs is None else [log_probs[i] for i in (*places, end)],
        )

    def _untagged(
        self, ids: list[int], alignment: NDArray[np.floating] | None
    ) -> tuple[list[int], NDArray[np.floating]]:
        """Return the source and the alignment without the tag, which is no word."""
        assert alignment is not None
        first = 0 if self.readers[0].encoder.tag is None else 1
        return ids[first:], alignment[:, first:]

    def _text(self, parts: list[Part], texts: list[str]) -> str:
        """Return the line that the texts of its parts are."""
        pairs = zip(texts, parts, strict=True)
        return "".join(text + " " * part.apart(text) for text, part in pairs).rstrip(" ")

    def _join(self, parts: list[Part], found: list[list[Hypothesis]], *, details: bool) -> Translation:
        if not parts:
            return Translation([Ranked("", 0.0)])
        ranked = [
            Ranked(
                self._text(parts, list(map(self._decode, parts, chosen))),
                score,
                list(map(self._detail, parts, chosen)) if details else [],
            )
            for score, chosen in best_of_each(list(map(self._distinct, parts, found)), self.n_best)
        ]
        src, trg = sum(len(part.ids) for part in parts), sum(len(each[0].ids) for each in found)
        short = self.lengths is not None and self.lengths.too_short(src, trg)
        return Translation(ranked, short)

    def _distinct(self, part: Part, found: list[Hypothesis]) -> list[Hypothesis]:
        """Return the best hypothesis of each text, in order."""
        if self.n_best == 1:
            return found[:1]
        by_text: dict[str, Hypothesis] = {}
        for each in found:
            by_text.setdefault(self._decode(part, each), each)
        return list(by_text.values())

    def _detail(self, part: Part, found: Hypothesis) -> Detail:
        text = self._decode(part, found)
        tokenizer, as_read = self._as_read(found)
        assert as_read.token_log_probs is not None
        ids, alignment = self._untagged(part.ids, as_read.alignment)
        made = detail(
            (self.src_tokenizer, tokenizer),
            ids,
            as_read.ids,
            alignment.astype(np.float64),
            as_read.token_log_probs,
            confidence=self.confidence,
            spaced=part.spaced,
            apart=part.apart(text),
        )
        if not self.replace_unk or UNK not in found.ids:
            return made
        undo = preprocessing_of(self.trg_tokenizer).undo
        written = list(map(undo, self._replaced(part, found).split(" ")))
        return made._replace(trg_words=written, src_words=self.src_tokenizer.words(part.text))
