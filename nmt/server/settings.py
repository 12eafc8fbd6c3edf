"""What a server is told: which models, where it listens, and how much it takes."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a request, a client and all clients together may ask of one worker.

    characters: of all texts of a request. texts: of a request. body: bytes of a request. requests: a minute,
    of one client address; None for any number. lines: that may wait to be translated. connections: open at
    once.
    """

    characters: int = 5_000
    texts: int = 100
    body: int = 1_000_000
    requests: int | None = None
    lines: int = 2_000
    connections: int = 500


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server is told.

    origins: pages of other origins that may ask, "*" for all. proxies: addresses that are believed when they
    say whose request they pass on.
    """

    models: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1
    beam: int | None = None
    limits: Limits = field(default_factory=Limits)
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
