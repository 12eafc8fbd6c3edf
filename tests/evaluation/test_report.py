from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.evaluation.metrics import CASED, LOWERCASED, form_of, tag_of
from nmt.evaluation.report import BEGIN, END, load_results, table, table_is_current, update_tables
from nmt.results import Decoding, Machine, Result, Score, Training, Versions, write_result


def result(name: str, bleu: float, signature: str = "case:mixed|version:2.6.0") -> Result:
    return Result(
        name=name,
        date=datetime(2026, 11, 20, tzinfo=UTC),
        dataset="multi30k",
        split="test",
        sentences=1000,
        scores=(
            Score(metric="BLEU", form=LOWERCASED, score=99.0, signature="case:lc"),
            Score(metric="BLEU", form=CASED, score=bleu, signature=signature),
        ),
        versions=Versions(python="3.11.7"),
    )


FULL = result("multi30k-de-en", 37.25).model_copy(
    update={
        "src": "de",
        "trg": "en",
        "decoding": Decoding(settings={"beam": 5}, sentences_per_second=81.5),
        "training": Training(updates=9000, epochs=11.5, wall_minutes=43.12, cpu_minutes=85.0),
        "parameters": 12_540_000,
        "seed": 0,
        "commit": "0123456789abcdef0123456789abcdef01234567-dirty",
        "machine": Machine(device="cpu", description="Some | CPU, 2 cores", threads=2),
    }
)


def test_a_folder_that_is_not_there_is_no_empty_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: expected the folder of the experiments"):
        load_results(tmp_path / "nowhere")


def test_scores_stand_in_the_place_of_the_validation_that_a_training_wrote(tmp_path: Path) -> None:
    validation = result("a", 20.0).model_copy(update={"split": "validation"})
    for name, at_end, scored in (("a", validation, {}), ("b", validation, {"-x": 30.0, "-y": 31.0})):
        (tmp_path / name).mkdir()
        write_result(tmp_path / name / "result.json", at_end)
        for ending, bleu in scored.items():
            write_result(tmp_path / name / f"result{ending}.json", result("b", bleu))
    (tmp_path / "c").mkdir()
    write_result(tmp_path / "c" / "result.json", result("c", 40.0))
    write_result(tmp_path / "c" / "result-validation.json", validation)
    found = [each.scores[1].score for results in load_results(tmp_path).values() for each in results]
    assert found == [20.0, 30.0, 31.0, 40.0, 20.0]


def test_a_row_shows_what_is_known() -> None:
    lines = table([FULL]).split("\n")
    assert lines[2] == (
        "| multi30k-de-en | multi30k test de→en | 37.2 | - | 5 | 12.5 M | 9,000 | 43.1 (85.0) "
        "| Some \\| CPU, 2 cores, 2 threads | 82 | 0 | `0123456-dirty` |"
    )
    assert lines[-1] == "BLEU: `case:mixed|version:2.6.0`"


def test_what_is_unknown_is_a_hyphen() -> None:
    row = table([result("scored", 20.0)]).split("\n")[2]
    assert row == "| scored | multi30k test | 20.0 | - | - | - | - | - | - | - | - | - |"


def test_every_row_has_as_many_cells() -> None:
    for results in ([], [FULL], [FULL, result("b", 1.0)]):
        rows = [line.replace("\\|", "") for line in table(results).split("\n") if line.startswith("|")]
        assert {row.count("|") for row in rows} == {13}


def test_signatures_that_differ_are_marked() -> None:
    text = table([result("a", 1.0), result("b", 2.0, "case:lc"), result("c", 3.0)])
    assert "| a | multi30k test | 1.0¹ |" in text
    assert "| b | multi30k test | 2.0² |" in text
    assert "| c | multi30k test | 3.0¹ |" in text
    assert "BLEU¹: `case:mixed|version:2.6.0`  \nBLEU²: `case:lc`" in text


def test_other_tasks_have_a_table_of_their_own() -> None:
    labels = FULL.model_copy(
        update={
            "name": "tags",
            "src": None,
            "trg": None,
            "scores": tuple(
                Score(metric=metric, form="", score=score, signature="")
                for metric, score in [("accuracy", 98.765), ("macro-F1", 50.0), ("F1", 1.0)]
            ),
        }
    )
    text = table([labels, FULL])
    assert text.startswith(table([FULL]) + "\n\n| experiment | test set | scores |")
    assert "| tags | multi30k test | accuracy 98.77, macro-F1 50.00 | 12.5 M | 9,000 |" in text


