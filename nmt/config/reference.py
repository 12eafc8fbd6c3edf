"""The reference of all configuration keys as Markdown, generated from the sections.

To write it: python -m nmt.config.reference > docs/configuration.md
"""

import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from nmt.config.experiment import Experiment
from nmt.config.loading import members, sections
from nmt.config.section import Section

_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "null"}
_BOUNDS = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}


def reference() -> str:
    """Return the page: one heading for each section, one row for each key."""
    lines = [
        "# Configuration",
        "",
        "This page is generated from the configuration sections. "
        "Every key can be set on the command line too: `--set training.max_updates=500`.",
        "`…` in a heading means every place where the section can be used.",
    ]
    places: dict[type[Section], list[str]] = {}
    for path, section in _walk(Experiment, ""):
        places.setdefault(section, []).append(path)
    for section, paths in places.items():
        lines += ["", *_section(paths[0] if len(paths) == 1 else _shared(paths[0]), section)]
    return "\n".join(lines) + "\n"


def _walk(section: type[Section], path: str) -> Iterator[tuple[str, type[Section]]]:
    yield path, section
    for name, field in section.model_fields.items():
        for inner in sections(field):
            yield from _walk(inner, f"{path}.{name}" if path else name)


def _shared(path: str) -> str:
    return f"….{path.rpartition('.')[2]}"


def _section(path: str, section: type[Section]) -> Iterator[str]:
    kind = section.model_fields.get("kind")
    title = f"`{path}`" if path else "The file"
    yield f"## {title}" + (f", kind `{get_args(kind.annotation)[0]}`" if kind and _one_kind(kind) else "")
    yield ""
    yield (section.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
    rows = [
        _row(name, field) for name, field in section.model_fields.items() if not _is_own_kind(name, field)
    ]
    if rows:
        yield ""
        yield "| key | value | default | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from rows


def _one_kind(field: FieldInfo) -> bool:
    return len(get_args(field.annotation)) == 1


def _is_own_kind(name: str, field: FieldInfo) -> bool:
    return name == "kind" and _one_kind(field)


def _row(name: str, field: FieldInfo) -> str:
    cells = [f"`{name}`", _value(field), _default(field), field.description or ""]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _value(field: FieldInfo) -> str:
    kinds = members(field)
    if kinds:
        return "kind " + ", ".join(f"`{kind}`" for kind in kinds)
    limits = " and ".join(
        f"{sign} {getattr(bound, type(bound).__name__.lower())}"
        for bound in field.metadata
        for kind, sign in _BOUNDS.items()
        if isinstance(bound, kind)
    )
    return _type(field.annotation) + (f" {limits}" if limits else "")


def _type(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type(argument) for argument in arguments)
    if origin in (tuple, list):
        return "list of " + _type(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "a section"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))  # type: ignore[call-overload, no-any-return]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        kind = getattr(value, "kind", None)
        return f"`{kind}`" if kind else "as below"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    print(reference(), end="")
