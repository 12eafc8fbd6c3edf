"""The same as `nmt train`."""

from nmt.cli import main

main("train")
