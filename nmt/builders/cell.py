"""The section of a cell → a factory of cells."""

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
from nmt.layers.initialization import Initializer, glorot, identity, orthogonal, uniform
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.rnn import RNNCell
from nmt.layers.sru import SRUCell


def build_cell(config: CellConfig) -> CellType:
    """Return a function that makes cells of the kind, each with newly initialised weights."""
    if isinstance(config, DeepTransitionCellConfig):
        return partial(DeepTransitionCell, build_cell(config.cell), config.depth)
    input_init = _initializer(config.input)
    match config:
        case RNNCellConfig():
            return partial(RNNCell, input_init=input_init, recurrent_init=_initializer(config.recurrent))
        case IRNNCellConfig():
            return partial(RNNCell, activation="relu", input_init=input_init, recurrent_init=identity)
        case GRUCellConfig():
            return partial(GRUCell, input_init=input_init, recurrent_init=_initializer(config.recurrent))
        case LSTMCellConfig() | LayerNormLSTMCellConfig():
            return partial(
                LSTMCell if config.kind == "lstm" else LayerNormLSTMCell,
                input_init=input_init,
                recurrent_init=_initializer(config.recurrent),
                forget_bias=config.forget_bias,
                chrono=config.chrono,
            )
        case SRUCellConfig():
            return partial(SRUCell, input_init=input_init)
        case other:
            assert_never(other)


def _initializer(matrix: Matrix) -> Initializer:
    match matrix:
        case "orthogonal":
            return orthogonal
        case "glorot":
            return glorot
        case "uniform":
            return uniform
        case other:
            assert_never(other)
