"""The base of every section of the configuration."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nmt.errors import UserError
from nmt.files import usable

# Every number has bounds that no person reaches: a config may come from a stranger.
Width = Annotated[int, Field(ge=1, le=65_536)]  # of a vector
Beam = Annotated[int, Field(ge=1, le=1_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Updates = Annotated[int, Field(ge=1, le=10**12)]
Count = Annotated[int, Field(ge=1, le=10**9)]


def _plain(text: str) -> str:
    if found := re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text):
        raise ValueError(f"expected text without line ends and control characters, found {found[0]!r} in it")
    return text


# Of a name that is shown to people: it may come from a stranger.
Name = Annotated[str, Field(max_length=1_000), AfterValidator(_plain)]


def _usable(name: str) -> str:
    if not name:
        raise ValueError("expected a path, found an empty one")
    try:
        return usable(name)
    except UserError as error:
        raise ValueError(str(error)) from None


# Of a file or folder; ~ is the home folder.
PathName = Annotated[str, AfterValidator(_usable), AfterValidator(_plain)]


class Section(BaseModel):
    """A frozen record whose unknown keys are errors; no number in it is NaN or infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())
