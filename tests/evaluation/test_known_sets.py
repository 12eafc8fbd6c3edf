"""nmt.evaluation.known_sets: sacreBLEU's test sets, out of its cache."""

from pathlib import Path

import pytest
import sacrebleu

from nmt.errors import UserError
from nmt.evaluation.known_sets import known_set


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of sacreBLEU's with a small multi30k/2016, and nothing to be downloaded."""
    dataset = sacrebleu.DATASETS["multi30k/2016"]
    monkeypatch.setattr(dataset, "_outdir", str(tmp_path))
    monkeypatch.setattr(dataset, "_rawdir", str(tmp_path / "raw"))
    monkeypatch.setattr(dataset, "data", [(tmp_path / "nowhere.zip").as_uri()])
    for field, text in (("src", "A dog.\n"), ("ref", "Ein Hund.\n")):
        (tmp_path / f"multi30k_2016.en-de.{field}").write_text(text, encoding="utf-8")
    return tmp_path


def test_its_files_are_those_of_the_cache(cache: Path) -> None:
    found = known_set("multi30k/2016", "en-de")
    assert found.src.read_text(encoding="utf-8") == "A dog.\n"
    assert [path.read_text(encoding="utf-8") for path in found.refs] == ["Ein Hund.\n"]


@pytest.mark.parametrize(
    ("name", "pair", "message"),
    [
        ("multi30k/2061", "en-de", "knows no such test set; did you mean multi30k/201. or multi30k"),
        ("tatoeba", "en-de", "knows no such test set; "),
        ("multi30k/2016", "de-en", "--langpair de-en: multi30k/2016 has no such pair; expected one of en-fr"),
        ("multi30k/2016", "en-fr", "its files for en-fr are not in .* and cannot be downloaded"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    cache: Path, name: str, pair: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=message) as error:
        known_set(name, pair)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_download_with_another_checksum_is_refused(cache: Path) -> None:
    (cache / "nowhere.zip").write_bytes(b"not the archive")
    with pytest.raises(UserError, match="what came is not the file that sacreBLEU expects"):
        known_set("multi30k/2016", "en-fr")
