"""Documents to passages of text: Markdown, plain text, HTML, PDF and DOCX. Nothing in a document is run or fetched."""

from whet.data.documents.blocks import Block, Document, Passage
from whet.data.documents.passages import MOST, passages
from whet.data.documents.readers import KINDS, document

__all__ = ["KINDS", "MOST", "Block", "Document", "Passage", "document", "passages"]
