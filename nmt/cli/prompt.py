"""nmt translate -i: a prompt that shows the n best translations, their word links and doubtful words."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.cli.arguments import MOST_BEAM
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.files import usable
from nmt.tokenization.vocabulary import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from nmt.evaluation.record import Candidate, TranslationRecord

USUAL = 3  # translations of a line
DOUBTFUL = 0.5  # a word of lower confidence is marked
HELP = f"""Type a sentence. Each translation has its score before it; nearer to 0 is better.
[Words in brackets] have a confidence below {DOUBTFUL:.0%}. Below the translations stand the word links of the
first one: source word → its word, and the confidence in it.
:n N           show up to N different translations
:swap          translate the other way, with the model that ships for it, or back again
:swap MODEL    the same with a model of yours: a run folder or what nmt export wrote
:to LANGUAGE   translate to another language, with a model of several
:help          these lines
:quit          end, as Ctrl-D and Ctrl-C do
A space before a line that begins with a colon makes it text."""


def converse(options: TranslationOptions) -> None:
    """Translate each line that a person types, or a pipe holds, until the input ends; obey its commands."""
    from rich.console import Console

    typed = sys.stdin is not None and sys.stdin.isatty()
    session = _Session(options, Console(highlight=False))
    if typed:
        session.say(f"{session.name}, {session.about}; :help shows commands, Ctrl-D ends")
    try:
        for line in _typed(lambda: f"{session.name}> ") if typed else _piped():
            if line.strip() == ":quit":
                break
            try:
                session.take(line)
            except UserError as problem:
                session.say(printable(f"nmt: {problem}"))
    except KeyboardInterrupt:
        session.say("")


def _typed(prompt: Callable[[], str]) -> Iterator[str]:
    """Yield what a person types, with a history on the arrow keys."""
    import readline  # noqa: F401, input() then uses it

    while True:
        try:
            line = input(prompt())
        except EOFError:
            print()
            return
        yield line.encode(errors="surrogateescape").decode(errors="replace")


def _piped() -> Iterator[str]:
    from nmt.data.lines import read_standard_input

    return read_standard_input()


class _Session:
    """The models at work, and those that :swap goes back to."""

    def __init__(self, options: TranslationOptions, console: "Console") -> None:
        self._console = console
        self._before: TranslationOptions | None = None
        self._open(options)

    def _open(self, options: TranslationOptions) -> None:
        from nmt.builders.engine import open_translator
        from nmt.runtime.bundle import find_model
        from nmt.runtime.manifest import Manifest

        self._translator, self._options = open_translator(options), options
        manifest = Manifest.load(find_model(options.models[0]))
        self._languages = (manifest.src, manifest.trg) if manifest and manifest.src and manifest.trg else None

    @property
    def name(self) -> str:
        """The languages, or the models where their languages are not known."""
        to = (self._options.to,) if self._options.to else ()
        return "→".join(self._languages or (" + ".join(model.name for model in self._options.models), *to))

    @property
    def about(self) -> str:
        """What the brackets mean with these models."""
        from nmt.evaluation.calibration import Curve

        curve = isinstance(self._translator.confidence, Curve)
        return "[doubtful words] in brackets" + ("" if curve else ", not calibrated (see nmt export)")

    def say(self, text: "str | Text") -> None:
        """Print a line as it is."""
        self._console.print(text, markup=False, soft_wrap=True)

    def take(self, line: str) -> None:
        """Translate a line, or do what it commands; raises UserError for what cannot be done."""
        command, _, value = line.rstrip().partition(" ")
        match command:
            case ":help":
                self.say(HELP)
            case ":n":
                self._show_more(value)
            case ":to":
                self._open(replace(self._options, to=value.strip() or None))
            case ":swap":
                self._swap(value.strip())
            case _ if command.startswith(":"):
                raise UserError(f"{command}: expected :n, :swap, :to, :help or :quit")
            case _ if line.strip():
                self._translate(line.strip())

    def _show_more(self, value: str) -> None:
        count = int(value) if value.strip().isdecimal() and len(value) < 9 else 0
        if not 1 <= count <= MOST_BEAM:
            raise UserError(f":n {value}: expected a number from 1 to {MOST_BEAM}, such as :n 5")
        self._open(replace(self._options, n_best=count))

    def _swap(self, model: str) -> None:
        now = self._options
        if model or self._before is None:
            other = Path(usable(model)) if model else self._shipped()
            alone = replace(now, lm=None, lm_weight=None, rerank=None, rerank_weight=None)
            self._open(replace(alone, models=(other,), to=None))
        else:
            self._open(replace(self._before, n_best=now.n_best))
        self._before = now
        self.say(f"now {self.name}")

    def _shipped(self) -> Path:
        from nmt.runtime.bundle import PRETRAINED

        src, trg = self._languages or ("", "")
        shipped = PRETRAINED / f"{trg}-{src}"
        if not (src and shipped.is_dir()):
            raise UserError(
                f":swap: no model that ships translates the other way of {self.name}; name one: :swap MODEL"
            )
        return shipped

    def _translate(self, line: str) -> None:
        from nmt.evaluation.record import translation_record

        (found,) = self._translator.translations([line], details=True)
        record = translation_record(line, found)
        candidates: list[Candidate] = [record, *record["alternatives"]]
        for rank, each in enumerate(candidates, 1):
            self.say(_row(rank, each))
        self.say(_links(record))
        if found.short:
            self.say("the translation is much shorter than its source; check whether text is missing")


def _row(rank: int, candidate: "Candidate") -> "Text":
    from rich.text import Text

    row = Text()
    row.append(f"{rank:2} {candidate['score']:7.2f} ", "dim")
    for word in candidate["words"]:
        row.append(" ")
        if word["confidence"] < DOUBTFUL:
            row.append(f"[{word['text']}]", "yellow")
        else:
            row.append(word["text"])
    return row


def _links(record: "TranslationRecord") -> "Text":
    from rich.text import Text

    links = [
        f"{record['source_words'][src]}→{word['text']} {word['confidence']:.0%}"
        for src, trg in record["alignment"]
        for word in [record["words"][trg]]
    ]
    return Text("           " + "  ".join(links), "dim")
