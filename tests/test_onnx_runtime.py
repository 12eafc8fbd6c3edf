"""nmt.onnx_runtime: how graphs are opened."""

import numpy as np
import pytest
from onnx import TensorProto

from nmt.errors import UserError
from nmt.graphs.graph import Graph, Value
from nmt.onnx_runtime import open_session


def test_a_graph_runs_with_the_threads_asked_for() -> None:
    g = Graph("float32")
    y = g.op("Add", Value("x", g), np.float32(1))
    model = g.model([("x", TensorProto.FLOAT, ("N",))], [(y, "y", TensorProto.FLOAT)])
    session = open_session(model.SerializeToString(), threads=2)
    assert session.get_session_options().intra_op_num_threads == 2
    np.testing.assert_array_equal(session.run(["y"], {"x": np.zeros(2, np.float32)})[0], [1, 1])


def test_what_is_no_graph_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="protobuf") as refused:
        open_session(b"no graph")
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_fails_while_it_runs_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    g = Graph("float32")
    y = g.op("Reshape", Value("x", g), np.array([7]))
    model = g.model([("x", TensorProto.FLOAT, ("N",))], [(y, "y", TensorProto.FLOAT)])
    session = open_session(model.SerializeToString())
    with pytest.raises(UserError, match="ONNX Runtime cannot run the model") as failed:
        session.run(["y"], {"x": np.zeros(2, np.float32)})
    assert "\n" not in str(failed.value)
    assert capfd.readouterr() == ("", "")
