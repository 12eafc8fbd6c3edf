"""The same as `nmt prepare`."""

from nmt.cli import main

main("prepare")
