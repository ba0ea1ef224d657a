"""Worker classes as users write them, for `gunicorn -k`."""

from __future__ import annotations

from fastserve.workers import FastserveWorker


class WithSettings(FastserveWorker):
    """What CONFIG_KWARGS says goes before gunicorn's own settings."""

    CONFIG_KWARGS = {
        "loop": "asyncio",
        "root_path": "/api",
        "headers": [("x-from", "settings")],
        "timeout_keep_alive": 1,
    }
