from typing import get_args

import pytest
import torch

from nmt.builders.cell import build_cell
from nmt.config.cell import CellConfig
from nmt.errors import UserError
from nmt.lab.cells import Reader, cell_config, matched_reader, split_names
from nmt.lab.memory import BUDGETS, Budget, compare, learn, problem_of
from nmt.lab.problems import AddingProblem, CopyingMemory

pytestmark = pytest.mark.slow

KINDS = [section.model_fields["kind"].default for section in get_args(get_args(CellConfig)[0])]
ADDING, COPYING = AddingProblem(200), CopyingMemory(100)


@pytest.mark.parametrize("lag", [2, 3, 20])
def test_the_sum_is_that_of_the_two_marked_numbers(lag: int) -> None:
    problem = AddingProblem(lag)
    x, sums = problem.sample(200, torch.Generator().manual_seed(1))
    assert x.shape == (200, lag, 2)
    for row, expected in zip(x.tolist(), sums.flatten().tolist(), strict=True):
        marked = [place for place, (_, mark) in enumerate(row) if mark]
        assert len(marked) == 2
        assert marked[0] < lag // 2 <= marked[1]
        assert sum(row[place][0] for place in marked) == pytest.approx(expected)


def test_who_always_says_one_is_at_the_level_of_guessing() -> None:
    problem = AddingProblem(10)
    _, sums = problem.sample(50_000, torch.Generator().manual_seed(1))
    assert float(problem.error(torch.ones_like(sums), sums)) == pytest.approx(problem.guessing, rel=0.02)


def test_what_is_to_be_copied_stands_at_the_beginning() -> None:
    x, symbols = CopyingMemory(7).sample(50, torch.Generator().manual_seed(1))
    assert x.shape == (50, 27, 10)
    kinds = x.argmax(-1)
    assert torch.equal(x.sum(-1), torch.ones(50, 27))
    assert torch.equal(kinds[:, :10], symbols)
    assert symbols.unique().tolist() == list(range(8))
    blank, sign = 8, 9
    assert (kinds[:, 10:16] == blank).all()
    assert (kinds[:, 16] == sign).all()  # the symbols are asked for from here on, `lag` after the last
    assert (kinds[:, 17:] == blank).all()


def test_a_symbol_is_wrong_unless_it_is_the_most_probable() -> None:
    problem = CopyingMemory(1)
    symbols = torch.tensor([[0, 1, 2, 3]])
    read = torch.eye(8)[[0, 1, 7, 3]].unsqueeze(0)
    assert float(problem.error(read, symbols)) == 0.25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("problem", [ADDING, COPYING], ids=["adding", "copying"])
def test_every_cell_gets_as_many_parameters(kind: str, problem: AddingProblem | CopyingMemory) -> None:
    for wanted, off in ((BUDGETS["adding"].parameters, 0.05), (13_000, 0.02), (60_000, 0.02)):
        config = cell_config(kind, 100)
        reader = matched_reader(config, problem.input_size, problem.output_size, wanted)
        assert reader.parameter_count == pytest.approx(wanted, rel=off)
        # No other width comes nearer.
        for width in (reader.cell.hidden_size - 1, reader.cell.hidden_size + 1):
            other = Reader(build_cell(config)(problem.input_size, width), problem.output_size)
            assert abs(other.parameter_count - wanted) >= abs(reader.parameter_count - wanted)


def test_every_cell_is_compared_at_the_usual_number_of_parameters() -> None:
    budget = BUDGETS["adding"]._replace(updates=1)
    page = compare("adding", [5], KINDS, budget, lambda _: None)
    shown = {row[0]: row[2] for row in page.table.rows}
    assert list(shown) == KINDS
    assert (shown["lstm"], shown["gru"]) == ("5067 (+1.3 %)", "4993 (-0.1 %)")
    assert (shown["ln_lstm"], shown["deep_transition"]) == ("5116 (+2.3 %)", "4770 (-4.6 %)")
    legend = [text.get_text() for text in page.pictures["memory-adding"].legends[0].get_texts()]
    assert legend == [f"{learnt.cell} ({learnt.parameters})" for learnt in page.numbers]


@pytest.mark.parametrize("kind", ["lstm", "deep_transition", "deep_transition:depth=8"])
def test_a_number_that_no_width_comes_near_is_refused(kind: str) -> None:
    said: list[str] = []
    budget = BUDGETS["adding"]._replace(parameters=250, updates=1)
    name = kind.split(":")[0]
    found = rf"--parameters 250: the nearest {name} has \d+, more than 10 % away; every number from (\d+) on"
    with pytest.raises(UserError, match=found) as refused:
        compare("adding", [5], ["rnn", kind], budget, said.append)
    assert not said  # before the first is trained
    # What it advises holds, of all numbers from there on.
    enough = int(str(refused.value).split("number from ")[1].split(" on")[0])
    for parameters in range(enough, 2 * enough, 61):
        matched_reader(cell_config(kind, 5), 2, 1, parameters)


def test_a_name_stands_for_a_section() -> None:
    assert cell_config("lstm:chrono=T", 77).model_dump() == cell_config("lstm:chrono=77", 5).model_dump()
    config = cell_config("lstm:forget_bias=0.5:input=uniform", 5)
    assert (config.kind, config.input, getattr(config, "forget_bias", None)) == ("lstm", "uniform", 0.5)


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ("lsmt", "no cell is called 'lsmt'; expected one of 'lstm', 'gru'"),
        ("gru,gru", "gru twice"),
        ("", "names no cell"),
        ("gru:chrono=T", "gru cannot have chrono"),
        ("lstm:chrono", "expected KEY=VALUE .* found 'chrono'"),
        ("lstm:width=3", "width: "),
        ("lstm:input=small", "input: "),
    ],
)
def test_a_wrong_name_is_told_before_anything_runs(cells: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        split_names(cells)


@pytest.mark.parametrize(("task", "lag"), [("adding", 1), ("adding", 0), ("copying", 0), ("copying", -5)])
def test_a_lag_that_is_too_short_is_refused(task: str, lag: int) -> None:
    with pytest.raises(UserError, match=f"lag {lag} is too short for {task}; expected [12] or more"):
        problem_of(task, lag)


def test_an_easy_problem_is_solved_and_the_rest_of_the_updates_saved() -> None:
    budget = Budget(parameters=13_000, updates=1500, batch=32, lr=0.01, clip=1.0, seed=1)
    _, learnt = learn("gru", AddingProblem(4), budget)
    assert learnt.solved_at is not None
    assert learnt.solved_at == learnt.updates[-1] < 1500
    assert max(learnt.errors[-2:]) < 0.01
    assert learnt.errors[0] > 0.1


def test_the_same_seed_gives_the_same_numbers() -> None:
    budget = Budget(parameters=13_000, updates=3, batch=4, lr=0.01, clip=1.0, seed=5)
    said: list[str] = []
    pages = [compare("copying", [2], ["rnn", "lstm:chrono=T"], budget, said.append) for _ in range(2)]
    assert pages[0].numbers == pages[1].numbers
    assert [row[0] for row in pages[0].table.rows] == ["rnn", "lstm:chrono=T"]
    assert said[:2] == said[2:]
    other = compare("copying", [2], ["rnn"], budget._replace(seed=6), said.append)
    assert other.numbers[0].errors != pages[0].numbers[0].errors
