"""Translate a large file on Ray: a pool of actors, on one machine or a cluster, each with its own model.

    nmt export RUN --to MODEL
    python scripts/translate_ray.py MODEL INPUT OUTPUT --actors 8

Needs the extra `ray`. The output is byte for byte that of `nmt translate --model MODEL --threads 1`, and
--resume continues it. On a cluster (RAY_ADDRESS) every machine must see MODEL and INPUT under the same path.
"""

import argparse
import logging
import os
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from nmt import runtime
from nmt.cli.streams import one_way_out
from nmt.data.lines import decode_lines, read_lines
from nmt.errors import UserError
from nmt.jobs.blocks import BLOCK
from nmt.jobs.output import already_there, open_output


class Translation:
    """An actor: a model that translates one block of a file at a time, on one thread."""

    def __init__(self, model: str, file: str) -> None:
        self.file, self.translator = file, runtime.load(model, threads=1)

    def __call__(self, block: dict[str, Any]) -> dict[str, str]:
        """Return the text of the block from byte `start` to `end`."""
        with open(self.file, "rb") as file:
            file.seek(block["start"])
            text = file.read(block["end"] - block["start"])
        # A byte order mark counts at the start of the file only, so another line goes before any other block.
        ahead = b"\n" if block["start"] else b""
        lines = [*decode_lines(BytesIO(ahead + text), self.file)][len(ahead) :]
        return {"text": "".join(f"{line}\n" for line in self.translator.translate(lines))}


def extents(path: Path) -> Iterator[dict[str, int]]:
    """Yield where each block of lines begins and ends, in bytes."""
    with path.open("rb") as file:
        start = 0
        while sizes := [len(line) for line in islice(file, BLOCK)]:
            yield {"start": start, "end": start + sum(sizes)}
            start += sum(sizes)


def translate(model: Path, source: Path, output: Path, *, actors: int, resume: bool) -> None:
    """Write the translation of a file, in order, as the blocks come; raises UserError as nmt translate."""
    if source.suffix == ".gz":
        raise UserError(f"{source}: each actor reads its own part; expected plain text, found .gz; unpack it")
    if os.path.lexists(output) and not resume:
        raise already_there(output)
    for _ in read_lines(source):  # a mistake in a line, or in the model, is told before anything is started
        pass
    runtime.load(model)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UserError("the package ray is not installed; pip install 'nmt[ray]'") from None

    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        if (room := int(ray.cluster_resources().get("CPU", 0))) < actors:
            raise UserError(f"--actors {actors}: Ray has {room} CPUs, one for each; give fewer")
        with open_output(output, resume=resume) as out:
            blocks = [*extents(source)][out.done // BLOCK :]
            for text in pool(model, source, blocks, actors):
                out.write(text)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"an actor was lost ({reason}); --resume continues {output}") from None
    finally:
        ray.shutdown()


def pool(model: Path, source: Path, blocks: list[dict[str, int]], actors: int) -> Iterator[str]:
    """Yield the text of each block, in order."""
    import ray

    if not blocks:
        return
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    parts = ray.data.from_items(blocks, override_num_blocks=min(len(blocks), 64 * actors))
    found = parts.map(
        Translation,
        # A name, such as de-en, is no path.
        fn_constructor_args=(str(model.resolve() if model.exists() else model), str(source.resolve())),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
    )
    for row in found.iter_rows():
        yield row["text"]


def main() -> None:
    """Read the command line and translate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder that nmt export wrote")
    parser.add_argument("input", type=Path, help="a text file, one line a sentence")
    parser.add_argument("output", type=Path, help="a new file")
    parser.add_argument("--actors", type=int, default=1, help="number of actors, each with a CPU")
    parser.add_argument("--resume", action="store_true", help="continue the output if it exists")
    given = parser.parse_args()
    if given.actors < 1:
        raise UserError(f"--actors {given.actors}: expected 1 or more")
    translate(given.model, given.input, given.output, actors=given.actors, resume=given.resume)


if __name__ == "__main__":
    with one_way_out():
        main()
