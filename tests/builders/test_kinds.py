"""nmt.builders.kinds: what each kind of model says of itself."""

import shlex
from pathlib import Path

import pytest

from nmt.builders.kinds import KINDS_OF_MODEL


@pytest.mark.parametrize("name", ["my run", "it's", "$HOME", "-a;b"])
@pytest.mark.parametrize("kind", KINDS_OF_MODEL, ids=lambda kind: kind.configs[0].__name__)
def test_what_can_be_typed_next_holds_the_folder_as_one_word(kind, name: str) -> None:  # type: ignore[no-untyped-def]
    folder = Path("runs") / name
    words = shlex.split(kind.next(folder).replace("<", " "))
    models = [words[i + 1] for i, word in enumerate(words) if word == "--model"]
    assert models == [str(folder)] * words.count("nmt")
    assert models
