"""Text as the Moses scripts split it, by sacremoses (extra: papers)."""

from nmt.errors import UserError


class Moses:
    """Normalizes the punctuation of a language and splits off its words, and joins them again.

    language: a code such as de or de-AT, which chooses abbreviations, quotes and numbers. Raises UserError if
    sacremoses is not installed or does not know the language. key: what asks for it, for the message.
    """

    def __init__(self, language: str, key: str) -> None:
        try:
            from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer
            from sacremoses.corpus import NonbreakingPrefixes
        except ImportError:
            raise UserError(
                f"{key}: needs the package sacremoses, which is not installed; pip install 'nmt[papers]'"
            ) from None
        code = language.lower().replace("_", "-").split("-")[0]
        known = sorted({*NonbreakingPrefixes().available_langs.values()})
        if code not in known:
            raise UserError(
                f"{key}: Moses does not know the language {language}; it knows {', '.join(known)}"
            )
        self._normalizer, self._tokenizer = MosesPunctNormalizer(code), MosesTokenizer(code)
        self._detokenizer = MosesDetokenizer(code)

    def split(self, text: str) -> str:
        """Return the words of a text and its punctuation, special characters escaped, between spaces."""
        words: str = self._tokenizer.tokenize(self._normalizer.normalize(text), escape=True, return_str=True)
        return words

    def join(self, text: str) -> str:
        """Return a text of such words as a person writes it."""
        joined: str = self._detokenizer.detokenize(text.split())
        return joined
