import math

import pytest
import torch

from nmt.lab.cells import Reader, cell_config, matched_reader
from nmt.lab.gradients import explode, state_gradients, study, unrolled
from nmt.lab.memory import BUDGETS, Budget
from nmt.lab.problems import AddingProblem
from nmt.layers.rnn import RNNCell

pytestmark = pytest.mark.slow

CELLS = ["lstm", "lstm:chrono=T", "ln_lstm", "gru", "rnn", "irnn", "sru", "deep_transition"]


def test_the_gradient_of_a_linear_network_is_a_power_of_its_matrix() -> None:
    problem = AddingProblem(12)
    examples = problem.sample(5, torch.Generator().manual_seed(1))
    # Nothing in it is negative: ReLU is the identity.
    reader = Reader(RNNCell(2, 4, activation="relu"), 1).double()
    with torch.no_grad():
        for parameter in reader.parameters():
            parameter.abs_()
        reader.cell.recurrent_proj.weight /= 3
    norms = state_gradients(reader, examples, problem)

    read = reader(examples.x.double(), 1).detach()
    residual = 2 * (read - examples.targets.double()).abs().flatten()  # (5,)
    matrix, row = reader.cell.recurrent_proj.weight.detach(), reader.output.weight.detach()[0]
    for lag in range(12):
        through = (torch.linalg.matrix_power(matrix, lag).T @ row).norm()
        assert norms.states["h"][lag] == pytest.approx(float(residual.mean() * through), rel=1e-12)
    assert norms.output == pytest.approx(norms.states["h"][0])


def test_an_lstm_that_forgets_nothing_keeps_the_gradient_of_c() -> None:
    problem = AddingProblem(30)
    reader = matched_reader(cell_config("lstm", 30), 2, 1, 5000).double()
    with torch.no_grad():
        reader.cell.input_proj.weight.zero_()
        reader.cell.recurrent_proj.weight.zero_()
        _, forget, _, _ = reader.cell.recurrent_proj.bias.chunk(4)
        forget.fill_(50.0)
    norms = state_gradients(reader, problem.sample(3, torch.Generator()), problem)
    kept = norms.states["c"]
    assert kept[0] == 0.0  # the last c is read by nobody, its h is
    assert kept[1:] == pytest.approx([kept[1]] * 29)
    assert norms.states["h"][1:] == [0.0] * 29


@pytest.mark.parametrize("name", CELLS)
def test_steps_are_those_of_the_whole_sequence(name: str) -> None:
    reader = matched_reader(cell_config(name, 9), 2, 1, 13_000).double()
    x = torch.rand(2, 9, 2, dtype=torch.float64)
    outputs = torch.stack([y for _, y in unrolled(reader.cell, x)], dim=1)
    torch.testing.assert_close(outputs, reader.cell(x)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_agree_with_differences(name: str) -> None:
    problem = AddingProblem(6)
    examples = problem.sample(1, torch.Generator().manual_seed(3))
    reader = matched_reader(cell_config(name, 6), 2, 1, 13_000).double()
    norms = state_gradients(reader, examples, problem)
    x, step = examples.x.double(), 1e-6
    lag = 3
    before, _ = unrolled(reader.cell, x)[-1 - lag]
    for place, part in enumerate(before._fields):
        slopes = []
        for unit in range(before[place].shape[1]):
            losses = []
            for sign in (1, -1):
                moved = before[place].detach().clone()
                moved[0, unit] += sign * step
                with torch.no_grad():
                    y, _ = reader.cell(x[:, -lag:], before._replace(**{part: moved}))
                    losses.append(float((reader.output(y[:, -1]) - examples.targets[0]) ** 2))
            slopes.append((losses[0] - losses[1]) / (2 * step))
        assert norms.states[part][lag] == pytest.approx(math.hypot(*slopes), rel=1e-5, abs=1e-9)


def test_every_cell_is_studied_at_the_usual_number_of_parameters() -> None:
    budget = BUDGETS["adding"]._replace(updates=1)
    page = study(CELLS, lag=5, budget=budget, rows=2, exploding="deep_transition", step=0.01)
    shown = {row[0]: row[3] for row in page.table.rows}
    assert list(shown) == CELLS
    assert (shown["ln_lstm"], shown["deep_transition"]) == ("5116 (+2.3 %)", "4770 (-4.6 %)")
    legend = {text.get_text() for text in page.pictures["gradients"].legends[0].get_texts()}
    assert {"ln_lstm, h (5116)", "ln_lstm, c (5116)", "deep_transition, h (4770)", "sru, c (5006)"} <= legend


def test_an_explosion_is_caught_and_clipping_saves_from_it() -> None:
    problem = AddingProblem(100)
    budget = Budget(parameters=5000, updates=12, batch=8, lr=0.01, clip=None, seed=1)
    free, clipped = (explode("irnn", problem, budget._replace(clip=clip)) for clip in (None, 1.0))
    assert free.stopped_at is not None
    assert len(free.norms) == len(free.losses) == free.stopped_at < 12
    assert not math.isfinite(free.norms[-1] + free.losses[-1])
    assert clipped.stopped_at is None
    assert len(clipped.norms) == 12
    assert max(clipped.losses) < 1000
    assert clipped.norms[0] == free.norms[0] > 1.0
