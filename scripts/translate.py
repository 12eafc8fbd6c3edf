"""The same as `nmt translate`."""

from nmt.cli import main

main("translate")
