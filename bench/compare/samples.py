"""What a round of load leaves behind, in one form for every kind of load."""

import math

PERCENTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def record(usage, requests, seconds, latency_us, errors=None):
    """The sample of `requests` answers (or events) that came in `seconds`.

    `latency_us` has the keys of PERCENTILES, or is None where nothing was timed.
    """
    return {
        "value": usage.server_cpu * 1e6 / requests,
        "rate": requests / seconds,
        "requests": requests,
        "errors": errors or {},
        "latency_us": latency_us,
        "usage": usage.as_dict(),
    }


def percentiles_us(seconds):
    """Percentiles of a list of times in seconds, as microseconds.

    Each is a time that was measured: the smallest that no more than the rest exceed.
    """
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        name: ordered[min(last, math.ceil(share * len(ordered)) - 1)] * 1e6
        for name, share in PERCENTILES.items()
    }
