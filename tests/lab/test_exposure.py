from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt.data.batches import pad
from nmt.lab.exposure import expose, study
from nmt.lab.trained import load_trained, pairs_of
from nmt.models import Source
from nmt.tokenization.vocabulary import EOS

SRC = [[10, 20, 30], [40, 50], [60, 70, 80, 90]]


def source() -> Source:
    return Source(pad(SRC, last=EOS), torch.tensor([len(row) + 1 for row in SRC]))


def test_before_the_first_piece_the_two_are_one(tiny_run: Path) -> None:
    model: Any = load_trained(tiny_run).model
    trg = pad([[11, 12, 13, 14], [15], [16, 17]], last=EOS)
    found = expose(model, source(), trg)
    np.testing.assert_allclose(found.free[:, 0], found.forced[:, 0], rtol=1e-12)
    assert found.agrees[:, 0].tolist() == [1.0, 1.0, 1.0]
    assert (found.own[:, 0] <= found.free[:, 0] + 1e-12).all()
    assert not np.allclose(found.free[:, 1], found.forced[:, 1])
    assert np.isnan(found.forced[1, 2:]).all()  # behind the reference's end
    # Teacher forcing is what training minimises.
    with torch.no_grad():
        logits = model.head(model(source(), pad([[2, 11, 12, 13, 14], [2, 15], [2, 16, 17]])).features)
    expected = -logits.log_softmax(-1)[0].gather(1, trg[0].unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(found.forced[0], expected.numpy(), rtol=1e-12)


def test_where_the_reference_is_the_models_own_the_two_never_part(tiny_run: Path) -> None:
    trained = load_trained(tiny_run)
    model, translator = trained.translating("")
    own = [best.ids for (best, *_) in translator.engine.hypotheses(SRC)]
    banned = translator.trg_tokenizer.banned
    found = expose(model, source(), pad(own, last=EOS), banned)
    # A translation that the limit cut short ends in a piece that the model would not have chosen.
    whole = [
        row
        for row, ids in enumerate(own)
        if len(ids) < int(translator.engine.search.limits(source().lengths)[row]) - 1
    ]
    for row, ids in enumerate(own):
        length = len(ids) + (row in whole)
        np.testing.assert_allclose(found.free[row, :length], found.forced[row, :length], rtol=1e-10)
        np.testing.assert_allclose(found.own[row, :length], found.forced[row, :length], rtol=1e-10)
        assert (found.agrees[row, :length] == 1).all()


def test_behind_its_own_end_the_model_says_nothing(tiny_run: Path) -> None:
    model: Any = load_trained(tiny_run).model
    everything_but_the_end = [piece for piece in range(330) if piece != EOS]
    found = expose(model, source(), pad([[11, 12], [13, 14], [15, 16]], last=EOS), everything_but_the_end)
    assert not np.isnan(found.own[:, 0]).any()
    assert np.isnan(found.own[:, 1:]).all()
    assert np.isnan(found.free[:, 1:]).all()
    assert not np.isnan(found.forced).any()
    assert (found.agrees[:, 1:] == 0).all()


def test_a_page_of_losses(tiny_run: Path) -> None:
    trained = load_trained(tiny_run)
    page = study(trained, pairs_of(trained, "test", 20), 5)
    curves = page.numbers["by_position"]
    assert curves["free"][0] == pytest.approx(curves["forced"][0])
    assert curves["sentences"][0] == 20
    assert len(curves["own"]) == len(curves["agrees"]) == len(curves["sentences"]) <= 5
