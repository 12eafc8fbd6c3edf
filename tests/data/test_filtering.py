"""Every filter drops what it names, and nothing else."""

import hashlib

import numpy as np

from nmt.config.data import Filters
from nmt.data.corpus import Pair, Split
from nmt.data.filtering import Reason, Scan, by_length, by_text, counts, scan

TRAIN = [
    Pair("a", "b"),
    Pair("", "b"),
    Pair("a", " \t"),
    Pair("a", "b"),
    Pair("test", "pair"),
    Pair("validation", "pair"),
    Pair("both", "pair"),
    Pair("test", "pair"),
    Pair("test", "other"),
    Pair("a", "B"),
]
SCANS: dict[Split, Scan] = {
    "train": scan(TRAIN),
    "validation": scan([Pair("validation", "pair"), Pair("both", "pair"), Pair("", "b")]),
    "test": scan([Pair("test", "pair"), Pair("both", "pair")]),
}


def test_each_reason_by_text() -> None:
    reasons, overlap = by_text(SCANS, Filters(drop_duplicates=True))
    assert [Reason(reason).name for reason in reasons] == [
        "KEPT",
        "EMPTY",
        "EMPTY",
        "DUPLICATE",
        "IN_TEST",
        "IN_VALIDATION",
        "IN_TEST",
        "IN_TEST",
        "KEPT",
        "KEPT",
    ]
    assert overlap == {"test": 3, "validation": 1}
    assert counts(reasons) == {
        "empty": 2,
        "in_test": 3,
        "in_validation": 1,
        "duplicate": 1,
        "too_long": 0,
        "ratio": 0,
    }


def test_duplicates_and_overlap_stay_on_request() -> None:
    reasons, overlap = by_text(SCANS, Filters(drop_duplicates=False, drop_test_overlap=False))
    assert counts(reasons) == {name: 2 if name == "empty" else 0 for name in counts(reasons)}
    assert overlap == {"test": 3, "validation": 1}


def test_each_reason_by_length() -> None:
    src = np.array([10, 11, 1, 1, 4, 0], np.int32)
    trg = np.array([10, 1, 11, 4, 1, 0], np.int32)
    reasons = by_length(src, trg, Filters(max_length=10, max_ratio=3.5))
    assert [Reason(r).name for r in reasons] == ["KEPT", "TOO_LONG", "TOO_LONG", "RATIO", "RATIO", "KEPT"]
    assert not by_length(src, trg, Filters(max_length=11, max_ratio=11)).any()


def test_a_scan_tells_pairs_apart_and_hashes_the_text() -> None:
    shifted = scan([Pair("a\tb", "c"), Pair("a", "b\tc"), Pair("a\tb", "c")])
    assert shifted.hashes[0] == shifted.hashes[2] != shifted.hashes[1]
    assert len(shifted) == 3
    assert scan([Pair("ä", "b")]).sha256 == hashlib.sha256("ä\tb\n".encode()).hexdigest()
    assert len(scan([])) == 0
