"""A FastAPI application with one JSON answer on an async and on a sync route.

It never imports a server. The sync route runs in Starlette's thread pool.
"""

from fastapi import FastAPI

app = FastAPI()


def item():
    """The answer of both routes."""
    return {"id": 7, "name": "lamp", "price": 12.5, "tags": ["light", "home"]}


@app.get("/async")
async def read_async():
    """On the event loop."""
    return item()


@app.get("/sync")
def read_sync():
    """In a worker thread."""
    return item()
