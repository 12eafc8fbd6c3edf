"""nmt serve: a translator for other programs, and a page, over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.arguments import MOST, MOST_THREADS, Beam

ModelsOfPairs = Annotated[
    list[Path],
    typer.Option(
        "--model",
        metavar="MODEL",
        help="run, exported model, one that ships, such as de-en, or hf://USER/REPOSITORY@REVISION; give one "
        "for each pair of languages",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="address to listen at; 0.0.0.0: every network")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="port; 0: a free one")]
Workers = Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="processes, each with one CPU thread")]
CharLimit = Annotated[int, typer.Option(min=1, max=MOST, help="most characters of a request")]
BatchLimit = Annotated[int, typer.Option(min=1, max=MOST, help="most texts of a request")]
BodyLimit = Annotated[int, typer.Option(min=1, max=MOST, help="most bytes of a request")]
ReqLimit = Annotated[
    int | None,
    typer.Option(min=1, max=MOST, help="most requests a minute of one client address; default: any number"),
]
QueueLimit = Annotated[int, typer.Option(min=1, max=MOST, help="most lines that may wait for a worker")]
ConnectionLimit = Annotated[int, typer.Option(min=1, max=MOST, help="most open connections of a worker")]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN", help="origin whose pages may ask, such as https://a.org; *: all; repeatable"
    ),
]
Proxy = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS", help="proxy that is believed when it says whose request it passes on; repeatable"
    ),
]


def serve(
    model: ModelsOfPairs,
    host: Host = "127.0.0.1",
    port: Port = 5000,
    workers: Workers = 1,
    beam: Beam = None,
    char_limit: CharLimit = 5_000,
    batch_limit: BatchLimit = 100,
    body_limit: BodyLimit = 1_000_000,
    req_limit: ReqLimit = None,
    queue_limit: QueueLimit = 2_000,
    connection_limit: ConnectionLimit = 500,
    allow_origin: AllowOrigin = None,
    proxy: Proxy = None,
) -> None:
    """Translate for other programs in LibreTranslate's REST form, and on a page in the browser.

    Only this machine is answered unless --host says otherwise. SIGTERM stops it after the requests that it
    took.
    """
    from nmt.server.run import serve
    from nmt.server.settings import Limits, Settings

    limits = Limits(
        characters=char_limit,
        texts=batch_limit,
        body=body_limit,
        requests=req_limit,
        lines=queue_limit,
        connections=connection_limit,
    )
    serve(
        Settings(
            models=tuple(model),
            host=host,
            port=port,
            workers=workers,
            beam=beam,
            limits=limits,
            origins=tuple(allow_origin or ()),
            proxies=tuple(proxy or ()),
        )
    )
