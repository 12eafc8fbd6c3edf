"""A translator and a second run → the translator whose n best that run reranks."""

from dataclasses import replace

from nmt.builders.engine import open_scorer
from nmt.builders.members import check_languages, find_member
from nmt.decoding.engine import Engine
from nmt.decoding.options import TranslationOptions
from nmt.decoding.reranking import Reranker
from nmt.decoding.translator import Translator
from nmt.errors import UserError


def reranked(translator: Translator[Engine], options: TranslationOptions) -> Translator[Engine]:
    """Return the translator with the reranker of the options.

    Raises UserError like `check_reranker`, and where the search keeps one hypothesis only.
    """
    check_reranker(options)
    assert options.rerank is not None
    if translator.engine.beam == 1:
        raise UserError(
            f"--rerank {options.rerank}: a beam of 1 finds one translation, and there is nothing to choose "
            "from; ask for more, such as --beam 10"
        )
    second = open_scorer(
        TranslationOptions(
            models=(options.rerank,),
            device=options.device,
            precision=options.precision,
            threads=options.threads,
        )
    )
    engine = translator.engine.finding_all()
    reranker = Reranker(second, translator.trg_tokenizer.decode, engine.score, options.reranker_weight)
    return replace(translator, engine=engine, reranker=reranker)


def check_reranker(options: TranslationOptions) -> None:
    """Raise UserError if the second run cannot rerank what the models translate; no weights are read."""
    if options.rerank is None:
        return
    first, second = find_member(options.models[0]), find_member(options.rerank)
    if first.tagged or second.tagged:
        raise UserError(
            f"--rerank {options.rerank}: {options.rerank if second.tagged else options.models[0]} has tags "
            "(data.corpora); expected models of one direction"
        )
    check_languages(f"--rerank {options.rerank}", second.languages, options.models[0], first.languages)
