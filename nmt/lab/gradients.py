"""Gradient through time: how much of the gradient of a final loss reaches the state k steps before.

∂loss_T/∂h_t is a product of T − t Jacobians, so it shrinks or grows exponentially (Hochreiter 1991; Bengio
et al. 1994; Pascanu et al. 2013). The cell is unrolled step by step, because a fused kernel returns no
gradient at earlier states.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from nmt.lab.cells import Reader, beside, mean_norms
from nmt.lab.memory import Budget, Learnt, fresh_reader, learn
from nmt.lab.page import Page, number
from nmt.lab.problems import AddingProblem, Examples, Problem
from nmt.training.tracking import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Norms(NamedTuple):
    """‖∂loss_T/∂y_T‖ at the output, and ‖∂loss_T/∂s_t‖ by lag T − t from 0, for each part s of the state."""

    output: float
    states: dict[str, list[float]]

    def ratio(self, state: str, lag: int) -> float:
        """Return the gradient at a state divided by that at the output; NaN if that is 0."""
        return self.states[state][lag] / self.output if self.output else math.nan


def state_gradients(reader: Reader, examples: Examples, problem: Problem) -> Norms:
    """Return the norms of the gradient at the output and at the state of every step, in float64.

    Each norm is over the hidden units of one sequence's loss; the mean over sequences is returned. The
    tensors of a state are separate: for an LSTM, ∂loss/∂h_t holds c_t fixed, and ∂loss/∂c_t holds h_t fixed.
    """
    reader = reader.double()
    states = unrolled(reader.cell, examples.x.double())
    read = reader.output(states[-1][1]).unsqueeze(1)
    loss = problem.loss(read, examples.targets.double()) * len(examples.x)
    names = states[0][0]._fields
    flat = [part for state, _ in states for part in state]
    *of_states, of_output = torch.autograd.grad(
        loss, [*flat, states[-1][1]], allow_unused=True, materialize_grads=True
    )
    (at_output,) = mean_norms([of_output])
    by_part = {name: mean_norms(of_states[place :: len(names)])[::-1] for place, name in enumerate(names)}
    return Norms(at_output, by_part)


def unrolled(cell: Any, x: Tensor) -> list[tuple[Any, Tensor]]:
    """Return (state, output) after each position of x (B, T, D), one step at a time from a zero state."""
    state = cell.zero_state(x)
    steps = []
    for projected in cell.project(x).unbind(1):
        y, state = cell.step(projected, state)
        # Separate views, so that the gradient at one part of the state excludes paths through the others.
        state = type(state)(*(part if part is y else part.view_as(part) for part in state))
        steps.append((state, y))
    return steps


class Explosion(NamedTuple):
    """Norm before clipping and loss of each update; stopped_at: the update that was not finite, or None."""

    clip: float | None
    norms: list[float]
    losses: list[float]
    stopped_at: int | None


def explode(name: str, problem: Problem, budget: Budget) -> Explosion:
    """Train by plain gradient descent, clipped or not; stop when loss or gradient is no longer finite.

    Adam would hide part of the effect, because it divides by the size of past gradients.
    """
    reader = fresh_reader(name, problem, budget)
    stream = torch.Generator().manual_seed(budget.seed)
    optimizer = torch.optim.SGD(reader.parameters(), lr=budget.lr)
    norms: list[float] = []
    losses: list[float] = []
    for update in range(1, budget.updates + 1):
        examples = problem.sample(budget.batch, stream)
        loss = problem.loss(reader(examples.x, problem.last), examples.targets)
        optimizer.zero_grad()
        loss.backward()
        limit = math.inf if budget.clip is None else budget.clip
        norm = float(nn.utils.clip_grad_norm_(reader.parameters(), limit))
        norms.append(norm)
        losses.append(float(loss.detach()))
        if not math.isfinite(norm + losses[-1]):
            return Explosion(budget.clip, norms, losses, update)
        optimizer.step()
    return Explosion(budget.clip, norms, losses, None)


class Measured(NamedTuple):
    """A cell's gradients at initialisation and after training, and how the training went."""

    fresh: Norms  # at initialisation
    trained: Norms
    learnt: Learnt


def measure(name: str, problem: Problem, examples: Examples, budget: Budget) -> Measured:
    """Return a cell's gradients through time on these examples, before and after training."""
    fresh = state_gradients(fresh_reader(name, problem, budget), examples, problem)
    reader, learnt = learn(name, problem, budget)
    return Measured(fresh, state_gradients(reader, examples, problem), learnt)


