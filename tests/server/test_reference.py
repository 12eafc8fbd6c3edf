from urllib.request import urlopen

import pytest

from serving import ask

pytestmark = pytest.mark.slow


def test_openapi_knows_every_address_and_field(served: str) -> None:
    status, found = ask(f"{served}/openapi.json")
    assert status == 200
    paths = found["paths"]
    assert isinstance(paths, dict)
    assert {"/translate", "/languages", "/health", "/frontend/settings", "/metrics"} <= {*paths}
    schema = paths["/translate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {*schema["properties"]} == {"q", "source", "target", "format", "alternatives", "details"}
    assert schema["required"] == ["q", "source", "target"]


def test_the_page_for_people_loads_nothing_from_elsewhere(served: str) -> None:
    with urlopen(f"{served}/docs") as answer:
        text = answer.read().decode()
    assert "<code>POST /translate</code>" in text
    assert "a text or a list of texts" in text
    assert "//" not in text.replace("<!doctype", "")
