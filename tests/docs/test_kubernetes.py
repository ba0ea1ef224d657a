"""deploy/kubernetes.yaml without a cluster: command, probes, preStop, a pod's end."""

from __future__ import annotations

import re
import signal
import subprocess
import threading

import pytest
import yaml
from _deploy import DEPLOY
from _process import serve

DEPLOYMENT, SERVICE = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
POD = DEPLOYMENT["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def arguments() -> list[str]:
    """The manifest's command, for an application and an address of the test's."""
    command, app, *args = CONTAINER["args"]
    assert (command, app) == ("fastserve", "app:app")
    assert {"--host=0.0.0.0", "--port=8000"} <= set(args)
    return [arg for arg in args if not arg.startswith(("--host", "--port"))]


def option(name: str) -> int:
    [value] = [arg.partition("=")[2] for arg in arguments() if arg.startswith(name)]
    return int(value)


def test_names_and_ports_meet() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert SERVICE["spec"]["selector"] == labels
    [port] = CONTAINER["ports"]
    assert port == {"name": "http", "containerPort": 8000}
    assert [each["targetPort"] for each in SERVICE["spec"]["ports"]] == ["http"]
    for name in PROBES:
        assert CONTAINER[name]["httpGet"]["port"] == "http"
    # The image's own command is replaced, not added to.
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert not re.search(r"^ENTRYPOINT", dockerfile, re.M)


def test_the_pod_has_time_to_end() -> None:
    [word, seconds] = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert word == "sleep"
    needed = int(seconds) + option("--timeout-graceful-shutdown")
    assert POD["terminationGracePeriodSeconds"] > needed


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_is_answered(probe: str) -> None:
    with serve("_apps:hello", *arguments()) as server:
        assert server.get(CONTAINER[probe]["httpGet"]["path"]).status == 200


def test_a_request_that_runs_while_the_pod_ends_is_answered() -> None:
    with serve("_apps:slow", *arguments()) as server:
        client = server.begin_slow_request(2, "Connection: close")
        # preStop, shortened; requests that come meanwhile are answered.
        hook = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
        waits = threading.Thread(target=subprocess.run, args=([*hook[:-1], "0.5"],))
        waits.start()
        assert server.get("/?0").status == 200
        waits.join()
        server.send_signal(signal.SIGTERM)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert server.wait() == -signal.SIGTERM
