"""Texts of which every token counts."""

from whet.data.render import Renderer
from whet.types import Tokens


def sentence(text: str, renderer: Renderer, begin: int, source: str = "") -> Tokens:
    """Return a text whose every token counts, after one that begins a text."""
    ids = (begin, *renderer.encode(text))
    return Tokens(ids, (0.0, *[1.0] * (len(ids) - 1)), source)


def beginning(renderer: Renderer) -> int:
    """Return the token that stands before a text: without one, the first word has no probability.

    It is <|endoftext|> where the tokenizer has it, as it parts the texts of pretraining (a BOS may open turns of a
    conversation there, after which only the name of a role is likely), else the BOS, else the end token.
    """
    end_of_text = renderer.tokenizer.token_to_id("<|endoftext|>")
    return (
        int(end_of_text)
        if end_of_text is not None
        else renderer.id(renderer.special.get("bos_token") or renderer.special["eos_token"])
    )
