"""What must exist on a Pulsar cluster before the services start: said once, as steps that look and steps that make."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from services.common.config import LogSettings
from services.common.ports import Unavailable
from services.common.schemas import MESSAGES, broker_schema
from services.common.topics import DEAD_LETTERS_RETENTION, NAMESPACES, SUBSCRIPTIONS, TOPICS, UNLIMITED, Retention

REQUEST_SECONDS: Final = 10.0
ADMIN_PORT: Final = 8080


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing of the set-up: its name for people, whether it is there as wanted, and how it is made so."""

    name: str
    present: Callable[[], bool]
    make: Callable[[], None]


def ensure_topics(settings: LogSettings) -> list[str]:
    """Create what is missing: tenant, namespaces with retention, topics, schemas, subscriptions. Idempotent.

    Returns
    -------
    list of str
        What was made or changed; empty when all was there.

    Raises
    ------
    Unavailable
        The admin address does not answer, or refuses; says what and why.
    """
    made = []
    with _admin(settings) as admin:
        for step in _steps(admin, settings):
            if not step.present():
                step.make()
                made.append(step.name)
    return made


def missing(settings: LogSettings) -> list[str]:
    """Return what `ensure_topics` would make or change; raises Unavailable as it does."""
    with _admin(settings) as admin:
        return [step.name for step in _steps(admin, settings) if not step.present()]


def check(settings: LogSettings) -> str:
    """Return one line on the log's health, from a call on our own topic: a broker that is up may still lack our namespace.

    Raises Unavailable when the cluster does not answer or the log is not there.
    """
    with _admin(settings) as admin:
        path = f"persistent/{settings.tenant}/{TOPICS['log']}/stats"
        stats = admin.get(path)
        if stats is None:
            raise Unavailable(f"{path} is not there: run `plimsoll doctor`, which says what is missing")
        return f"{settings.tenant}/{TOPICS['log']}: {stats['storageSize']} bytes stored, {len(stats['publishers'])} producers"


def admin_address(settings: LogSettings) -> str:
    """Return the admin address: as set, or the broker's host at port 8080."""
    if settings.admin_url:
        return settings.admin_url.rstrip("/")
    return f"http://{urlsplit(settings.url).hostname}:{ADMIN_PORT}"


# ---------------------------------------------------------------- inside


class _Admin:
    """The admin REST interface: None for what is not there, Unavailable for any other refusal."""

    def __init__(self, address: str, client: httpx.Client) -> None:
        self._address = address
        self._client = client

    def get(self, path: str) -> Any:
        response = self._request("GET", path, None)
        return None if response.status_code == httpx.codes.NOT_FOUND or not response.content else response.json()

    def send(self, method: str, path: str, body: object = None) -> None:
        response = self._request(method, path, body)
        # Another process may have made it in between, with the same table in hand.
        if response.status_code not in (httpx.codes.CONFLICT,) and response.is_error:
            raise Unavailable(f"{method} {response.url}: {response.status_code} {response.text[:500]}")

    def _request(self, method: str, path: str, body: object) -> httpx.Response:
        url = f"{self._address}/admin/v2/{path}"
        try:
            response = self._client.request(method, url, json=body)
        except httpx.HTTPError as error:
            raise Unavailable(f"Pulsar's admin address {url}: {type(error).__name__} {error}; is RISK_LOG__ADMIN_URL right?") from None
        if method == "GET" and response.is_error and response.status_code != httpx.codes.NOT_FOUND:
            raise Unavailable(f"GET {response.url}: {response.status_code} {response.text[:500]}")
        return response


@contextmanager
def _admin(settings: LogSettings) -> Iterator[_Admin]:
    with httpx.Client(timeout=REQUEST_SECONDS, trust_env=False) as client:
        yield _Admin(admin_address(settings), client)


def _steps(admin: _Admin, settings: LogSettings) -> Iterator[_Step]:
    tenant = settings.tenant
    yield _Step(
        f"tenant {tenant}",
        lambda: tenant in (admin.get("tenants") or ()),
        lambda: admin.send("PUT", f"tenants/{tenant}", {"allowedClusters": admin.get("clusters"), "adminRoles": []}),
    )
    for namespace, retention in NAMESPACES.items():
        yield from _namespace_steps(admin, f"{tenant}/{namespace}", _retention(namespace, retention, settings))
    for name, topic in TOPICS.items():
        yield from _topic_steps(admin, name, f"{tenant}/{topic}")
    yield from _limit_steps(admin, f"persistent/{tenant}/{TOPICS['dead_letters']}", "dead letters", DEAD_LETTERS_RETENTION)


