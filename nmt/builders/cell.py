"""A cell's section → what makes such cells."""

from functools import partial
from typing import assert_never

from nmt.config.cell import (
    CellConfig,
    DeepTransitionCellConfig,
    GRUCellConfig,
    IRNNCellConfig,
    LayerNormLSTMCellConfig,
    LSTMCellConfig,
    Matrix,
    RNNCellConfig,
    SRUCellConfig,
)
from nmt.layers.cells import CellType, LSTMCell
from nmt.layers.deep_transition import DeepTransitionCell
from nmt.layers.gru import GRUCell
from nmt.layers.initialization import Draw, glorot, identity, orthogonal, uniform
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.rnn import RNNCell
from nmt.layers.sru import SRUCell


def build_cell(config: CellConfig) -> CellType:
    """Return what makes cells of the kind; each one that it makes is freshly drawn."""
    if isinstance(config, DeepTransitionCellConfig):
        return partial(DeepTransitionCell, build_cell(config.cell), config.depth)
    inputs = _draw(config.input)
    match config:
        case RNNCellConfig():
            return partial(RNNCell, inputs=inputs, recurrent=_draw(config.recurrent))
        case IRNNCellConfig():
            return partial(RNNCell, activation="relu", inputs=inputs, recurrent=identity)
        case GRUCellConfig():
            return partial(GRUCell, inputs=inputs, recurrent=_draw(config.recurrent))
        case LSTMCellConfig() | LayerNormLSTMCellConfig():
            return partial(
                LSTMCell if config.kind == "lstm" else LayerNormLSTMCell,
                inputs=inputs,
                recurrent=_draw(config.recurrent),
                forget_bias=config.forget_bias,
                chrono=config.chrono,
            )
        case SRUCellConfig():
            return partial(SRUCell, inputs=inputs)
        case other:
            assert_never(other)


def _draw(matrix: Matrix) -> Draw:
    match matrix:
        case "orthogonal":
            return orthogonal
        case "glorot":
            return glorot
        case "uniform":
            return uniform
        case other:
            assert_never(other)
