"""gunicorn with fastserve's worker.

    gunicorn -c gunicorn.conf.py

    kill -HUP PID     reads this file again and replaces the workers, without losing a
                      request
"""

import os

wsgi_app = "main:app"
worker_class = "fastserve.workers.FastserveWorker"
bind = ["127.0.0.1:8000"]
workers = int(os.environ.get("WEB_CONCURRENCY", os.cpu_count() or 1))

# A worker whose event loop does not turn for so long is killed and replaced.
timeout = 30
# How long running requests have to end when gunicorn stops.
graceful_timeout = 30

# Longer than the proxy in front keeps an idle connection: it is to close, not we.
keepalive = 75
# The proxies whose X-Forwarded-* are believed.
forwarded_allow_ips = "127.0.0.1,::1"

accesslog = "-"
errorlog = "-"
