"""The lines of a server's log, as they stand on stderr; PID and PORT are filled in.

The words are the contract: people's scripts wait for them and monitors count them.
"""

STARTING = ["INFO:     Started server process [PID]"]
WAITING = ["INFO:     Waiting for application startup."]
UNSUPPORTED = ["INFO:     ASGI 'lifespan' protocol appears unsupported."]
COMPLETE = ["INFO:     Application startup complete."]
RUNNING = [
    "INFO:     Fastserve running on http://127.0.0.1:PORT (Press CTRL+C to quit)"
]
SHUTTING_DOWN = ["INFO:     Shutting down"]
CONNECTIONS = [
    "INFO:     Waiting for connections to close. (CTRL+C to force quit)",
]
BACKGROUND = [
    "INFO:     Waiting for background tasks to complete. (CTRL+C to force quit)",
]
STOPPING = [
    "INFO:     Waiting for application shutdown.",
    "INFO:     Application shutdown complete.",
]
FINISHED = ["INFO:     Finished server process [PID]"]

# From the first line to "running on", and from "Shutting down" to the last, of an
# application with a lifespan, of one without, and with --lifespan off.
STARTED = STARTING + WAITING + COMPLETE + RUNNING
STOPPED = SHUTTING_DOWN + STOPPING + FINISHED
STARTED_WITHOUT = STARTING + WAITING + UNSUPPORTED + COMPLETE + RUNNING
STARTED_OFF = STARTING + RUNNING
STOPPED_WITHOUT = SHUTTING_DOWN + FINISHED
