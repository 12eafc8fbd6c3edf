"""CONTRIBUTING.md: each worked diff applies, and its tests pass with it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DIFFS = re.findall(r"<!-- (tests/[^>]+) -->\n```diff\n(.*?)```", PAGE, re.S)


def test_every_diff_is_short_and_says_its_tests() -> None:
    assert len(DIFFS) == PAGE.count("```diff")
    assert all(diff.count("\n") < 60 for _, diff in DIFFS)


@pytest.mark.slow
@pytest.mark.parametrize(("tests", "diff"), DIFFS, ids=[tests.split()[0] for tests, _ in DIFFS])
def test_the_diff_applies_and_its_tests_pass(tests: str, diff: str, tmp_path: Path) -> None:
    for name in ("nmt", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    (tmp_path / "diff").write_text(diff, encoding="utf-8")
    # Outside of any repository, whose folders git would otherwise look for.
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent), "PYTHONPATH": str(tmp_path)}
    subprocess.run(["git", "apply", "diff"], cwd=tmp_path, env=alone, check=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *shlex.split(tests)]
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
