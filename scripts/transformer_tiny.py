"""A Transformer-Tiny of random weights, as CTranslate2 reads it: what bench_ctranslate2.py compares with.

4 + 4 layers of 128, feed-forward 256, 4 heads, 8,000 subwords, nothing tied.
"""

from typing import Any

import numpy as np

from nmt.tokenization.vocabulary import EOS, SPECIALS

LAYERS, WIDTH, FEED_FORWARD, HEADS, VOCABULARY = 4, 128, 256, 4, 8000


def save_transformer(folder: str) -> int:
    """Write a Transformer-Tiny of random weights as CTranslate2 reads it; return its parameters."""
    from ctranslate2.specs import TransformerSpec

    rng, sizes = np.random.default_rng(1), []

    def matrix(outputs: int, inputs: int = WIDTH) -> Any:
        sizes.append(outputs * inputs)
        return rng.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)

    def vector(size: int, value: float = 0.0) -> Any:
        sizes.append(size)
        return np.full(size, value, np.float32)

    def linear(spec: Any, outputs: int, inputs: int = WIDTH) -> None:
        spec.weight, spec.bias = matrix(outputs, inputs), vector(outputs)

    def norm(spec: Any) -> None:
        spec.gamma, spec.beta = vector(WIDTH, 1.0), vector(WIDTH)

    model = TransformerSpec.from_config(LAYERS, HEADS)
    for side in (model.encoder, model.decoder):
        norm(side.layer_norm)
        for layer in side.layer:
            linear(layer.self_attention.linear[0], 3 * WIDTH)
            linear(layer.self_attention.linear[1], WIDTH)
            linear(layer.ffn.linear_0, FEED_FORWARD)
            linear(layer.ffn.linear_1, WIDTH, FEED_FORWARD)
            norm(layer.self_attention.layer_norm)
            norm(layer.ffn.layer_norm)
    for layer in model.decoder.layer:
        for part, outputs in zip(layer.attention.linear, (WIDTH, 2 * WIDTH, WIDTH), strict=True):
            linear(part, outputs)
        norm(layer.attention.layer_norm)
    model.encoder.embeddings[0].weight, model.decoder.embeddings.weight = (
        matrix(VOCABULARY),
        matrix(VOCABULARY),
    )
    linear(model.decoder.projection, VOCABULARY)
    tokens = [*SPECIALS, *map(str, range(EOS + 1, VOCABULARY))]
    model.register_source_vocabulary(tokens)
    model.register_target_vocabulary(tokens)
    model.validate()
    model.save(folder)
    return sum(sizes)
