"""nmt translate --format html: one document in, the same document translated out."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from nmt.decoding.options import TranslationOptions
from nmt.files import replace_text


def translate_document(
    options: TranslationOptions, lines: Iterable[str], name: str, output: Path | None
) -> None:
    """Translate the text of an HTML document, given as its lines, into a new file or standard output.

    name: what the document is called in a UserError.
    """
    from nmt.builders.engine import open_translator
    from nmt.data.lines import in_memory
    from nmt.markup.document import Document

    document = Document.of("".join(f"{line}\n" for line in in_memory(lines, name)))
    translator = open_translator(replace(options, protect=True))  # which keeps elements such as code whole
    text = document.join(translator.translations(document.lines, details=True))
    if output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:
        replace_text(output, text)
