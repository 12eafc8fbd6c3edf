"""Translation with an exported model. Needs onnxruntime, numpy and sentencepiece, nothing else."""

from nmt.runtime.bundle import load

__all__ = ["load"]
