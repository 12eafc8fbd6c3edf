"""Find the sentence ends of a text by a few rules for many scripts."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

from nmt.decoding.options import Splitter
from nmt.errors import UserError

Ends: TypeAlias = Callable[[str], list[int]]

_WIDE = "。！？｡।॥؟۔။។"  # these need no space after them
_OPENERS = "\"'“”„‚‘’«»‹›(\\[{¿¡「『（【《〈–—―•-"
_CLOSERS = "\"'”’“‘»«›‹)\\]}"
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff\ufe0f\u200d"
_BLANK = r"\s\u200b\u2060\ufeff"  # white space, visible or not
_STOP = re.compile(
    rf"(?<![.!?…])(?P<narrow>[.!?…]++)(?:(?:[{_CLOSERS}{_EMOJI}]|\[\d{{1,3}}\]|\s»)*(?P<blank>[{_BLANK}]+)"
    rf"|[{_CLOSERS}{_EMOJI}]*)"
    rf"|[{_WIDE}][{_WIDE}.!?…]*[\"'”’»›)\]}}」』）】》〉]*\s*"
)
_WORD = re.compile(rf"[^{_BLANK}{_OPENERS}]*$")
_NEXT = re.compile(rf"[{_BLANK}{_OPENERS}]*(?P<word>[^\W\d_]*)(?P<other>\S?)")
_NO_WORDS = re.compile(r"[/@\\_=&#<>]|^www")  # in addresses and code

# A stop after these ends no sentence, ...
_ABBREVIATIONS = frozenset(
    # titles and names
    "mr mrs ms mx messrs dr drs prof rev hon st ste mt gen col capt cpt lt sgt maj cmdr gov sen rep pres fr "
    "hr frl dipl ing jur phil rer nat med mme mlle mgr sr sra srta dña sig dott avv dhr mevr "
    # the rest
    "vs viz approx dept bzw ca vgl evtl ggf inkl exkl zzgl bspw sog geb gest allg insb jh jhd hrsg aufl "
    "cf env bijv np tzn tj např".split()
)
# ... and after these it ends none if a number follows.
_BEFORE_NUMBER = frozenset(
    "no nos nr núm est art arts fig figs abb tab kap vol bd p pp s ss sec sect ch chap eq par abs op "
    "jan feb mar apr jun jul aug sep sept oct okt nov dec dez".split()
)
# "1." of "1. Januar", "XIV." of "Ludwig XIV. starb", "z." of "z. B.", "e.g."
_NUMERAL = re.compile(r"\d{1,2}|[IVX]{2,5}")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_]+)*")
# Words that never follow an ordinal, so a sentence begins.
_BEGINNERS = frozenset(
    "der die das ein eine ich du er sie es wir ihr man dies diese dieser dieses dann danach dort hier "
    "jetzt nun und aber doch denn wenn als weil obwohl nachdem während seit auch nur nicht im am auf "
    "bei mit nach vor für über durch wie was wer wo warum seine ihre heute später the a this that these "
    "those he she it we you they then there here and but if when while after before in on at for with "
    "from what who where why how his her their our its now today later il elle nous vous ils elles ce "
    "cette puis alors quand mais dans el ella pero luego después".split()
)


def sentence_ends(text: str) -> list[int]:
    """Return the positions where a sentence begins after another, white space belonging to the earlier one.

    A stop (. ! ? …) ends a sentence if white space and no lower-case letter follow, and if it belongs to no
    abbreviation, initial or ordinal. Closing quotes and brackets belong to the sentence they close. White
    space may be missing between two words ("schläft.Die Katze"), not in addresses. 。！？ and the stops of
    Arabic, Devanagari, Khmer and Burmese always end a sentence. A sentence may begin with a lower-case letter
    if the text does not begin with a capital letter and no stop in it is followed by one.
    """
    stops = [stop for stop in _STOP.finditer(text) if stop.end() < len(text)]
    begins = (0, *(stop.end() for stop in stops if stop["blank"]))
    capitals = any(_next_word(text, begin)[:1].isupper() for begin in begins)
    shouting = text.isupper()
    return [stop.end() for stop in stops if _ends(stop, capitals=capitals, shouting=shouting)]


def sentence_finder(splitter: Splitter, language: str) -> Ends:
    """Return a function like `sentence_ends`: that one, or sentencex's for a language, "" if unknown.

    Raises UserError if sentencex, the package for some 300 languages, is not installed.
    """
    if splitter == "rules":
        return sentence_ends
    try:
        from sentencex import get_sentence_boundaries
    except ImportError as error:
        raise UserError(
            f"{splitter} needs the extra sentences ({error}); install it with: pip install sentencex"
        ) from None

    def ends(text: str) -> list[int]:
        found = {boundary["end_index"] for boundary in get_sentence_boundaries(language, text)}
        return sorted(end for end in found if 0 < end < len(text))

    return ends


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; joined, they are the text."""
    return [text[begin:end] for begin, end in pairwise([0, *sentence_ends(text), len(text)])]


def count_sentences(text: str, ends: Ends = sentence_ends) -> int:
    """Return the number of sentences of a text, at least one."""
    return len(ends(text.strip())) + 1


def _ends(stop: re.Match[str], *, capitals: bool, shouting: bool) -> bool:
    text, narrow, after = stop.string, stop["narrow"], _next_word(stop.string, stop.end())
    if narrow is None:
        return True
    if not after or (after[0].islower() and capitals):
        return False
    word = _WORD.search(text, max(0, stop.start() - 40), stop.start())
    before = word[0] if word else ""
    if not stop["blank"] and not _two_words(before, narrow, after, shouting=shouting):
        return False
    if narrow != ".":
        return True
    if _NUMERAL.fullmatch(before):
        listed = text[max(0, stop.start() - 60) : stop.start() - len(before)].rstrip()[-1:] in ".!?…:;"
        return after.lower() in _BEGINNERS and not listed
    last = before.rpartition(".")[2].lower()
    if _INITIALS.fullmatch(before) or last in _ABBREVIATIONS:
        return False
    return not (after[0].isdecimal() and last in _BEFORE_NUMBER)


def _two_words(before: str, narrow: str, after: str, *, shouting: bool) -> bool:
    """Return whether a stop without white space after it is between the words of two sentences."""
    if not before or _NO_WORDS.search(before):
        return False
    if shouting:
        return after.isupper() and len(after) > 1
    if narrow == "." and before[-1].isupper():  # "ASP.Net"
        return False
    return after[0].isupper() and (len(after) == 1 or after[1:].islower())


def _next_word(text: str, begin: int) -> str:
    """Return the next word after opening quotes, brackets and dashes, or its first character; "" for none."""
    found = _NEXT.match(text, begin, begin + 200)
    return found["word"] or found["other"] if found else ""
