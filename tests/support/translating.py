"""How the tests of `nmt translate` start it, and a long input for it."""

import sys

TRANSLATE = [sys.executable, "-c", "from nmt.cli import main; main()", "translate", "--model"]
NUMBERED = b"".join(b"der Hund %d l\xc3\xa4uft%s\n" % (n, b" schnell" * (n % 4)) for n in range(1700))
