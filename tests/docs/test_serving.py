"""What docs/serving.md tells people to run, at servers of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hosting import hosting
from serving import MODELS, ask, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

TEXT = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(curl .*?)```(?:\n\n```json\n(.*?)```)?", TEXT, re.S)
ASKED = {"q": "Wie spät ist es?", "source": "de", "target": "en"}


def block(holds: str) -> str:
    """The block of the page that holds a text."""
    (found,) = [each for each in re.findall(r"^```\w*\n(.*?)^```$", TEXT, re.S | re.M) if holds in each]
    return str(found)


def test_every_request_gets_the_answer_on_the_page(served: str) -> None:
    assert len(BLOCKS) >= 3
    for commands, expected in BLOCKS:
        for command in commands.replace("localhost:5000", served).splitlines():
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
            answer = json.loads(done.stdout)
            assert "error" not in answer, command
            assert not expected or answer == json.loads(expected), command


def test_a_page_of_another_origin_may_ask_only_where_it_is_allowed(
    served: str, tmp_path: Path, tab: "Page"
) -> None:
    ask_it = """async ([address, asked]) => {
      const headers = { "Content-Type": "application/json" };
      const options = { method: "POST", headers, body: JSON.stringify(asked) };
      return fetch(`${address}/translate`, options).then((answer) => answer.json(), () => "refused");
    }"""
    (tmp_path / "index.html").write_text("<!doctype html>", encoding="utf-8")
    with hosting(tmp_path) as other:
        tab.goto(other)
        assert tab.evaluate(ask_it, [served, ASKED]) == "refused"
        with serving(*MODELS, "--allow-origin", other) as (address, _):
            assert tab.evaluate(ask_it, [address, ASKED]) == {"translatedText": "How late is it?"}
            assert "q: expected" in tab.evaluate(ask_it, [address, {**ASKED, "q": 5}])["error"]


def test_the_services_command_serves() -> None:
    unit = block("[Service]")
    (command,) = re.findall(r"^ExecStart=/opt/nmt/bin/nmt serve (.*)$", unit, re.M)
    with serving(*command.split()) as (address, _):
        assert ask(f"{address}/translate", ASKED) == (200, {"translatedText": "How late is it?"})


def test_the_service_is_one_that_systemd_knows(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd-analyze on PATH")
    path = tmp_path / "nmt.service"
    path.write_text(block("[Service]").replace("/opt/nmt/bin/nmt", sys.executable), encoding="utf-8")
    done = subprocess.run([verify, "verify", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
