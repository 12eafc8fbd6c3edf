"""nmt sample: new sequences of a language model."""

from typing import Annotated

import typer

from nmt.cli.arguments import Device, Model, Threads, use_threads


def sample(
    model: Model,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="what every sequence begins with")] = "",
    count: Annotated[int, typer.Option("--n", min=1, help="sequences, one a line")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same sequences")] = 1,
    temperature: Annotated[
        float, typer.Option(min=0, help="below 1: the probable more often; 0: always the most probable")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(min=1, help="draw from the K most probable pieces")] = None,
    top_p: Annotated[
        float, typer.Option(help="draw from the fewest pieces that hold this share of probability")
    ] = 1.0,
    max_length: Annotated[int, typer.Option(min=1, help="pieces, the prompt's not counted")] = 1000,
    batch: Annotated[int, typer.Option(min=1, help="sequences at a time; changes none of them")] = 64,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Write new sequences of a language model, one a line.

    Each goes on from the prompt up to the end that the model gives it. Computed in float64, so that the batch
    changes nothing.
    """
    import sys

    from nmt.errors import UserError

    if not 0 < top_p <= 1:
        raise UserError(f"--top-p {top_p}: expected a share above 0 and up to 1")
    use_threads(threads)
    import torch

    from nmt.build.language_model import load_language_model, samples, sampling_settings

    trained = load_language_model(model, device=device, precision=torch.float64)
    settings = sampling_settings(trained, temperature=temperature, top_k=top_k, top_p=top_p, limit=max_length)
    cut = 0
    for text, sampled in samples(trained, settings, count, seed=seed, prompt=prompt, batch=batch):
        print(text, flush=True)
        cut += not sampled.ended
    if cut:
        print(f"{cut} of {count} sequences were cut at --max-length {max_length}", file=sys.stderr)
