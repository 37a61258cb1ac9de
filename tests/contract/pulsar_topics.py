"""Topics of a test's own on a real broker."""

from __future__ import annotations

import secrets

import httpx

from services.common.config import LogSettings
from tests.real_servers import PulsarServer


def log_settings(server: PulsarServer, tenant: str) -> LogSettings:
    """Return settings of a tenant on this server."""
    return LogSettings.model_validate({"url": server.url, "admin_url": server.admin_url, "tenant": tenant})


def new_topic(server: PulsarServer, tenant: str, namespace: str = "input") -> str:
    """Create an empty topic in a tenant that is set up, and return its address: the log itself is one a tenant."""
    name = f"{tenant}/{namespace}/log-{secrets.token_hex(6)}"
    admin(server, "PUT", f"persistent/{name}")
    return f"persistent://{name}"


def admin(server: PulsarServer, method: str, path: str, body: object = None) -> httpx.Response:
    """Call the admin interface; raises on refusal."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.request(method, f"{server.admin_url}/admin/v2/{path}", json=body).raise_for_status()