def test_a_model_of_several_languages_has_a_row_for_each_tag() -> None:
    scores = [
        Score(metric="BLEU", form=form_of(tag, form, several=True), score=score, signature="case:mixed")
        for tag, first in (("<2de>", 30.0), ("<2en>", 40.0))
        for form, score in ((CASED, first), (LOWERCASED, first + 1))
    ]
    lines = table([FULL.model_copy(update={"name": "both", "scores": tuple(scores)})]).split("\n")
    assert [line.split(" | ")[0::2][:2] for line in lines[2:4]] == [
        ["| both `<2de>`", "30.0"],
        ["| both `<2en>`", "40.0"],
    ]
    assert [tag_of(form_of(tag, CASED, several=True)) for tag in ("<2de>", "")] == [
        ("<2de>", CASED),
        ("no tag", CASED),
    ]
    assert tag_of(form_of("", CASED, several=False)) == ("", CASED)


def test_no_results_are_said_to_be_none() -> None:
    assert table([]).split("\n")[2].startswith("| *no results yet* |")


def test_results_are_loaded_in_the_order_of_their_folders(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        write_result(tmp_path / name / "result.json", result(name, 1.0))
    (tmp_path / "unfinished").mkdir()
    found = load_results(tmp_path)
    assert list(found) == [tmp_path / "a", tmp_path / "b"]
    assert [loaded.name for each in found.values() for loaded in each] == ["a", "b"]


def test_only_the_part_between_the_markers_changes(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter — ü\n", encoding="utf-8")
    found = {tmp_path / "experiments" / "one [x]": [FULL]}
    assert not table_is_current(path, found)
    assert update_tables([path], found) == [True]
    linked = FULL.model_copy(update={"name": f"[{FULL.name}](experiments/one%20%5Bx%5D)"})
    assert path.read_text(encoding="utf-8") == f"# Before\n\n{BEGIN}\n{table([linked])}\n{END}\n\nAfter — ü\n"
    assert table_is_current(path, found)
    assert update_tables([path], found) == [False]
    assert not table_is_current(path, {})


def test_a_name_leads_to_its_folder_from_wherever_the_table_stands(tmp_path: Path) -> None:
    path = tmp_path / "experiments" / "a" / "README.md"
    path.parent.mkdir(parents=True)
    path.write_text(f"{BEGIN}\n{END}")
    named = FULL.model_copy(update={"name": "a]b"})
    update_tables([path], {tmp_path / "experiments" / "b": [named]})
    assert "| [a\\]b](../b) |" in path.read_text()


def test_a_row_leads_to_the_report_on_it_or_on_the_runs_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    for name in ("all/one", "all/two", "other/one"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "all" / "two" / "report.html").touch()
    (tmp_path / "all" / "report.html").touch()
    named = {
        tmp_path / name: [FULL.model_copy(update={"name": name})]
        for name in ("all/one", "all/two", "other/one")
    }
    update_tables([path], named)
    text = path.read_text(encoding="utf-8")
    assert "| [all/one](all/one) ([report](all/report.html)) |" in text
    assert "| [all/two](all/two) ([report](all/two/report.html)) |" in text
    assert "| [other/one](other/one) |" in text


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"])
def test_markers_must_stand_once_and_in_order(tmp_path: Path, text: str) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(UserError, match=r"README\.md: expected one line"):
        update_tables([path], {})
    assert path.read_text() == text


def test_all_files_are_updated_or_none_and_a_link_stays_one(tmp_path: Path) -> None:
    page, link = tmp_path / "page.md", tmp_path / "link.md"
    page.write_text(f"{BEGIN}\n{END}")
    page.chmod(0o600)
    link.symlink_to("page.md")
    with pytest.raises(UserError, match=r"none\.md: cannot be read"):
        update_tables([page, tmp_path / "none.md"], {tmp_path: [FULL]})
    assert page.read_text() == f"{BEGIN}\n{END}"
    assert update_tables([link], {tmp_path: [FULL]}) == [True]
    assert link.is_symlink()
    assert f"[{FULL.name}](.)" in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"README\.md: cannot be read"):
        update_tables([tmp_path / "README.md"], [])


def test_the_command_checks_without_writing(
    tmp_path: Path, command: Callable[..., tuple[object, str, str]]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"a\n{BEGIN}\nold\n{END}\n", encoding="utf-8")
    (tmp_path / "experiments").mkdir()
    update = ("report", page, "--results", tmp_path / "experiments")
    code, out, _ = command(*update, "--check")
    assert (code, "old" in page.read_text(encoding="utf-8")) == (1, True)
    assert "page.md: differs" in out
    assert command(*update)[0] == 0
    assert command(*update, "--check")[0] == 0
