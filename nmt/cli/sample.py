"""nmt sample: new sequences of a language model."""

from typing import Annotated

import typer

from nmt.cli.arguments import (
    MOST,
    MOST_BEAM,
    Device,
    Model,
    Seed,
    Temperature,
    Threads,
    TopK,
    TopP,
    check_sampling,
    given,
    use_threads,
)


def sample(
    context: typer.Context,
    model: Model,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="beginning of every sequence")] = "",
    count: Annotated[
        int, typer.Option("--n", min=1, max=MOST, help="number of sequences, one per line")
    ] = 10,
    seed: Seed = 1,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    top_p: TopP = 1.0,
    beam: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_BEAM, help="search the most probable sequences with this beam width instead"
        ),
    ] = None,
    n_best: Annotated[
        int, typer.Option(min=1, max=MOST_BEAM, help="with --beam: number of sequences, best first")
    ] = 1,
    lines: Annotated[
        int,
        typer.Option(
            min=1, max=MOST, help="lines per sequence, for a model of one long text; a blank line between"
        ),
    ] = 1,
    max_length: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="largest number of tokens after the prompt")
    ] = 1000,
    batch: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="sequences computed together; does not change them")
    ] = 64,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Write new sequences of a language model, one per line.

    Each continues the prompt until the model ends it. They are sampled; with --beam they are the sequences of
    at most --max-length tokens that a search finds most probable, their end included. Computed in float64, so
    that the batch does not change them.
    """
    import sys

    from nmt.errors import UserError

    if beam is None and n_best > 1:
        raise UserError(
            f"--n-best {n_best}: an option of searching; add --beam {n_best}, or sample with --n {n_best}"
        )
    if beam is not None and (
        of_sampling := given(context, "count", "lines", "batch", "seed", "temperature", "top_k", "top_p")
    ):
        raise UserError(f"{of_sampling}: an option of sampling, unused with --beam; give only one of them")
    if beam is not None and n_best > beam:
        raise UserError(f"a beam of {beam} cannot give the {n_best} best; set --beam {n_best} or more")
    check_sampling(context, temperature, top_p)
    use_threads(threads)
    import torch

    from nmt.builders.language_model import load_language_model
    from nmt.decoding.options import Sampling
    from nmt.workflows.sample import most_probable, samples

    trained = load_language_model(model, device=device, precision=torch.float64, prompt=prompt)
    if beam is not None:
        found = most_probable(trained, prompt=prompt, beam=beam, n_best=n_best, limit=max_length)
    else:
        sampling = Sampling(seed, temperature, top_k, top_p)
        found = samples(trained, sampling, count, prompt=prompt, lines=lines, limit=max_length, batch=batch)
    total = cut = 0
    for text, sampled in found:
        print(text, end="\n\n" if lines > 1 else "\n", flush=True)
        total, cut = total + 1, cut + (not sampled.ended)
    if cut:
        print(f"{cut} of {total} sequences were cut at --max-length {max_length}", file=sys.stderr)
