"""The texts nearest to a question in meaning, by a sentence-embedding model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whet.errors import UsageError


class Embedder:
    """A sentence-embedding model (Reimers and Gurevych 2019, arXiv:1908.10084): `embedder(texts)` is an index of them.

    What is told of it is computed once however often it is asked for.

    Raises:
        UsageError: the extra is not installed, or there is no such model.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise UsageError(
                "eval.embedder: needs the extra `embeddings`: pip install 'whet-llm[embeddings]'; without "
                "eval.embedder, BM25 finds what is near"
            ) from None
        self.name = name
        try:
            self._model: Any = SentenceTransformer(name, device=device)  # code that comes with a model is not run
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            what = (str(error) or type(error).__name__).strip().splitlines()[0]
            raise UsageError(f"eval.embedder: {name} is no model of sentence-transformers: {what}") from None
        self._known: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str]) -> "Embedded":
        """Return an index of these texts."""
        return Embedded(self, texts)

    def vectors(self, texts: Sequence[str]) -> Any:
        """Return the embedding of each text, of length 1. Shapes: (N, H) float32."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            made = self._model.encode(fresh, normalize_embeddings=True, show_progress_bar=False)
            self._known.update(zip(fresh, made, strict=True))
        return np.stack([self._known[text] for text in texts])


class Embedded:
    """Looks texts up by the cosine between embeddings.

    Raises:
        ValueError: there are no texts.
    """

    def __init__(self, embedder: Embedder, texts: Sequence[str]) -> None:
        if not texts:
            raise ValueError("there are no texts to look up")
        self._embedder, self._texts = embedder, embedder.vectors(texts)

    def find(self, questions: Sequence[str], count: int) -> list[list[int]]:
        """Return, per question, the places of so many texts (fewer if there are fewer), the nearest first."""
        if not questions:
            return []
        near = self._embedder.vectors(questions) @ self._texts.T
        return [np.argsort(-row, kind="stable")[:count].tolist() for row in near]
