"""The same as `nmt score`."""

from nmt.cli import main

main("score")