def _retention(namespace: str, default: Retention, settings: LogSettings) -> Retention:
    if namespace != "input" or settings.retention_hours == UNLIMITED:
        return default
    return Retention(settings.retention_hours * 60, default.mebibytes, default.backlog_mebibytes, default.backlog_policy)


def _namespace_steps(admin: _Admin, namespace: str, retention: Retention) -> Iterator[_Step]:
    path = f"namespaces/{namespace}"
    yield _Step(
        f"namespace {namespace}",
        lambda: namespace in (admin.get(f"namespaces/{namespace.split('/')[0]}") or ()),
        lambda: admin.send("PUT", path, {}),
    )
    yield from _limit_steps(admin, path, f"namespace {namespace}", retention)
    # A broker removes topics that nobody subscribes to; ours are read by position, and may be quiet for a weekend.
    keep = {"deleteWhileInactive": False, "maxInactiveDurationSeconds": 60, "inactiveTopicDeleteMode": "delete_when_no_subscriptions"}
    yield _Step(
        f"namespace {namespace}: keep inactive topics",
        lambda: admin.get(f"{path}/inactiveTopicPolicies") == keep,
        lambda: admin.send("POST", f"{path}/inactiveTopicPolicies", keep),
    )
    yield _Step(
        f"namespace {namespace}: no topic by mistake",
        lambda: (admin.get(f"{path}/autoTopicCreation") or {}).get("allowAutoTopicCreation") is False,
        lambda: admin.send("POST", f"{path}/autoTopicCreation", {"allowAutoTopicCreation": False}),
    )


def _limit_steps(admin: _Admin, path: str, what: str, retention: Retention) -> Iterator[_Step]:
    kept = {"retentionTimeInMinutes": retention.minutes, "retentionSizeInMB": retention.mebibytes}
    yield _Step(
        f"{what}: retention {retention.minutes} minutes, {retention.mebibytes} MiB (-1: no bound)",
        lambda: admin.get(f"{path}/retention") == kept,
        lambda: admin.send("POST", f"{path}/retention", kept),
    )
    if retention.backlog_mebibytes == UNLIMITED:
        return
    limit = {"limitSize": retention.backlog_mebibytes << 20, "policy": retention.backlog_policy}

    def present() -> bool:
        found = (admin.get(f"{path}/backlogQuotaMap") or {}).get("destination_storage", {})
        return {key: found.get(key) for key in limit} == limit

    yield _Step(
        f"{what}: backlog of {retention.backlog_mebibytes} MiB, then {retention.backlog_policy}",
        present,
        lambda: admin.send("POST", f"{path}/backlogQuota", limit),
    )


def _topic_steps(admin: _Admin, name: str, topic: str) -> Iterator[_Step]:
    namespace = topic.rsplit("/", 1)[0]
    yield _Step(
        f"topic {topic}",
        lambda: f"persistent://{topic}" in (admin.get(f"persistent/{namespace}") or ()),
        lambda: admin.send("PUT", f"persistent/{topic}"),
    )
    if name in MESSAGES:
        wanted = broker_schema(name)

        def same_schema() -> bool:
            found = admin.get(f"schemas/{topic}/schema")
            return found is not None and found["type"] == "JSON" and json.loads(found["data"]) == wanted

        yield _Step(
            f"schema of {topic}",
            same_schema,
            lambda: admin.send("POST", f"schemas/{topic}/schema", {"type": "JSON", "schema": json.dumps(wanted), "properties": {}}),
        )
    for subscription in SUBSCRIPTIONS.get(name, ()):
        yield _subscription_step(admin, topic, subscription)


def _subscription_step(admin: _Admin, topic: str, subscription: str) -> _Step:
    earliest = {"ledgerId": -1, "entryId": -1, "partitionIndex": -1}
    return _Step(
        f"subscription {subscription} of {topic}",
        lambda: subscription in (admin.get(f"persistent/{topic}/subscriptions") or ()),
        lambda: admin.send("PUT", f"persistent/{topic}/subscription/{subscription}", earliest),
    )
