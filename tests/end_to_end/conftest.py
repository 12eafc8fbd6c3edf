"""Commands, as a person types them: all of them slow."""

from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slow")


@pytest.fixture
def here(tiny_run: Path, command: Callable[..., tuple[object, str, str]]) -> Callable[..., object]:
    """Runs `nmt translate` with the tiny run in this process; calling it gives the exit code."""
    return lambda *options: command("translate", "--model", tiny_run, *options)[0]
