"""The same as `nmt score`."""

from nmt.cli import main

if __name__ == "__main__":
    main("score")
