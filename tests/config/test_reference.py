"""nmt.config.reference: the page is what the sections say, and leaves no key out."""

from pathlib import Path

from nmt.config.experiment import Experiment
from nmt.config.loading import sections
from nmt.config.reference import reference
from nmt.config.section import Section

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def every_section(section: type[Section]) -> set[type[Section]]:
    inner = {one for field in section.model_fields.values() for one in sections(field)}
    return {section}.union(*map(every_section, inner))


def test_the_page_in_docs_is_the_present_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "docs/configuration.md is out of date; run: python -m nmt.config.reference > docs/configuration.md"
    )


def test_every_key_has_a_row() -> None:
    page = reference()
    for section in every_section(Experiment):
        rows = [name for name in section.model_fields if f"| `{name}` |" not in page]
        assert rows in ([], ["kind"]), section
