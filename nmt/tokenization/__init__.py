"""Tokenizers, vocabulary, subword sampling."""
