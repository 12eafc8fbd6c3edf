import subprocess
import sys

import nmt


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import nmt, sys; print([m for m in ('torch', 'pydantic', 'datasets', 'wandb') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_the_version_has_three_numbers() -> None:
    assert len([int(part) for part in nmt.__version__.split(".")]) == 3
