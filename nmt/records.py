"""Small JSON objects in files, whose every field is checked: they may be a stranger's. Needs no pydantic."""

import json
import math
from collections.abc import Sequence
from typing import NoReturn, TypeVar

Choice = TypeVar("Choice")


def parse_json(data: bytes) -> object:
    """Return the value of a JSON text; raises ValueError for anything else.

    NaN, infinity and halves of surrogate pairs are refused: JSON has none of them.
    """
    try:
        text = data.decode()
        value: object = json.loads(text, parse_constant=_no_number)
        if "\\u" in text:  # only an escape can spell half a pair
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("Invalid JSON: half of a surrogate pair") from None
    except RecursionError:
        raise ValueError("Invalid JSON: recursion limit exceeded") from None
    except ValueError as error:
        raise ValueError(f"Invalid JSON: {error}") from None
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


class Record:
    """The fields of a JSON object, each read once and checked.

    A field without a default is required. Raises ValueError "FIELD: what was expected".
    """

    def __init__(self, data: bytes) -> None:
        try:
            content = parse_json(data)
        except ValueError as error:
            raise ValueError(f"content: {error}") from None
        if not isinstance(content, dict):
            raise ValueError("content: Input should be an object")
        self._fields: dict[str, object] = content

    def whole(self, key: str, default: int | None = None, *, least: int, most: int | None = None) -> int:
        """Return a whole number from `least` to `most`."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{key}: Input should be a valid integer")
        if value < least:
            raise ValueError(f"{key}: Input should be greater than or equal to {least}")
        if most is not None and value > most:
            raise ValueError(f"{key}: Input should be less than or equal to {most}")
        return value

    def number(
        self, key: str, default: float | None = None, *, least: float, below: float = math.inf
    ) -> float:
        """Return a finite number that is smaller than `below`."""
        value = self._take(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"{key}: Input should be a valid number")
        number = _finite(value)
        if number is None:
            raise ValueError(f"{key}: Input should be a finite number")
        if number < least:
            raise ValueError(f"{key}: Input should be greater than or equal to {least:g}")
        if number >= below:
            raise ValueError(f"{key}: Input should be less than {below:g}")
        return number

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise ValueError(f"{key}: Input should be a valid boolean")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise ValueError(f"{key}: Input should be a valid string")
        return value

    def choice(self, key: str, choices: Sequence[Choice], default: Choice | None = None) -> Choice:
        """Return one of a few values."""
        value = self._take(key, default)
        for each in choices:
            if type(value) is type(each) and value == each:
                return each
        *some, last = map(repr, choices)
        expected = f"{', '.join(some)} or {last}" if some else last
        raise ValueError(f"{key}: Input should be {expected}")

    def pairs(self, key: str, *, most: int) -> list[tuple[float, float]]:
        """Return at most so many pairs of finite numbers; none at all without the field."""
        value = self._take(key, [])
        found = [_pair(each) for each in value] if isinstance(value, list) else [None]
        pairs = [pair for pair in found if pair is not None]
        if len(pairs) < len(found):
            raise ValueError(f"{key}: Input should be a list of pairs of finite numbers")
        if len(pairs) > most:
            raise ValueError(f"{key}: List should have at most {most} items, not {len(pairs)}")
        return pairs

    def rows(self, key: str, *, width: int, most: int) -> list[tuple[str, ...]]:
        """Return at most so many rows of `width` texts each; none at all without the field."""
        value = self._take(key, [])
        found = [_texts(each, width) for each in value] if isinstance(value, list) else [None]
        rows = [row for row in found if row is not None]
        if len(rows) < len(found):
            raise ValueError(f"{key}: Input should be a list of rows of {width} texts")
        if len(rows) > most:
            raise ValueError(f"{key}: List should have at most {most} items, not {len(rows)}")
        return rows

    def end(self) -> None:
        """Raise ValueError if a field is left that nobody read."""
        for key in self._fields:
            shown = key if key.isascii() and key.isprintable() else ascii(key)
            raise ValueError(f"{shown[:60]}: Extra inputs are not permitted")

    def _take(self, key: str, default: object) -> object:
        value = self._fields.pop(key, default)
        if value is None:
            raise ValueError(f"{key}: Field required")
        return value


def _finite(value: object) -> float | None:
    """Return a value that is a finite number, None for any other."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _texts(value: object, width: int) -> tuple[str, ...] | None:
    if not isinstance(value, list) or len(value) != width:
        return None
    texts = tuple(each for each in value if isinstance(each, str))
    return texts if len(texts) == width else None


def _pair(value: object) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    first, second = map(_finite, value)
    return None if first is None or second is None else (first, second)
