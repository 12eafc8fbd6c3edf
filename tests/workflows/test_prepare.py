"""nmt.workflows.prepare: a training does without what the library `datasets` keeps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.config import Experiment
from nmt.errors import UserError
from nmt.workflows.prepare import prepare_data, prepare_in_subprocess

pytestmark = pytest.mark.slow

APART = """
import sys
from nmt.workflows.prepare import prepare_in_subprocess
from nmt.config import Experiment

print(prepare_in_subprocess(Experiment.model_validate_json(sys.stdin.read()), print).summary())
assert "datasets" not in sys.modules
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split, count in (("train", 20), ("validation", 3), ("test", 3)):
        rows = [{"de": f"Satz {split} {i}", "en": f"sentence {split} {i}"} for i in range(count)]
        (corpus / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"dataset": str(corpus), "src": "de", "trg": "en", "tokenizer": {"kind": "word"}}
    return Experiment.model_validate(
        {"name": "apart", "data": {**data, "prepared": str(tmp_path / "prepared")}}
    )


def test_datasets_is_loaded_by_a_process_that_ends(experiment: Experiment, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", APART], input=experiment.model_dump_json(), capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    heard: list[str] = []
    (apart,) = (tmp_path / "prepared").iterdir()
    assert (apart / "tokenizer").is_dir()
    here = experiment.data.model_copy(update={"prepared": str(tmp_path / "here")})
    prepare_data(experiment.model_copy(update={"data": here}), heard.append)
    assert found.stdout.splitlines()[: len(heard)] == heard  # told while it happens


def test_what_is_wrong_with_a_dataset_is_told(experiment: Experiment) -> None:
    wrong = experiment.model_copy(update={"data": experiment.data.model_copy(update={"trg": "fr"})})
    with pytest.raises(UserError, match=r"^data\.trg: fr: no such column in split train"):
        prepare_in_subprocess(wrong, print)
