"""Worker classes as users write them, for `gunicorn -k`."""

from __future__ import annotations

from _drain_app import LIMIT, NOTICE

from fastserve.workers import FastserveWorker


class WithSettings(FastserveWorker):
    """What CONFIG_KWARGS says goes before gunicorn's own settings."""

    CONFIG_KWARGS = {
        "loop": "asyncio",
        "root_path": "/api",
        "headers": [("x-from", "settings")],
        "timeout_keep_alive": 1,
    }


class Drains(FastserveWorker):
    """Event streams are told soon."""

    CONFIG_KWARGS = {"timeout_drain_notice": NOTICE}


class DrainsSoon(FastserveWorker):
    """All are told soon."""

    CONFIG_KWARGS = {"timeout_graceful_shutdown": LIMIT}


class Watched(FastserveWorker):
    """Says what holds its loop up."""

    CONFIG_KWARGS = {"warn_blocked_loop": 0.5}