def study(names: Sequence[str], *, lag: int, budget: Budget, rows: int, exploding: str, step: float) -> Page:
    """Return the gradients of every cell on the adding problem, and an explosion with and without clipping.

    rows: number of sequences to average over. exploding: the cell that explodes, trained by gradient descent
    with the learning rate `step` for at most 300 updates.
    """
    problem = AddingProblem(lag)
    for name in [*names, exploding]:
        fresh_reader(name, problem, budget)  # before any is trained
    examples = problem.sample(rows, torch.Generator().manual_seed(budget.seed + 2_000_000))
    measured = {name: measure(name, problem, examples, budget) for name in names}
    downhill = budget._replace(lr=step, updates=min(budget.updates, 300))
    clip = budget.clip or 1.0
    explosions = [explode(exploding, problem, downhill._replace(clip=each)) for each in (None, clip)]
    lags = sorted({lag // 2, lag - 1})
    return Page(
        "gradients",
        {
            "cells": list(names),
            "lag": lag,
            **budget._asdict(),
            "rows": rows,
            "exploding": exploding,
            "step": step,
        },
        _table(measured, lags, budget),
        {
            "gradients": measured,
            "explosions": explosions,
        },
        {"gradients": _picture(measured, problem), "explosion": _explosion(exploding, explosions)},
        [
            "initial, trained: the gradient at the state that many steps before the loss, divided by the "
            f"gradient at the output; error: {problem.measure}, guessing gives {problem.guessing:.3f}",
            *(_sentence(exploding, each) for each in explosions),
        ],
    )


def _table(measured: dict[str, Measured], lags: Sequence[int], budget: Budget) -> Table:
    columns = ["cell", "state", "hidden", "parameters"]
    columns += [f"{when} {lag}" for when in ("initial", "trained") for lag in lags]
    rows = []
    for name, each in measured.items():
        for part in each.fresh.states:
            values = [norms.ratio(part, lag) for norms in (each.fresh, each.trained) for lag in lags]
            learnt = each.learnt
            figures = [number(value, 2) for value in values]
            rows.append(
                [
                    name,
                    part,
                    learnt.hidden,
                    beside(learnt.parameters, budget.parameters),
                    *figures,
                    number(learnt.error),
                    learnt.updates[-1],
                ]
            )
    return Table([*columns, "error", "updates"], rows)


def _sentence(name: str, run: Explosion) -> str:
    how = "without clipping" if run.clip is None else f"clipped to {run.clip:g}"
    largest = max((norm for norm in run.norms if math.isfinite(norm)), default=math.nan)
    last = run.losses[-20:]
    end = (
        f"stopped at update {run.stopped_at}: loss or gradient is not finite"
        if run.stopped_at
        else f"mean loss of the last {len(last)} of {len(run.norms)} updates {sum(last) / len(last):.3f}"
    )
    return f"{name}, gradient descent {how}: largest gradient {number(largest, 2)}, {end}"


def _picture(measured: dict[str, Measured], problem: Problem) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    floor = 1e-12  # smaller values are not drawn
    for axes, when in ((left, "initial"), (right, "trained")):
        for place, (name, each) in enumerate(measured.items()):
            norms = each.fresh if when == "initial" else each.trained
            for part in norms.states:
                ratios = [norms.ratio(part, lag) for lag in range(problem.lag)]
                seen = [ratio if ratio > floor else math.nan for ratio in ratios]
                label = f"{name}, {part} ({each.learnt.parameters})" if axes is left else None
                axes.plot(seen, f"C{place}", ls="--" if part == "c" else "-", lw=1.5, label=label)
        axes.set(title=f"{when} cells", xlabel="lag T − t: steps before the loss", yscale="log")
        axes.grid(alpha=0.3)
    figure.legend(title="cell, state (parameters)", title_fontsize=8, fontsize=8, loc="outside right center")
    left.set_ylabel("‖∂loss/∂state‖ / ‖∂loss/∂output‖")
    figure.suptitle(f"gradient through time, {problem.name} problem over {problem.lag} steps", fontsize=11)
    return figure


def _explosion(name: str, runs: Sequence[Explosion]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for place, run in enumerate(runs):
        label = "without clipping" if run.clip is None else f"clipped to {run.clip:g}"
        _until_it_ends(left, run.norms, run, f"C{3 - 3 * place}", label)
        _until_it_ends(right, run.losses, run, f"C{3 - 3 * place}", label)
    left.set(title="norm of the gradient, before clipping")
    right.set(title="loss")
    for axes in (left, right):
        axes.set(xlabel="update", yscale="log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(f"{name} by plain gradient descent", fontsize=11)
    return figure


def _until_it_ends(axes: "Axes", values: Sequence[float], run: Explosion, colour: str, label: str) -> None:
    whole = [value for value in values if math.isfinite(value)]
    stopped = f", stopped at update {run.stopped_at}" if run.stopped_at else ""
    axes.plot(range(1, len(whole) + 1), whole, colour, lw=1, label=label + stopped)
    if run.stopped_at and whole:
        axes.plot(len(whole), whole[-1], colour, marker="x", ms=10, mew=3)
