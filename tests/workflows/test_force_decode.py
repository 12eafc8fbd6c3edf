"""nmt.workflows.force_decode: log-probabilities as lines that any reader of JSON takes."""

import json
from math import inf
from pathlib import Path

from nmt.decoding.translator import Forced
from nmt.tokenization.tokenizer import load_tokenizers
from nmt.workflows.force_decode import forced_line


def test_the_logarithm_of_0_is_null(tiny_run: Path) -> None:
    tokenizer = load_tokenizers(tiny_run / "tokenizer")[1]
    line = forced_line(Forced([5, 6], [-0.5, -inf]), tokenizer)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(line, parse_constant=refuse)
    assert found["log_prob"] is None
    assert found["log_probs"] == [-0.5, None]
