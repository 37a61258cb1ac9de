"""Who may ask, and what browsers may do with the answer."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problems import ApiProblem, problem_response
from services.common.config import ApiSettings, SettingsError

GUARDED: Final = ("/api/", "/metrics")
"""Paths that need the key. Health and the console's files hold no numbers."""

STREAM_PATH: Final = "/api/v1/stream"
KEY_BYTES_MIN: Final = 16

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Inline styles are allowed since charts place their tooltips with them; scripts come from this server only."""


def is_loopback(host: str) -> bool:
    """Return whether an address to bind is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def required_key(settings: ApiSettings) -> str | None:
    """Return the key that requests must bring; None when bound to loopback without one.

    Raises
    ------
    SettingsError
        Bound beyond loopback without a key, or with one that is too short to be a secret.
    """
    key = settings.key.get_secret_value() if settings.key is not None else ""
    if not key and not is_loopback(settings.host):
        raise SettingsError(
            f"RISK_API__HOST = {settings.host!r} is reachable from other machines: set RISK_API__KEY to a secret, or bind to 127.0.0.1"
        )
    if key and len(key.encode()) < KEY_BYTES_MIN:
        raise SettingsError(f"RISK_API__KEY is shorter than {KEY_BYTES_MIN} bytes; make one with: openssl rand -hex 32")
    return key or None


class Guard:
    """Outermost layer: checks host and key, sets the security headers.

    Without a key (loopback only) the Host header must name this machine, so that a web page cannot reach the service through
    a name that it makes resolve to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, key: str | None, host: str) -> None:
        self._app = app
        self._key = key.encode() if key is not None else None
        self._hosts = {"localhost", "127.0.0.1", "[::1]", host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            await problem_response(refusal, scope["path"])(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> ApiProblem | None:
        headers = Headers(scope=scope)
        if self._key is None:
            name = headers.get("host", "").rsplit(":", 1)[0] if not headers.get("host", "").endswith("]") else headers["host"]
            if name not in self._hosts:
                return ApiProblem(
                    421, "misdirected-request", f"this service answers to {', '.join(sorted(self._hosts))}; set RISK_API__KEY"
                )
            return None
        path = scope["path"]
        if not path.startswith(GUARDED) or any(hmac.compare_digest(k, self._key) for k in _keys(scope, headers)):
            return None
        how = "send it in the header X-API-Key" + (" or as ?key=" if path == STREAM_PATH else "")
        return ApiProblem(401, "key-required", f"this needs the API key: {how}", {"WWW-Authenticate": 'ApiKey realm="plimsoll"'})


def _keys(scope: Scope, headers: Headers) -> Iterable[bytes]:
    """Return the keys that a request brings: a header, a bearer token (Prometheus sends one), or the stream's query."""
    yield headers.get("x-api-key", "").encode()
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield token.strip().encode()
    if scope["path"] == STREAM_PATH:
        yield from (k.encode() for k in parse_qs(scope["query_string"].decode("latin-1")).get("key", []))
