"""nmt.runtime.onnx_file: nothing but our own graphs reaches ONNX Runtime."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nmt.runtime.onnx_file import check_onnx_file


def model_of(*nodes: onnx.NodeProto, initializer: onnx.TensorProto | None = None) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        list(nodes),
        "g",
        [value("x", TensorProto.FLOAT, ["N"])],
        [value("y", TensorProto.FLOAT, None)],
        [] if initializer is None else [initializer],
    )
    return helper.make_model(graph)


def test_what_we_export_passes(exported: Path) -> None:
    check_onnx_file((exported / "model.onnx").read_bytes())


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (helper.make_node("ConstantOfShape", ["x"], ["y"]), "'ConstantOfShape', which nmt never writes"),
        (helper.make_node("Evil", ["x"], ["y"], domain="my.ops"), "'my.ops.Evil'"),
        (helper.make_node("MatMulIntegerToFloat", ["x"], ["y"]), "'MatMulIntegerToFloat'"),
    ],
)
def test_other_operators_are_refused_in_bodies_too(node: onnx.NodeProto, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_onnx_file(model_of(node).SerializeToString())
    inner = model_of(node).graph
    outer = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    with pytest.raises(ValueError, match=told):
        check_onnx_file(model_of(outer).SerializeToString())


def test_weights_in_another_file_are_refused() -> None:
    weight = numpy_helper.from_array(np.zeros(3, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ValueError, match="another file"):
        check_onnx_file(
            model_of(helper.make_node("Add", ["x", "w"], ["y"]), initializer=weight).SerializeToString()
        )


def test_functions_are_refused() -> None:
    model = model_of(helper.make_node("Abs", ["x"], ["y"]))
    model.functions.append(
        helper.make_function(
            "d", "f", ["a"], ["b"], [helper.make_node("Abs", ["a"], ["b"])], model.opset_import
        )
    )
    with pytest.raises(ValueError, match="functions"):
        check_onnx_file(model.SerializeToString())


def test_graphs_that_stand_too_deep_are_refused() -> None:
    model = model_of(helper.make_node("Abs", ["x"], ["y"]))
    for _ in range(12):
        model = model_of(
            helper.make_node("If", ["c"], ["y"], then_branch=model.graph, else_branch=model.graph)
        )
    with pytest.raises(ValueError, match="deep"):
        check_onnx_file(model.SerializeToString())


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"nothing of the kind", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 40]
)
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        check_onnx_file(data)


def test_a_file_cut_anywhere_is_refused_or_is_whole() -> None:
    data = model_of(helper.make_node("Abs", ["x"], ["y"])).SerializeToString()
    told = set()
    for end in range(len(data)):
        with suppress(ValueError):
            check_onnx_file(data[:end])
            told.add(end)
    assert all(onnx.load_from_string(data[:end]).HasField("graph") for end in told)
