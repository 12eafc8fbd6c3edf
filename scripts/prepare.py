"""The same as `nmt prepare`."""

from nmt.cli import main

if __name__ == "__main__":
    main("prepare")
