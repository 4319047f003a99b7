"""Where a server is, and the key that may be sent there."""

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from whet.errors import UsageError

KEYS = ("WHET_API_KEY", "OPENAI_API_KEY")  # environment variables; the first that is set counts


@dataclass(frozen=True, slots=True)
class Address:
    """A server's URL, as far as /chat/completions, with nothing in it that must not be shown."""

    url: str
    host: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """Return the address that a URL means. What it hides is not shown in errors either.

        Raises:
            UsageError: it is no http URL, or has a user, a password or a query.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise UsageError("an endpoint's URL cannot be read; write it as http://localhost:8000/v1") from None
        if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:%-]+", host, re.ASCII):
            raise UsageError("an endpoint's URL begins with http:// or https:// and a host: http://localhost:8000/v1")
        where = f"[{host}]" if ":" in host else host
        shown = f"{parts.scheme}://{where}{f':{port}' if port else ''}{parts.path}".rstrip("/")
        if "@" in parts.netloc or parts.query or parts.fragment:
            way = f"leave it out and put a key into ${KEYS[0]}"
            raise UsageError(f"{shown}: the URL given has a user, a password or a query in it; {way}")
        return cls(shown, host)

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def official(self) -> bool:
        """Whether it is OpenAI's own."""
        return self.host == "api.openai.com"

    def key(self) -> tuple[str, str]:
        """Return the key and the variable that it stands in; both are empty where there is none.

        Raises:
            UsageError: it cannot be a key, or must not be sent there.
        """
        name = next((name for name in KEYS if os.environ.get(name, "").strip()), "")
        key = os.environ.get(name, "").strip()
        if key and not re.fullmatch(r"[!-~]+", key):
            raise UsageError(f"${name} holds a character that no key has; set it anew")
        if key and self.url.startswith("http://") and not self.local:
            raise UsageError(
                f"{self.url}: over plain http everybody on the way could read the key in ${name}; "
                f"use https, or unset ${name} if the server wants none"
            )
        return key, name
