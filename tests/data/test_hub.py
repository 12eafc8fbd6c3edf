"""A hub id without a network: quickly one line, or the copy from an earlier download."""

from pathlib import Path

import datasets
import huggingface_hub
import pytest

from nmt.data.hub import commit_of, load
from nmt.errors import UserError


@pytest.fixture(autouse=True)
def _no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    # Nothing listens there, whether or not this machine has a network.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")


def test_a_hub_id_says_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load("someone/parallel")
    message = str(error.value)
    assert "\n" not in message
    for part in ("someone/parallel", "http://127.0.0.1:9", str(tmp_path), "--set data.dataset=FOLDER"):
        assert part in message
    assert not datasets.config.HF_HUB_OFFLINE


def test_a_revision_that_cannot_be_checked_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.revision abc cannot be checked"):
        load("someone/parallel", revision="abc")


def test_offline_the_copy_of_an_earlier_download_is_taken(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"de": "a", "en": "b"}\n', "utf-8")
    datasets.load_dataset(str(tmp_path))
    (local,) = (tmp_path / "cache").glob("*/*/*/*/")
    # As the library names what it has downloaded: OWNER___NAME/CONFIG/VERSION/COMMIT.
    downloaded = tmp_path / "cache" / "someone___parallel" / "default" / "0.0.0" / "abc"
    downloaded.parent.mkdir(parents=True)
    local.rename(downloaded)
    for file in downloaded.glob("*.arrow"):
        file.rename(downloaded / f"parallel-{file.name.rsplit('-', 1)[1]}")
    info = downloaded / "dataset_info.json"
    info.write_text(info.read_text("utf-8").replace(local.parts[-4], "parallel"), "utf-8")

    assert load("someone/parallel")["train"][0] == {"de": "a", "en": "b"}


def test_a_stream_needs_the_hub_and_says_so() -> None:
    with pytest.raises(
        UserError, match=r"data\.streaming: tried someone/parallel at http.* cannot be reached"
    ):
        commit_of("someone/parallel", None)
    assert commit_of("someone/parallel", "0123456789" * 4) == "0123456789" * 4
