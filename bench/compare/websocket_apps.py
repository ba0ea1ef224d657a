"""The ASGI applications of the WebSocket workloads, served alike by every server.

They are what a handler written against ASGI itself would be: every message is a new
dict, nothing is kept but the connections of the broadcast.
"""

listeners = set()


async def echo(scope, receive, send):
    """Every message goes back as it came."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


async def broadcast(scope, receive, send):
    """Every message goes to all connections, its sender's among them."""
    await receive()
    await send({"type": "websocket.accept"})
    listeners.add(send)
    try:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message["text"]
            for listener in list(listeners):
                await listener({"type": "websocket.send", "text": text})
    finally:
        listeners.discard(send)
