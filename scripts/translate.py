"""The same as `nmt translate`."""

from nmt.cli import main

if __name__ == "__main__":
    main("translate")
