from dataclasses import replace

from nmt.evaluation.buckets import Faults
from nmt.report.buckets import bucket_tables, fault_letters
from reporting import PAIRS, report, system

RIGHT = [pair.trg for pair in PAIRS]
WRONG = ["the dog the dog", "", "wir essen Brot"]


def test_a_column_is_a_system() -> None:
    found = report(system("a", WRONG), system("b", RIGHT), outputs=[[WRONG], [RIGHT]])
    tables = {grid.caption: grid for grid in bucket_tables(found)}
    faults = tables["Outputs with a fault"]
    assert list(faults.columns) == ["fault", "a: sentences", "b: sentences"]
    assert [row[1:] for row in faults.rows] == [["1", "0"], ["1", "0"], ["1", "0"], ["1", "0"]]
    lengths = tables["By length of the source, in words"]
    assert list(lengths.columns)[2:] == ["a: BLEU", "b: BLEU", "a: length ratio", "b: length ratio"]
    assert lengths.rows[0][:2] == ["all", "3"]
    assert lengths.rows[0][3] == "100.0"
    frequent = tables["By frequency of a target word in training"]
    assert frequent.rows[3][:2] == ["5–9", "3"]


def test_without_the_training_text_there_are_no_frequencies() -> None:
    found = report(system("a", RIGHT))
    without = found.text._replace(training_pairs=0)
    captions = [grid.caption for grid in bucket_tables(replace(found, text=without))]
    assert captions == [
        "By length of the source, in words",
        "Outputs with a fault",
        "By length of the output",
    ]


def test_a_sentence_has_the_letters_of_all_its_faults() -> None:
    assert fault_letters(Faults([0], [2], [2, 3], [])) == {0: "e", 2: "cr", 3: "r"}
