"""From a YAML file and `--set` overrides to a validated experiment, and back."""

import difflib
import json
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from nmt.config.experiment import Experiment
from nmt.config.section import Section
from nmt.errors import UserError
from nmt.files import read_regular

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import Node

LARGEST = 200_000  # bytes of a configuration, and values in it with aliases expanded

SHOWN = 20  # mistakes that are listed

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "string_pattern_mismatch": "letters, digits, dots, hyphens and underscores, the first no dot or hyphen",
}


def load_experiment(path: Path, overrides: Sequence[str] = (), *, within: Path | None = None) -> Experiment:
    """Return the experiment in a YAML 1.2 file, after applying each override `a.b=value` in order.

    An override's value is YAML too: `--set training.max_minutes=null`,
    `--set 'model.decoder.attention={kind: additive}'`. within: a folder that no link may lead out of.
    Raises UserError with one line for each mistake: file and position or key, what was found and expected.
    """
    tree = read_tree(path, within=within)
    keys = [_override(tree, override) for override in overrides]
    try:
        # Strict JSON: true is not 1, '5' is not 5, but a list may be a tuple.
        content = json.dumps(tree, default=str)
    except ValueError as error:
        raise UserError(f"{path}: not a configuration: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: not a configuration: nested too deeply") from None
    try:
        return Experiment.model_validate_json(content, strict=True)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        lines = [_line(error, str(path), keys) for error in errors[:SHOWN]]
        if len(errors) > SHOWN:
            lines.append(f"{path}: and {len(errors) - SHOWN:,} further mistakes")
        raise UserError(*lines) from None


def read_tree(path: Path, *, within: Path | None = None) -> dict[str, object]:
    """Return the keys of a YAML 1.2 file as they stand there; raises UserError where it has none.

    within: a folder that no link may lead out of.
    """
    try:
        text = read_regular(path, LARGEST, within=within).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot read the configuration: {error.strerror}") from None
    tree = _parse(text, str(path))
    if not isinstance(tree, dict):
        found = "an empty file" if tree is None else _show(tree)
        raise UserError(f"{path}: expected a mapping such as 'name: demo', found {found}")
    return tree


def dump_experiment(experiment: Experiment) -> str:
    """Return the experiment as complete YAML that `load_experiment` reads back to an equal object."""
    return dump_tree(experiment.model_dump())


def dump_tree(tree: Mapping[str, object]) -> str:
    """Return a configuration, as sections of plain values, as YAML."""
    import io

    stream, yaml = io.StringIO(), _yaml()
    # ruamel would write U+0085 raw and read it back as a line break.
    yaml.allow_unicode = "\x85" not in json.dumps(tree, ensure_ascii=False)
    yaml.dump(tree, stream)
    return stream.getvalue()


def changed_keys(old: Experiment, new: Experiment) -> list[tuple[str, object, object]]:
    """Return (dotted key, old value, new value) for each difference of two experiments, in file order.

    A key that only one of them has, such as one of another kind of attention, is None in the other.
    """
    before, after = flat(old.model_dump()), flat(new.model_dump())
    pairs = [(key, before.get(key), after.get(key)) for key in before | after]
    return [(key, was, now) for key, was, now in pairs if was != now]


def is_of_one_run(key: str) -> bool:
    """Say whether runs of one configuration may differ in a dotted key: seed, name, and where things lie."""
    return f"{key}.".startswith(("seed.", "name.", "tracking.", "data.prepared."))


def keys_of_model(experiment: Experiment) -> dict[str, object]:
    """Return value by dotted key of all that says how a trained model computes, as JSON holds it.

    Files of word vectors are only where a training began.
    """
    model = experiment.model.model_dump(mode="json", exclude={"embeddings"})
    data = {"normalize": experiment.data.normalize, "continuous": experiment.data.continuous}
    return flat({"model": model, "data": data})


def flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return the values of nested mappings by dotted key; a list of mappings has its places as keys."""
    leaves: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, list | tuple) and value and all(isinstance(each, dict) for each in value):
            value = {str(place): each for place, each in enumerate(value)}
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return leaves


def _yaml() -> "YAML":
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 2**16
    return yaml


def _parse(text: str, origin: str) -> object:
    from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning

    warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML allows it
    try:
        if "*" in text and _size(_yaml().compose(text), {}) > LARGEST:
            raise UserError(
                f"{origin}: more than {LARGEST:,} values, each alias counted with its full content; use fewer"
            )
        return _text_keys(_yaml().load(text))
    except UserError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise UserError(f"{origin}{where}: not valid YAML: {' '.join(problem.split())}") from None
    except RecursionError:
        raise UserError(f"{origin}: not a configuration: nested too deeply, or an alias of itself") from None
    except Exception as error:  # of several kinds: `!!bool x` is a KeyError, "\\UFFFFFFFF" an OverflowError
        raise UserError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


def _size(node: "Node | None", known: dict[int, int]) -> int:
    """Return the number of values of a YAML node with aliases expanded.

    known: counts of earlier nodes, by id. Raises RecursionError for a node inside itself.
    """
    if node is None or isinstance(node.value, str):
        return 1
    if id(node) not in known:
        parts = (item if isinstance(item, tuple) else (item,) for item in node.value)
        known[id(node)] = 1 + sum(_size(each, known) for each in chain.from_iterable(parts))
    return known[id(node)]


def _text_keys(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value


def _override(tree: dict[str, object], override: str) -> str:
    """Set one `a.b=value` in the tree and return its key."""
    key, equals, text = override.partition("=")
    key = key.strip()
    parts = key.split(".")
    if not equals or not all(parts):
        raise UserError(f"--set {override}: expected KEY=VALUE such as training.max_updates=100")
    value = _parse(text, f"--set {key}")
    node, opened = tree, []
    for depth, part in enumerate(parts[:-1], start=1):
        if node.get(part) is None:
            node[part] = {}
        child = node[part]
        if isinstance(child, list):  # whose places are its keys, such as data.corpora.0
            places = {str(place): each for place, each in enumerate(child)}
            opened.append((node, part, places))
            child = places
        if part == "cell" and isinstance(child, str):  # a bare name stands for its kind
            child = node[part] = {"kind": child}
        if not isinstance(child, dict):
            raise UserError(f"--set {key}: {'.'.join(parts[:depth])} is {_show(child)}, which has no keys")
        node = child
    node[parts[-1]] = value
    for holder, part, places in reversed(opened):
        holder[part] = list(places.values())
    return key


def _line(error: "ErrorDetails", file: str, overrides: Sequence[str]) -> str:
    """Return one of pydantic's errors as one line."""
    key, section, kind = _locate(error["loc"])
    from_override = any(f"{key}.".startswith(f"{override}.") for override in overrides)
    origin = "--set" if from_override else file
    start = f"{origin}: {key}: " if key else f"{origin}: "
    found, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden" if section is not None:
            return start + _unknown_key(key, section, kind, overrides)
        case "missing":
            return f"{start}missing; expected a value, found none"
        case "union_tag_invalid":
            return (
                f"{start}kind {_show(context['tag'])} is unknown; expected one of {context['expected_tags']}"
            )
        case "union_tag_not_found" if section is not None:
            kinds = members(section.model_fields[key.rpartition(".")[2]])
            missing = f"kind is missing; expected one of {', '.join(map(repr, kinds))}"
            if any(override.startswith(f"{key}.") for override in overrides):
                return f"--set: {key}: {missing}; set the whole: --set '{key}={{kind: …, …}}'"
            return start + missing
        case "value_error":
            return start + str(context["error"])
        case "json_invalid":
            problem = "holds text that is not Unicode, such as half of a surrogate pair"
            return f"{start}{problem}, or lists nested too deeply"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{start}expected a mapping of keys, found {_show(found)}"
        case "string_too_long":
            return f"{start}expected at most {context['max_length']:,} characters, found {len(found):,}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            limit = error["msg"].removeprefix("Input should be ")
            return f"{start}expected a number {limit}, found {_show(found)}"
        case other:
            expected = _EXPECTED.get(other, error["msg"].removeprefix("Input should be "))
            return f"{start}expected {expected}, found {_show(found)}"


def _locate(loc: tuple[int | str, ...]) -> tuple[str, type[Section] | None, str | None]:
    """Return the dotted key at pydantic's location, the section that holds it and that section's kind.

    Pydantic inserts the kind chosen in a union into the location; it is not part of the key.
    """
    parts: list[str] = []
    here: type[Section] | None = Experiment
    kind: str | None = None
    holder, holder_kind = here, kind
    chosen: dict[str, type[Section]] = {}
    for step in map(str, loc):
        if step in chosen:
            here, kind, chosen = chosen[step], step, {}
            continue
        parts.append(step)
        if step.isdecimal():  # a place in a list of sections
            continue
        holder, holder_kind = here, kind
        field = here.model_fields.get(step) if here else None
        chosen = members(field)
        here, kind = (None if chosen or not field else next(iter(sections(field)), None)), None
    return ".".join(parts), holder, holder_kind


def sections(field: FieldInfo) -> list[type[Section]]:
    """Return the sections that a field may hold."""
    annotation = field.annotation
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    options = tuple(get_args(o)[0] if get_origin(o) in (Annotated, tuple) else o for o in options)
    return [option for option in options if isinstance(option, type) and issubclass(option, Section)]


def members(field: FieldInfo | None) -> dict[str, type[Section]]:
    """Return the sections of a field with a `kind`, by kind; empty for any other field."""
    found = sections(field) if field else []
    if len(found) < 2:
        return {}
    return {kind: section for section in found for kind in get_args(section.model_fields["kind"].annotation)}


def _unknown_key(key: str, section: type[Section], kind: str | None, overrides: Sequence[str]) -> str:
    parent, dot, name = key.rpartition(".")
    start = f"unknown key of kind {kind}" if kind else "unknown key"
    if f"{parent}.kind" in overrides:
        # The file's other keys belong to its old kind; dropping them silently would hide a mistake.
        return f"{start}; to change the kind, set the whole: --set '{parent}={{kind: {kind}}}'"
    nearest = difflib.get_close_matches(name, section.model_fields, n=1)
    if nearest:
        return f"{start}; did you mean {parent}{dot}{nearest[0]}?"
    paths = dict.fromkeys(_paths(Experiment))
    elsewhere = [path for path in paths if path != key and path.rpartition(".")[2] == name]
    if elsewhere:
        return f"{start}; did you mean {' or '.join(elsewhere)}?"
    return f"{start}; expected one of {', '.join(section.model_fields)}"


def _paths(section: type[Section], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        for inner in sections(field):
            yield from _paths(inner, f"{prefix}{name}.")


def _show(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
