"""nmt.runtime needs onnxruntime, numpy and sentencepiece, and nothing else; nmt translate no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.runtime import load

pytestmark = pytest.mark.slow
ALONE = """
import sys

class Refuse:
    # What onnxruntime itself asks for, and does without or with, is its own affair.
    allowed = {*sys.stdlib_module_names, "numpy", "sentencepiece", "onnxruntime", "nmt"}
    of_onnxruntime = {"flatbuffers", "google", "packaging", "sympy", "coloredlogs"}

    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in self.allowed | self.of_onnxruntime:
            raise ModuleNotFoundError(f"{name} is refused", name=name)

sys.meta_path.insert(0, Refuse())

import json
import nmt.runtime

translator = nmt.runtime.load(sys.argv[1], n_best=2)
found = translator.translations(json.loads(sys.argv[2]), details=True)
print(json.dumps([[each.text, len(each.ranked), len(each.links())] for each in found]))
assert not {"torch", "pydantic", "onnx", "safetensors"} & sys.modules.keys()
"""
LINES = ["der Hund läuft schnell.", "", "über die Straße"]


def test_runtime_translates_without_any_other_package(exported: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(exported), json.dumps(LINES)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = load(exported, n_best=2).translations(LINES, details=True)
    assert json.loads(done.stdout) == [[e.text, len(e.ranked), len(e.links())] for e in expected]


def test_the_command_loads_no_torch(exported: Path) -> None:
    program = (
        "import sys; from nmt.cli import make_app; "
        "make_app()(args=['translate', '--model', sys.argv[1]], standalone_mode=False); "
        "print({'torch', 'pydantic'} & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(exported)], input=LINES[0], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "set()\n")
    assert done.stdout == load(exported).translate(LINES[:1])[0] + "\n"
