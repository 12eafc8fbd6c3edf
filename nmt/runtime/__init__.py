"""Exported models: translation, labels, log-probabilities. Needs onnxruntime, numpy, sentencepiece alone."""

from nmt.runtime.bundle import load
from nmt.runtime.labeller import GraphLabeller, load_labeller
from nmt.runtime.language_model import GraphLanguageModel, load_language_model

__all__ = ["GraphLabeller", "GraphLanguageModel", "load", "load_labeller", "load_language_model"]
