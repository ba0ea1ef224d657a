"""A Python environment that has everything of ours but uvicorn.

Made of links to what is installed here, so it needs no network and a second at most.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

LEFT_OUT = re.compile(r"uvicorn([-_.]|$)|.*\.(pth|egg-link)$|__pycache__$")


def make_environment(folder: Path) -> str:
    """Make it in `folder`; returns the path of its Python.

    Raises CalledProcessError when that Python could import uvicorn after all.
    """
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    python = folder / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    for installed in sys.path:
        if Path(installed).name == "site-packages":
            for entry in Path(installed).iterdir():
                link = Path(packages, entry.name)
                if not LEFT_OUT.match(entry.name) and not link.exists():
                    link.symlink_to(entry)
    proof = (
        "import importlib.util as u, importlib.metadata as m, uvloop\n"
        "assert u.find_spec('uvicorn') is u.find_spec('uvicorn_worker') is None\n"
        "assert not list(m.distributions(name='uvicorn'))\n"
    )
    subprocess.run([python, "-P", "-c", proof], check=True)
    return str(python)
