"""Keys, tokens and passwords."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from whet.data.findings import Found, Seen

__all__ = ["Secrets"]

_ISSUED = {  # by what their issuers document: words of which one stands in it, and the whole form
    "AWS access key": (("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9_]{60,255}\b",
    ),
    "GitLab token": (("glpat-",), r"\bglpat-[\w-]{20,}"),
    "Slack token": (("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "Anthropic key": (("sk-ant-",), r"\bsk-ant-[\w-]{20,}"),
    "OpenAI key": (("sk-",), r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?(?=[\w-]*\d)[\w-]{20,}"),
    "Google key": (("AIza",), r"\bAIza[\w-]{35}\b"),
    "Stripe key": (("k_live_",), r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    "Hugging Face token": (("hf_",), r"\bhf_[A-Za-z0-9]{30,}\b"),
    "npm token": (("npm_",), r"\bnpm_[A-Za-z0-9]{36}\b"),
    "PyPI token": (("pypi-",), r"\bpypi-[\w-]{50,}"),
    "SendGrid key": (("SG.",), r"\bSG\.[\w-]{16,}\.[\w-]{16,}"),
    "JSON web token": (("eyJ",), r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "private key": (("-----BEGIN",), r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "password in an address": (("://",), r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,64}:[^\s:/@]{3,}@[\w.-]+"),
}
_WORDS = tuple(word for words, _ in _ISSUED.values() for word in words)
_FORMS = [(kind, words, re.compile(form)) for kind, (words, form) in _ISSUED.items()]
_CALLED = ("passw", "passphrase", "pwd", "secret", "key", "token")
_NAMED = re.compile(
    r"\b(?:pass(?:word|wd|phrase)|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|client[_-]?secret)"
    r"[\"']?\s*(?:=|:|\bis\b)\s*[\"'`]?(?P<value>[^\s\"'`,;]{8,128})",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(r"(?i)^(?:your|my|the|<|\{|\[|\$|%|x{4,}|\*{3,}|\.{3,}|change|example|password|secret|none|null)")
_BITS = 3.0  # of entropy for each sign: words have less, drawn keys more


class Secrets:
    """Finds keys and tokens by the forms that their issuers gave them, and values that are called a password or key."""

    def __init__(self) -> None:
        self._rows: dict[str, Counter[int]] = defaultdict(Counter)

    def see(self, row: Seen) -> None:
        """Look at a row."""
        for text in row.texts:
            for kind, _, _ in secrets(text):
                self._rows[kind][row.number] += 1

    def findings(self) -> Iterator[Found]:
        """Yield a finding for each kind."""
        for kind, counts in sorted(self._rows.items()):
            yield Found(
                "secret",
                "error",
                [number for number, _ in counts.most_common()],
                f"{sum(counts.values()):,} x {kind}: whoever may ask the model may get it",
                "revoke it where it was issued, then replace it by a placeholder",
            )


def secrets(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, begin, end) of each secret in a text."""
    spans = []
    if _holds(text, _WORDS):
        for kind, words, form in _FORMS:
            if _holds(text, words):
                for found in form.finditer(text):
                    spans.append(found.span())
                    yield kind, *found.span()
    if not _holds(text.lower(), _CALLED):
        return
    for found in _NAMED.finditer(text):
        begin, end = found.span("value")
        value = found["value"]
        if not any(begin < last and first < end for first, last in spans) and _drawn(value):
            yield "password or key", begin, end


def _holds(text: str, words: Sequence[str]) -> bool:
    for word in words:  # noqa: SIM110 (any() over a generator takes three times as long, and this is asked of every row)
        if word in text:
            return True
    return False


def _drawn(value: str) -> bool:
    """Say whether a value looks drawn at random rather than written: an example, a word, a piece of code."""
    if _EXAMPLE.match(value) or not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
        return False
    if re.search(r"[()<>{}\[\]$]", value):
        return False
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values()) >= _BITS
