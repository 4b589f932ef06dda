"""Who may read the pages: whoever has the address with its token, under a name of this machine."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a request has to show."""

    host: str
    """Where the server listens."""
    port: int
    """The port there."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """What the address that is printed has in it, and then a cookie."""

    @property
    def url(self) -> str:
        """The address to open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers keep one jar for all ports of a machine."""
        return f"metta_sweep_{self.port}"

    def knows(self, host: str) -> bool:
        """Return whether a request's Host header names this machine: no page can make a name of its own point here.

        A server that others may reach has names that are not known here; there the token alone counts.
        """
        if not is_loopback(self.host):
            return True
        try:
            asked = urlsplit(f"//{host}")
            return asked.hostname in {*LOOPBACK_NAMES, self.host} and asked.port in (self.port, None)
        except ValueError:
            return False

    def admits(self, cookies: str) -> bool:
        """Return whether the request's cookies have the token."""
        jar: SimpleCookie = SimpleCookie()
        jar.load(cookies)
        found = jar.get(self.cookie)
        return found is not None and self.is_token(found.value)

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token."""
        return secrets.compare_digest(text.encode(), self.token.encode())

    def without_token(self, path: str, query: str) -> str | None:
        """Return the address without the token; None where it has none, or a wrong one."""
        pairs = parse_qsl(query, keep_blank_values=True)
        if not any(name == "token" and self.is_token(value) for name, value in pairs):
            return None
        rest = urlencode([(name, value) for name, value in pairs if name != "token"])
        return f"/{path.lstrip('/')}{f'?{rest}' if rest else ''}"
