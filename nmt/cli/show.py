"""nmt show: a few translations with their references, and the attention of one."""

from typing import Annotated

import typer

from nmt.cli.arguments import MOST, Beam, Device, Model, Overrides


def show(
    model: Model,
    overrides: Overrides = None,
    split: Annotated[str, typer.Option(help="split of the run's data: train, validation or test")] = "test",
    count: Annotated[
        int, typer.Option(min=1, max=MOST, help="number of sentences, spread evenly over the split")
    ] = 5,
    beam: Beam = None,
    device: Device = "auto",
) -> None:
    """Show some translations of the run's data with their references, and draw the attention of one."""
    from itertools import islice

    from nmt.builders.engine import open_translator
    from nmt.decoding.options import TranslationOptions
    from nmt.evaluation.alignment import draw
    from nmt.workflows.score import held_out_with_tags, run_experiment

    experiment = run_experiment(model, overrides or (), ["decoding.beam"] if beam else [])
    pairs, tags = held_out_with_tags(experiment, split)
    options = TranslationOptions(models=(model,), tag=tags[0] if tags else "", beam=beam, device=device)
    translator = open_translator(options, experiment)
    chosen = list(islice(range(0, len(pairs), max(1, len(pairs) // count)), count))
    translations = [
        found
        for i in chosen
        for found in translator.with_tag(tags[i]).translations([pairs[i].src], details=True)
    ]
    for i, translation in zip(chosen, translations, strict=True):
        source = f"{tags[i]} {pairs[i].src}" if tags[i] else pairs[i].src
        print(f"\nsource       {source}\nreference    {pairs[i].trg}\ntranslation  {translation.text}")
    parts = [part for each in translations for part in each.ranked[0].parts if part.trg_words]
    if parts:
        longest = max(
            (part for part in parts if len(part.src_words) <= 16),
            key=lambda p: len(p.src_words),
            default=parts[0],
        )
        print("\nattention (rows: output, columns: source)\n")
        print(draw(longest.weights, longest.src_words, longest.trg_words))
