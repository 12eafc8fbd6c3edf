import re

from nmt.report.tables import latex_table, markdown_table
from reporting import PAIRS, report, system

RIGHT = [pair.trg for pair in PAIRS]
WRONG = ["the dog", "the cat sleeps", "bread"]


def test_a_row_is_a_system_with_its_mean_over_seeds_and_p() -> None:
    found = report(system("first", WRONG, RIGHT), system("se|cond", RIGHT), outputs=[[WRONG, RIGHT], [RIGHT]])
    lines = markdown_table(found).splitlines()
    assert lines[0] == "| system | runs | BLEU | chrF2 | p |"
    assert re.fullmatch(r"\| first \| 2 \| [\d.]+ ± [\d.]+ \| [\d.]+ ± [\d.]+ \| – \|", lines[2])
    assert re.fullmatch(r"\| se\\\|cond \| 1 \| 100.0 \| 100.0 \| (0\.\d{3}|≤ 0\.001|1\.000) \|", lines[3])
    caption = lines[5]
    assert caption.startswith("corpus test de→en, 3 sentences. Scores are cased")
    assert "Mean ± standard deviation over the seeds." in caption
    assert "se|cond has one run, whose luck of the seed p ignores" in caption
    assert lines[7].startswith("BLEU: `nrefs:1|case:mixed")
    assert "bootstrap:2000|over:seeds+sentences" in lines[9]


def test_one_system_has_no_p() -> None:
    text = markdown_table(report(system("only", RIGHT)))
    assert text.splitlines()[0] == "| system | runs | BLEU | chrF2 |"
    assert "bootstrap:" not in text
    assert "p:" not in latex_table(report(system("only", RIGHT)))


def test_latex_escapes_what_it_would_read() -> None:
    found = report(system("a_1 & 50 % {x}", WRONG), system("b\\^~#$", RIGHT), outputs=[[WRONG], [RIGHT]])
    text = latex_table(found)
    assert r"a\_1 \& 50 \% \{x\} & 1 &" in text
    assert r"b\textbackslash{}\textasciicircum{}\textasciitilde{}\#\$ & 1 &" in text
    assert r"de$\rightarrow$en" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert r"\caption{" in text
