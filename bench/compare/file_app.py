"""A Starlette application that answers with a file of apps.FILE's bytes.

The file is made when a server imports this, in a folder that goes with the process.
"""

import tempfile
from pathlib import Path

from apps import FILE
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "file"
path.write_bytes(FILE)


async def file(request):
    """The file, by Starlette's FileResponse."""
    return FileResponse(path, media_type="text/plain")


app = Starlette(routes=[Route("/file", file)])
