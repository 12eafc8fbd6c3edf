"""Test sets by sacreBLEU's names, such as wmt14/full: from its cache, or downloaded as it does."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from nmt.errors import UserError


class KnownSet(NamedTuple):
    """The text files of a test set in sacreBLEU's cache: sources, and one or several references."""

    src: Path
    refs: list[Path]


def known_set(name: str, langpair: str) -> KnownSet:
    """Return the files of a test set; langpair: such as de-en.

    sacreBLEU keeps them in ~/.sacrebleu, or in the folder that the variable SACREBLEU names, and downloads
    what is not there. Raises UserError for an unknown name or pair, or where the files cannot be had.
    """
    from sacrebleu import DATASETS

    if name not in DATASETS:
        close = " or ".join(get_close_matches(name, DATASETS, n=3))
        instead = f"did you mean {close}?" if close else "sacrebleu --list shows all"
        raise UserError(f"--test-set {name}: sacreBLEU knows no such test set; {instead}")
    found = DATASETS[name]
    if langpair not in found.langpairs:
        raise UserError(
            f"--langpair {langpair}: {name} has no such pair; expected one of {', '.join(found.langpairs)}"
        )
    with _quiet():
        try:
            src: str = found.get_source_file(langpair)  # type: ignore[no-untyped-call]
            refs: list[str] = found.get_reference_files(langpair)  # type: ignore[no-untyped-call]
            return KnownSet(Path(src), [*map(Path, refs)])
        except SystemExit:
            why = "what came is not the file that sacreBLEU expects, remove it"
        except Exception as error:  # of downloading, unpacking and reading several formats
            why = " ".join(str(error).split())
    get = f"sacrebleu -t {name} -l {langpair} --echo src"
    raise UserError(
        f"--test-set {name}: its files for {langpair} are not in {found._outdir}, and cannot be downloaded "
        f"({why}); connect to the network, or copy that folder from where {get} works"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep sacreBLEU from writing lines of its own about an error."""
    log = logging.getLogger("sacrebleu")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
