"""Texts as no corpus has them: every script, white space and control characters among ordinary words."""

from collections.abc import Sequence
from random import Random

CHARACTERS = (
    *"aAbBzZ09 .,;:!?…'\"()[]{}<>/@%$#&*+-=_~|\\^`",
    *"äöüÄÖÜßẞéñçœÆøŁİıſǅǈ²³½①Ⅷ٣३",
    *"\t\x00\x01\x0b\x1c\x1f\x7f\x85\xa0\xad\u1680\u2003\u200b\u200d\u2028\u2029\u202f\u2060\u3000\ufeff\ufffd",
    *"\u0301\u0308\u2581\u2585„“”‚‘’«»‹›–—―•。、，！？；：「」『』（）【】《》｡।॥؟۔។",
    *"АбвΣσςאבعربไทยहिन्दी東京あア한국🙂👩🇩🎉\U0001f468\U00010400\U00020000\U0010ffff",
)


def odd_texts(words: Sequence[str], count: int, *, seed: int = 1, most: int = 12) -> list[str]:
    """Return so many texts of words and odd characters, some of them joined without a space."""
    chance = Random(seed)

    def part() -> str:
        some = words if chance.random() < 0.6 else CHARACTERS
        return chance.choice(some) + " " * chance.choice((0, 1, 1, 1, 2))

    return ["".join(part() for _ in range(chance.randrange(most))) for _ in range(count)]
