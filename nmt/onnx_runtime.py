"""ONNX Runtime, opened the one way that this package uses it."""

from typing import TYPE_CHECKING

from nmt.errors import UserError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(graph: bytes, *, threads: int = 1) -> "InferenceSession":
    """Return a session of a serialised graph on the CPU.

    The steps of a search are small: more threads help only large batches of large models.
    Raises ValueError if ONNX Runtime refuses the graph, UserError if it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"translating on a CPU needs the package onnxruntime, which cannot be imported ({error}); "
            "install it, or take --precision float64, which translates with torch"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # A thread that waits gives its core away: several sessions, and other programs, share the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no class of their own in common
        raise ValueError(str(error).strip().splitlines()[0][:300]) from None
