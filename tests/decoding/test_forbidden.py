"""nmt.decoding.forbidden: no output holds a forbidden text, in whichever tokens it is written."""

import random
import re

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nmt.decoding import forbidden
from nmt.decoding.forbidden import Forbidden
from nmt.errors import UserError
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import SPECIALS, Vocabulary
from nmt.tokenization.words import WordTokenizer

WORDS = "der Hund läuft schnell über die Straße , . ( the dog runs doggedly".split()


def _subwords() -> SentencePieceTokenizer:
    chance = random.Random(1)
    texts = [" ".join(chance.choices(WORDS, k=8)) for _ in range(200)]
    return SentencePieceTokenizer.train(texts, kind="bpe", vocab_size=320)


TOKENIZERS: list[Tokenizer] = [
    _subwords(),
    WordTokenizer(Vocabulary([*SPECIALS, *WORDS]), lowercase=False),
]


def written(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text in the smallest tokens that there are."""
    tokens = tokenizer.vocabulary.tokens
    found = []
    for character in text.replace(" ", "▁"):
        if character in tokens:
            found.append(tokens.index(character))
        else:
            found += [tokens.index(f"<0x{byte:02X}>") for byte in character.encode()]
    return found


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["subwords", "words"])
@examples(max_examples=60)
@given(data=st.data())
def test_a_token_is_forbidden_where_it_completes_a_text_at_the_start_of_a_word(
    tokenizer: Tokenizer, data: st.DataObject
) -> None:
    texts = data.draw(
        st.lists(st.sampled_from(["dog", "Hund", "über", "die Straße", "runs", "("]), max_size=3)
    )
    token = st.sampled_from([i for i in tokenizer.vocabulary.text_ids if tokenizer.tokens([i])[0][0] != "<"])
    ids = data.draw(st.lists(token, min_size=1, max_size=8))
    rule = Forbidden([tuple(text.encode() for text in texts)], tokenizer.surfaces())
    state = rule.start(torch.tensor([99]))
    completed = False
    for t, i in enumerate(ids):
        log_probs, state = rule(
            torch.zeros(1, len(tokenizer.vocabulary)), torch.tensor([ids[:t]]).long(), state
        )
        completed |= log_probs[0, i].item() < 0
        so_far = b"".join(tokenizer.surfaces()[j] for j in ids[: t + 1]).decode(errors="replace")
        assert completed == any(
            re.search(rf"(?:^|[\s!-/:-@\[-`{{-~]){re.escape(text)}", so_far) for text in texts
        )


def test_other_tokens_of_the_same_text_are_forbidden_too() -> None:
    tokenizer = TOKENIZERS[0]
    rule = Forbidden([("Straße".encode(),)], tokenizer.surfaces())
    state = rule.start(torch.tensor([99]))
    for spelled in (tokenizer.encode("die Straße"), written(tokenizer, " die Straße")):
        for t in range(len(spelled)):
            log_probs, state = rule(
                torch.zeros(1, len(tokenizer.vocabulary)), torch.tensor([spelled[:t]]).long(), state
            )
        assert log_probs[0, spelled[-1]] == float("-inf")
        state = rule.start(torch.tensor([99]))


def test_each_sentence_has_its_own_texts() -> None:
    surfaces = (b"", b" a", b" b")
    rule = Forbidden([(b"a",), (), (b"b", b"a")], surfaces)
    log_probs, _ = rule(
        torch.zeros(3, 3), torch.empty(3, 0, dtype=torch.long), rule.start(torch.ones(3).long())
    )
    no = float("-inf")
    assert log_probs.tolist() == [[0, no, 0], [0, 0, 0], [0, no, no]]


def test_more_than_fits_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forbidden, "MOST", 10)
    with pytest.raises(
        UserError, match="1 forbidden texts with a vocabulary of 7 tokens do not fit in memory"
    ):
        Forbidden([(b"abc",)], (b" x",) * 7)
