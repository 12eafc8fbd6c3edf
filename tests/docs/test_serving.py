"""The requests of docs/serving.md, at a server of their own."""

import json
import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/serving.md"
BLOCKS = re.findall(
    r"```bash\n(curl .*?)```(?:\n\n```json\n(.*?)```)?", PAGE.read_text(encoding="utf-8"), re.S
)


@pytest.mark.slow
def test_every_request_gets_the_answer_on_the_page(served: str) -> None:
    assert len(BLOCKS) >= 3
    for commands, expected in BLOCKS:
        for command in commands.replace("localhost:5000", served).splitlines():
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
            answer = json.loads(done.stdout)
            assert "error" not in answer, command
            assert not expected or answer == json.loads(expected), command
