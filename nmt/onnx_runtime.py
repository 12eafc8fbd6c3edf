"""ONNX Runtime, opened the one way that this package uses it."""

from typing import TYPE_CHECKING

from nmt.errors import UserError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(graph: bytes, *, threads: int = 1) -> "InferenceSession":
    """Return a session of a serialised graph on the CPU, whose `run` raises UserError if it fails.

    The steps of a search are small: more threads help only large batches of large models.
    Raises ValueError if ONNX Runtime refuses the graph, UserError if it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"a model on a CPU needs the package onnxruntime, which cannot be imported ({error}); install "
            "it or, to translate, take --precision float64, which uses torch"
        ) from None

    # Its exceptions have no class of their own in common.
    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def run(self, *arguments: object) -> object:
            try:
                return super().run(*arguments)
            except Exception as error:
                raise UserError(
                    f"ONNX Runtime cannot run the model ({_reason(error)}); if the text is long, memory may "
                    "be short, else export the model again"
                ) from None

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # A thread that waits gives its core away: several sessions, and other programs, share the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:  # with its fallback it would print to standard output, and try the same again
        return Session(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:
        raise ValueError(_reason(error)) from None


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
