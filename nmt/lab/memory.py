"""Long memory: how far back a cell can learn to look, with equal parameters and updates for all cells."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from nmt.errors import UserError
from nmt.lab.cells import Reader, beside, cell_config, matched_reader
from nmt.lab.page import Page, number
from nmt.lab.problems import AddingProblem, CopyingMemory, Problem
from nmt.training.tracking import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELD_OUT = 500  # sequences for measuring the error
EVALUATIONS = 25  # in one training


class Budget(NamedTuple):
    """What every cell of a comparison gets."""

    parameters: int
    updates: int
    batch: int
    lr: float
    clip: float | None
    seed: int


# With these, an LSTM with chrono initialisation solves both at lag 100, and adding at 200.
BUDGETS: Mapping[str, Budget] = {
    AddingProblem.name: Budget(parameters=5000, updates=2000, batch=32, lr=0.01, clip=1.0, seed=1),
    CopyingMemory.name: Budget(parameters=60_000, updates=2400, batch=32, lr=0.02, clip=1.0, seed=1),
}


def budget_of(
    task: str,
    parameters: int | None,
    updates: int | None,
    batch: int,
    lr: float | None,
    clip: float,
    seed: int,
) -> Budget:
    """Return a budget with the usual numbers of a problem where there are None; clip 0: no clipping."""
    usual = BUDGETS[task]
    lr = usual.lr if lr is None else lr
    return Budget(parameters or usual.parameters, updates or usual.updates, batch, lr, clip or None, seed)


class Learnt(NamedTuple):
    """The outcome for one cell: its error over the updates, and where it stopped."""

    cell: str
    lag: int
    hidden: int
    parameters: int
    updates: list[int]
    errors: list[float]
    solved_at: int | None  # None: not solved

    @property
    def error(self) -> float:
        """The last error."""
        return self.errors[-1]


def fresh_reader(name: str, problem: Problem, budget: Budget) -> Reader:
    """Return a newly initialised cell for a problem; UserError if none has so many parameters."""
    torch.manual_seed(budget.seed)
    config = cell_config(name, problem.length)
    return matched_reader(config, problem.input_size, problem.output_size, budget.parameters)


def learn(name: str, problem: Problem, budget: Budget) -> tuple[Reader, Learnt]:
    """Train a cell with Adam and a rate that falls linearly to 0; stop once the problem is solved.

    Two measurements in a row must show it solved, to exclude a lucky one.
    """
    reader = fresh_reader(name, problem, budget)
    held_out = problem.sample(HELD_OUT, torch.Generator().manual_seed(budget.seed + 1_000_000))
    stream = torch.Generator().manual_seed(budget.seed)
    optimizer = torch.optim.Adam(reader.parameters(), lr=budget.lr, fused=True)

    def measured() -> float:
        with torch.no_grad():
            return float(problem.error(reader(held_out.x, problem.last), held_out.targets))

    every = max(1, budget.updates // EVALUATIONS)
    updates, errors, solved_at = [0], [measured()], None
    for update in range(1, budget.updates + 1):
        for group in optimizer.param_groups:
            group["lr"] = budget.lr * (1 - (update - 1) / budget.updates)
        examples = problem.sample(budget.batch, stream)
        loss = problem.loss(reader(examples.x, problem.last), examples.targets)
        optimizer.zero_grad()
        loss.backward()
        if budget.clip is not None:
            nn.utils.clip_grad_norm_(reader.parameters(), budget.clip)
        optimizer.step()
        if update % every == 0 or update == budget.updates:
            updates.append(update)
            errors.append(measured())
            if max(errors[-2:]) < problem.solved:
                solved_at = update
                break
            if not math.isfinite(errors[-1]):
                break
    width = reader.cell.hidden_size
    return reader, Learnt(name, problem.lag, width, reader.parameter_count, updates, errors, solved_at)


def problem_of(task: str, lag: int) -> Problem:
    """Return a problem by name; raises UserError if it is unknown or the lag is too short for it."""
    problems: Mapping[str, type[AddingProblem | CopyingMemory]] = {
        kind.name: kind for kind in (AddingProblem, CopyingMemory)
    }
    if task not in problems:
        raise UserError(f"--task {task}: unknown; expected one of {', '.join(problems)}")
    if lag < problems[task].least:
        raise UserError(f"lag {lag} is too short for {task}; expected {problems[task].least} or more")
    return problems[task](lag)


def compare(
    task: str, lags: Sequence[int], names: Sequence[str], budget: Budget, log: Callable[[str], None]
) -> Page:
    """Return the result of every cell at every lag, each with the same budget; `log` gets a line for each."""
    problems = [problem_of(task, lag) for lag in lags]
    for problem, name in product(problems, names):
        fresh_reader(name, problem, budget)  # before any is trained
    found = []
    for problem, name in product(problems, names):
        _, learnt = learn(name, problem, budget)
        found.append(learnt)
        log(f"lag {learnt.lag}, {name}: {problem.measure} {number(learnt.error)}, {_end(learnt)}")
    first = problems[0]
    return Page(
        f"memory-{task}",
        {"task": task, "lags": list(lags), "cells": list(names), **budget._asdict()},
        _table(found, names, lags, budget),
        found,
        {f"memory-{task}": _picture(found, names, first)},
        [f"{first.measure}; guessing gives {number(first.guessing, 3)}; in brackets: updates to solve it"],
    )


def _end(learnt: Learnt) -> str:
    last = learnt.updates[-1]
    return f"solved at update {last}" if learnt.solved_at else f"not solved in {last} updates"


def _table(found: Sequence[Learnt], names: Sequence[str], lags: Sequence[int], budget: Budget) -> Table:
    by_place = {(learnt.cell, learnt.lag): learnt for learnt in found}
    rows = []
    for name in names:
        of_cell = [by_place[name, lag] for lag in lags]
        shown = [number(each.error) + (f" ({each.solved_at})" if each.solved_at else "") for each in of_cell]
        parameters = beside(of_cell[0].parameters, budget.parameters)
        rows.append([name, of_cell[0].hidden, parameters, *shown])
    return Table(["cell", "hidden", "parameters", *(f"lag {lag}" for lag in lags)], rows)


def _picture(found: Sequence[Learnt], names: Sequence[str], problem: Problem) -> "Figure":
    from matplotlib.figure import Figure

    lags = list(dict.fromkeys(learnt.lag for learnt in found))
    figure = Figure(figsize=(max(6.5, 1.6 + 3.2 * len(lags)), 3.8), layout="constrained")
    panels = figure.subplots(1, len(lags), sharey=True, squeeze=False)[0]
    for axes, lag in zip(panels, lags, strict=True):
        for learnt in found:
            if learnt.lag == lag:
                colour = f"C{names.index(learnt.cell)}"
                # A logarithmic axis cannot show an error of 0.
                errors = [max(error, problem.solved / 10) for error in learnt.errors if math.isfinite(error)]
                label = f"{learnt.cell} ({learnt.parameters})"
                axes.plot(learnt.updates[: len(errors)], errors, colour, lw=1.3, label=label)
                end = "o" if learnt.solved_at else "x" if len(errors) < len(learnt.errors) else ""
                if errors and end:
                    axes.plot(learnt.updates[len(errors) - 1], errors[-1], colour, marker=end, ms=6, mew=2)
        axes.axhline(problem.guessing, color="grey", ls=":", lw=1)
        axes.axhline(problem.solved, color="grey", ls="--", lw=1)
        axes.set(title=f"lag {lag}", xlabel="update", yscale="log")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(problem.measure)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, title="cell (parameters)", title_fontsize=8, fontsize=8, loc="outside right center"
    )
    figure.suptitle(
        f"{problem.name}: dotted: guessing, dashed: solved; a dot: solved here, a cross: not finite",
        fontsize=10,
    )
    return figure
