"""nmt.markup.document: every tag of a document comes out, closed and in its place."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html

import nmt.runtime
from nmt.decoding.translation import Ranked, Translation
from nmt.evaluation.alignment import Detail
from nmt.markup.document import Document
from nmt.markup.html import segments


def reversing(line: str, seed: int = 0) -> Translation:
    """The words of a line the other way round, in capitals, with attention that is right for most."""
    words = line.split()
    target = [word if word.startswith("{") else word.upper() for word in reversed(words)]
    chance = np.random.default_rng(seed)
    weights = np.eye(len(words))[::-1] + (chance.random((len(words), len(words))) if seed else 0)
    detail = Detail(words, target, weights, True, True, [], [], [1.0] * len(words))
    return Translation([Ranked(" ".join(target), 0.0, [detail])])


def translated(text: str, seed: int = 0) -> str:
    document = Document.of(text)
    return document.join([reversing(line, seed) for line in document.lines])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("a b", "B A"),
        ("<p>a <b>b</b> c</p>", "<p>C <b>B</b> A</p>"),
        ("<p>\n a\n <b>b</b> </p>", "<p>\n <b>B</b> A </p>"),
        ("a <b>b <i>c</i></b>", "<b><i>C</i> B</b> A"),
        ('<a href="x?a=1&amp;b" CLASS=y>a</a>', '<a href="x?a=1&amp;b" CLASS=y>A</a>'),
        ("<b>a</b>. <i>b</i>", "<i>B</i> <b>A</b>."),
        ("a &lt; &amp; &quot;b&quot;", '"B" &amp; &lt; A'),
        ("a<br>b", "A<br>B"),
        ("a b <img src=x> c", "C B <img src=x> A"),
        ("a <!-- b <p> --> c", "C A <!-- b <p> -->"),
        ("<script>if (a < b) c</script>", "<script>if (a < b) c</script>"),
        ("<pre>a b</pre><style>a b</style>", "<pre>a b</pre><style>a b</style>"),
        ("a <code>b c</code> d", "D <code>b c</code> A"),
        ('a <b translate="no">b</b> {0}', '{0} <b translate="no">b</b> A'),
        (
            '<div class="x notranslate">a <div>b</div> c</div>d',
            '<div class="x notranslate">a <div>b</div> c</div>D',
        ),
        ("a <b>b <p>c", "A <b>B <p>C"),
        ("<b>a <i>b</b> c</i>", "<b>A <i>B</b> C</i>"),
        ("a < b", "B &lt; A"),
        ("<ul><li>a b<li>c d</ul>", "<ul><li>B A<li>D C</ul>"),
        ("<!DOCTYPE html><title>a b</title>", "<!DOCTYPE html><title>B A</title>"),
        ("1 <b></b> 2", "2 1 <b></b>"),
        ("a <b>", "A <b>"),
        ("<b", "&lt;B"),
    ],
)
def test_tags_go_with_their_words(text: str, expected: str) -> None:
    assert translated(text) == expected


KINDS = ("start", "end", "void", "kept")
NAMES = ("b", "i", "a", "em", "p", "div", "li", "code", "span")
WORDS = st.lists(st.sampled_from(["eins", "zwei.", "(drei)", "&amp;", "ä\u00a0ö", " ", "\n"])).map(" ".join)
TREES = st.recursive(
    st.one_of(WORDS, st.sampled_from(["<br/>", "<img src='a>b'/>", "<!-- <b> -->"])),
    lambda inner: st.tuples(st.sampled_from(NAMES), st.lists(inner, max_size=4)).map(
        lambda of: f'<{of[0]} class="c">{"".join(of[1])}</{of[0]}>'
    ),
    max_leaves=25,
)


@given(st.lists(TREES, max_size=5).map("".join), st.integers(0, 99))
def test_what_comes_out_is_well_formed_and_has_the_same_tags(text: str, seed: int) -> None:
    before, after = (etree.fromstring(f"<r>{each}</r>") for each in (text, translated(text, seed)))
    assert _tags(after) == _tags(before)
    kept = [etree.tostring(each, with_tail=False) for each in before.iter("code")]
    found = Counter(etree.tostring(each, with_tail=False) for each in after.iter("code"))
    assert found == Counter(kept)


def _tags(tree: etree._Element) -> Counter[tuple[object, tuple[tuple[str, str], ...]]]:
    return Counter((each.tag, tuple(each.attrib.items())) for each in tree.iter())


@given(st.text(alphabet="<>/ab!-\"'= &;#\n\x00ß0"), st.integers(0, 99))
def test_whatever_it_is_every_tag_comes_out(text: str, seed: int) -> None:
    found = translated(text, seed)
    count = {kind: sum(each.kind == kind for part in segments(text) for each in part) for kind in KINDS}
    assert count == {
        kind: sum(each.kind == kind for part in segments(found) for each in part) for kind in KINDS
    }


def test_what_has_nothing_to_translate_is_as_it_was() -> None:
    text = "\n<p>  </p> <b> </b>—&nbsp;<hr> {0} <code>x y</code>"
    assert Document.of(text.replace("{0}", "")).lines == []
    assert translated(text.replace("{0}", "")) == text.replace("{0}", "")


def test_a_model_translates_a_page() -> None:
    translator = nmt.runtime.load("de-en")
    page = "<p>Der <b>Hund</b> schläft.</p><p>Drück <kbd>Strg C</kbd>, dann geh nach Hause!</p>"
    document = Document.of(page)
    found = document.join(translator.translations(document.lines, details=True))
    assert "<p>The <b>dog</b> is sleeping.</p>" in found
    assert [each.text for each in lxml_html.fromstring(f"<div>{found}</div>").iter("kbd")] == ["Strg C"]


def test_a_large_document_takes_time_in_proportion() -> None:
    words = " ".join(random.Random(1).choices(["<b>a</b>", "<i>b</i>", "c"], k=300))
    assert translated(f"<p>{words}</p>" * 3).count("<b>") == 3 * words.count("<b>")
