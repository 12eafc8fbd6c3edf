"""Where the sentences of a text end, by a few rules for many scripts."""

import re
from itertools import pairwise

_WIDE = "。！？｡।॥؟۔။។"  # no space need stand behind these
_OPENERS = "\"'“”„‚‘’«»‹›(\\[{¿¡「『（【《〈–—―•-"
_STOP = re.compile(
    r"(?<![.!?…])(?P<narrow>[.!?…]++)(?:[\"'”’“‘»«›‹)\]}]|\s»)*\s+"
    rf"|[{_WIDE}][{_WIDE}.!?…]*[\"'”’»›)\]}}」』）】》〉]*\s*"
)
_WORD = re.compile(rf"[^\s{_OPENERS}]*$")
_NEXT = re.compile(rf"[\s{_OPENERS}]*(\S?)")

# After these a stop ends no sentence, ...
_ABBREVIATIONS = frozenset(
    # titles and names
    "mr mrs ms mx messrs dr drs prof rev hon st ste mt gen col capt cpt lt sgt maj cmdr gov sen rep pres fr "
    "hr frl dipl ing jur phil rer nat med mme mlle mgr sr sra srta dña sig dott avv dhr mevr "
    # the rest
    "vs viz approx dept bzw ca vgl evtl ggf inkl exkl zzgl bspw sog geb gest allg insb jh jhd hrsg aufl "
    "cf env bijv np tzn tj např".split()
)
# ... and after these none where a number follows.
_BEFORE_NUMBER = frozenset(
    "no nos nr núm est art arts fig figs abb tab kap vol bd p pp s ss sec sect ch chap eq par abs op "
    "jan feb mar apr jun jul aug sep sept oct okt nov dec dez".split()
)
# "1." of "1. Januar", "XIV." of "Ludwig XIV. starb", "z." of "z. B.", "e.g."
_ORDINAL_OR_INITIALS = re.compile(r"\d{1,2}|[IVX]{2,5}|[^\W\d_](?:\.[^\W\d_]+)*")


def sentence_ends(text: str) -> list[int]:
    """Return where in the text a sentence has ended and another begins, white space behind the end included.

    A stop (. ! ? …) ends a sentence where white space and no lower-case letter follow, and it belongs to no
    abbreviation, initial or ordinal; closing quotes and brackets belong to what they close. 。！？ and the
    stops of Arabic, Devanagari, Khmer and Burmese end one in any case. Where no stop of a text is followed by
    a capital letter, nor the text begins with one, a sentence may begin with a small one.
    """
    stops = [stop for stop in _STOP.finditer(text) if stop.end() < len(text)]
    capitals = any(_first(text, begin).isupper() for begin in (0, *(stop.end() for stop in stops)))
    return [stop.end() for stop in stops if _ends(stop, capitals=capitals)]


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, which together are the text."""
    return [text[begin:end] for begin, end in pairwise([0, *sentence_ends(text), len(text)])]


def count_sentences(text: str) -> int:
    """Return how many sentences a text has; a blank one has one too."""
    return len(sentence_ends(text.strip())) + 1


def _ends(stop: re.Match[str], *, capitals: bool) -> bool:
    text, narrow, first = stop.string, stop["narrow"], _first(stop.string, stop.end())
    if narrow is None:
        return True
    if not first or (first.islower() and capitals):
        return False
    if narrow != ".":
        return True
    word = _WORD.search(text, max(0, stop.start() - 40), stop.start())
    before = word[0] if word else ""
    if _ORDINAL_OR_INITIALS.fullmatch(before) or before.lower() in _ABBREVIATIONS:
        return False
    return not (first.isdigit() and before.lower() in _BEFORE_NUMBER)


def _first(text: str, begin: int) -> str:
    """Return the character there behind quotes, brackets and dashes that open; "" for none."""
    found = _NEXT.match(text, begin)
    return found[1] if found else ""
