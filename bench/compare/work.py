"""What every workload has, of whatever kind; workloads.py has the table."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Work:
    """One table of the report: a row for each server."""

    name: str
    title: str
    app: str  # MODULE:ATTRIBUTE, in this directory
    kind: str  # how it is measured: rounds.py knows them
    connections: int = 64
    limits: tuple[str, ...] = ()  # the limits that can answer it
    workers: int = 1
    tls: bool = False
    access_log: bool = False
    rate: bool = False  # whether it is in the table of a constant rate too
    core: bool = False  # whether the minor servers take part too

    @property
    def is_websocket(self):
        """Whether connections become WebSockets."""
        return self.kind.startswith("websocket")

    @property
    def is_idle(self):
        """Whether connections are held that say nothing."""
        return self.kind.endswith("idle")
