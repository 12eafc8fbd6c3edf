"""nmt.workflows.calibrate: every word of a translation is judged by the reference of its line."""

from pathlib import Path

import numpy as np

from nmt.runtime import load
from nmt.workflows.calibrate import judge_words


def test_each_word_is_judged(exported: Path) -> None:
    translator = load(exported)
    sources = ["der Hund läuft schnell.", "", "über die Straße"]
    found = translator.translations(sources, details=True)
    words = [each.text.split() for each in found]
    references = [words[0][0], "x", " ".join(words[2][::-1])]
    log_probs, right = judge_words(translator, sources, references)
    parts = [part for each in found for part in each.ranked[0].parts]
    np.testing.assert_allclose(np.exp(log_probs), [value for part in parts for value in part.confidence])
    assert right.tolist() == [True] + [False] * (len(words[0]) - 1) + [True] * len(words[2])
