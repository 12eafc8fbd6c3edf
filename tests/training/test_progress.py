"""Plain lines in a file, a bar in a terminal."""

import io

from rich.console import Console

from nmt.training.progress import Progress

FIGURES = {"train/loss": 2.5, "train/trg_tokens_per_s": 12345.6}


def shown(*, terminal: bool) -> str:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=terminal, width=120, color_system=None)) as progress:
        progress.log("a [bold]word[/bold] " + "x" * 200)
        progress.show(20, 0.25, FIGURES)
        progress.validated(20, 1.5, {"bleu": 31.25, "loss": 2.0}, improved=True)
        progress.validated(30, 2.0, {"bleu": 30.0}, improved=False)
    return out.getvalue()


def test_in_a_file_there_are_lines_and_no_bar() -> None:
    assert shown(terminal=False).splitlines() == [
        "a [bold]word[/bold] " + "x" * 200,
        "update     20     1.5 min  bleu 31.250  loss 2.000  best",
        "update     30     2.0 min  bleu 30.000",
    ]


def test_in_a_terminal_there_is_a_bar_below_the_lines() -> None:
    text = shown(terminal=True)
    assert "25%  update 20  loss 2.500  12,346 tokens/s" in text
    assert "bleu 31.250" in text


def test_figures_without_a_loss_are_shown() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=True, width=120, color_system=None)) as progress:
        progress.show(20, 1.0, {"train/trg_tokens_per_s": 0.0})
    assert "loss nan" in out.getvalue()
