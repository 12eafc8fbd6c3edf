"""A translation graph → the graphs of its encoder and of one step, for a search outside of it.

An exported model has no other graph. Two loops of it take steps: the search, and the one along the
translations for their details, which gives the alignment too and is therefore the one that is cut.
"""

from collections.abc import Mapping

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from nmt.graphs.attention import Memory
from nmt.graphs.graph import live, reads
from nmt.graphs.search import Beam, Found, Sentences
from nmt.graphs.steps import MEMORY, StepGraphs

_INPUTS = dict.fromkeys(("src", "src_len", "y", "beam"), TensorProto.INT64)
_FIRST = 2  # of the inputs of a loop or its body: what is carried
_BEFORE_MEMORY = 1 + sum(len(each._fields) for each in (Found, Sentences, Beam))  # of what a search carries


def cut_steps(whole: ModelProto) -> StepGraphs:
    """Return the two graphs out of one of `translation_graph`; raises ValueError where it is none."""
    root = _Scope(whole.graph)
    tokens, _, by_step = map(root.made_of, root.outputs)
    search = root.maker(tokens, "Loop").input[_FIRST:]
    branch = _Scope(_body(root.maker(by_step, "If"), "then_branch"), root)
    loop = branch.maker(branch.made_of(branch.outputs[0]), "Loop")
    body = _Scope(_body(loop, "body"), branch)

    first = [branch.maker(name, "Gather").input[0] for name in loop.input[_FIRST:]]
    memory = search[_BEFORE_MEMORY : len(search) - len(first)]
    states = {f"state_{i}": name for i, name in enumerate(first)}
    memories = {f"{MEMORY}{part}": name for part, name in zip(Memory._fields, memory, strict=False)}

    # A round gives the alignment, up to the source's length, beside the log-probability of the token after.
    alignment, chosen = body.maker(body.made_of(body.outputs[-1]), "Concat").input
    of_chosen = body.maker(chosen, "GatherElements")
    after = body.maker(body.maker(of_chosen.input[1], "Unsqueeze").input[0], "Gather")
    y, *_ = (node for node in body.graph.node if node.op_type == "Gather" and node.input[0] == after.input[0])
    carried = dict(zip(states, body.inputs[_FIRST:], strict=True))
    log_probs, looked = of_chosen.input[0], body.maker(alignment, "Slice").input[0]
    reached = {f"next_{name}": body.made_of(of) for name, of in zip(states, body.outputs[1:-1], strict=True)}
    return StepGraphs(
        _model(whole, root, {name: name for name in ("src", "src_len")}, memories | states),
        _model(
            whole,
            body,
            {"y": y.output[0], "beam": "n_best"} | memories | carried,
            {"log_probs": log_probs, "alignment": looked} | reached,
        ),
    )


class _Scope:
    """A graph with what it sees of those around it."""

    def __init__(self, graph: GraphProto, around: "_Scope | None" = None) -> None:
        self.graph = graph
        self.inputs = [value.name for value in graph.input]
        self.outputs = [value.name for value in graph.output]
        self.nodes: list[NodeProto] = [*(around.nodes if around else ()), *graph.node]
        self.weights: list[TensorProto] = [*(around.weights if around else ()), *graph.initializer]
        self._makers = {name: node for node in self.nodes for name in node.output}

    def maker(self, name: str, kind: str) -> NodeProto:
        """Return the node that gives a value; raises ValueError unless it is of this kind."""
        node = self._makers.get(name)
        if node is None or node.op_type != kind:
            raise ValueError(f"{name} is given by {node.op_type if node else 'nothing'}, expected {kind}")
        return node

    def made_of(self, output: str) -> str:
        """Return the value that is given out by another name."""
        found: str = self.maker(output, "Identity").input[0]
        return found


def _body(node: NodeProto, name: str) -> GraphProto:
    (body,) = (each for each in node.attribute if each.name == name)
    found: GraphProto = body.g
    return found


def _model(
    whole: ModelProto, scope: _Scope, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> ModelProto:
    """Return the nodes between values of a scope; inputs, outputs: their new names and those of old."""
    given = {*inputs.values()}
    others = [node for node in scope.nodes if given.isdisjoint(node.output)]
    nodes = live(others, outputs.values())
    named = [helper.make_node("Identity", [new], [old]) for new, old in inputs.items() if new != old]
    named_after = [helper.make_node("Identity", [old], [new]) for new, old in outputs.items()]
    read = {name for node in nodes for name in reads(node)}
    graph = helper.make_graph(
        [*named, *nodes, *named_after],
        "nmt",
        [helper.make_tensor_value_info(name, _INPUTS.get(name, TensorProto.FLOAT), None) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [each for each in scope.weights if each.name in read],
    )
    return helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
