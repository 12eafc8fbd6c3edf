"""What is in an ONNX file, read before ONNX Runtime sees it: the file may be a stranger's.

Reads the wire format of protocol buffers by itself: where models only run, the onnx package is not there.
"""

from collections.abc import Iterator

# Field numbers of onnx.proto: where graphs, nodes and tensors stand in each other.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_KIND, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (
    5,
    6,
    10,
    11,
    22,
)
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_DEEPEST = 8  # graphs within graphs

# All that `nmt.graphs` writes.
OPERATORS = frozenset(
    "Abs Add Cast Concat Conv CumSum Div Equal Exp Expand GRU Gather GatherElements GatherND Greater "
    "GreaterOrEqual Identity If LSTM LayerNormalization Less LessOrEqual Log LogSoftmax Loop MatMul "
    "Max Min Mod Mul Neg NonZero Not Or Pad QuantizeLinear Range Reciprocal ReduceMax ReduceMean "
    "ReduceMin ReduceSum Relu Reshape ReverseSequence ScatterND Shape Sigmoid Slice Softmax Split "
    "Sqrt Squeeze Sub Tanh TopK Transpose Unsqueeze Where".split()
)
MICROSOFT_OPERATORS = frozenset({"MatMulIntegerToFloat"})


def check_onnx_file(data: bytes) -> None:
    """Raise ValueError unless the content is an ONNX model of our own operators, with all weights in it."""
    graphs = 0
    for field, value in _fields(memoryview(data)):
        if field == _MODEL_FUNCTIONS:
            raise ValueError("it defines functions, expected none")
        if field == _MODEL_GRAPH:
            graphs += 1
            _check_graph(_message(value), depth=0)
    if graphs != 1:
        raise ValueError("it is not an ONNX model")


def _check_graph(data: memoryview, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"graphs are nested more than {_DEEPEST} deep")
    for field, value in _fields(data):
        if field == _GRAPH_NODE:
            _check_node(_message(value), depth)
        elif field == _GRAPH_INITIALIZER:
            _check_tensor(_message(value))
        elif field == _GRAPH_SPARSE:
            raise ValueError("it holds a sparse tensor")


def _check_node(data: memoryview, depth: int) -> None:
    kind = domain = ""
    for field, value in _fields(data):
        if field == _NODE_KIND:
            kind = bytes(_message(value)).decode("utf-8", "replace")
        elif field == _NODE_DOMAIN:
            domain = bytes(_message(value)).decode("utf-8", "replace")
        elif field == _NODE_ATTRIBUTE:
            _check_attribute(_message(value), depth)
    known = {"": OPERATORS, "com.microsoft": MICROSOFT_OPERATORS}.get(domain, frozenset())
    if kind not in known:
        shown = ascii(f"{domain}.{kind}" if domain else kind)[:80]
        raise ValueError(f"it holds the operator {shown}, which nmt never writes")


def _check_attribute(data: memoryview, depth: int) -> None:
    for field, value in _fields(data):
        if field in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _check_graph(_message(value), depth + 1)
        elif field in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _check_tensor(_message(value))
        elif field == _ATTRIBUTE_SPARSE:
            raise ValueError("it holds a sparse tensor")


def _check_tensor(data: memoryview) -> None:
    for field, value in _fields(data):
        if field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0):
            raise ValueError("it keeps weights in another file")


def _message(value: "int | memoryview") -> memoryview:
    if isinstance(value, int):
        raise ValueError("it is not an ONNX model")
    return value


def _fields(data: memoryview) -> "Iterator[tuple[int, int | memoryview]]":
    """Yield number and value of each field of a message."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            number, at = _number(data, at)
            yield field, number
            continue
        if wire == 2:
            size, at = _number(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("it is not an ONNX model")
        if at + size > len(data):
            raise ValueError("it ends too early")
        yield field, data[at : at + size]
        at += size


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place behind it."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends too early")
        byte, at = data[at], at + 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("it is not an ONNX model")
