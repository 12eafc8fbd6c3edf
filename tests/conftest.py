"""What every test has in common."""

import os

import pytest

# Small products: a second thread costs more than it brings. The commands that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def _reproducible() -> None:
    import torch

    torch.manual_seed(0)
