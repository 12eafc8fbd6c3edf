"""CONTRIBUTING.md: the attention that it adds by a diff keeps every contract."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_attention_of_the_diff_keeps_the_contracts(tmp_path: Path) -> None:
    for name in ("nmt", "tests/contracts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    _, rest = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```diff\n")
    (tmp_path / "diff").write_text(rest.split("```")[0], encoding="utf-8")
    # Outside of any repository, whose folders git would otherwise look for.
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent), "PYTHONPATH": str(tmp_path)}
    subprocess.run(["git", "apply", "diff"], cwd=tmp_path, env=alone, check=True)

    contracts = "tests/contracts/test_decoder_contracts.py"
    pytest_there = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    chosen = [contracts, "-k", "cosine and not ship and not gradcheck and not recorded"]
    done = subprocess.run([*pytest_there, *chosen], cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
