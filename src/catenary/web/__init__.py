"""Features over HTTP: `catenary serve`.

    request ──► access ──► body within limits ──► token waited for ──► fetcher ──► JSON or Arrow

`application.py` is what a server calls (ASGI), or asks for what is at hand at once. `protocol.py` is one
connection, `listener.py` one worker, `supervisor.py` keeps workers running, `server.py` begins all of it. A
definition's own routes are an `Endpoint`; what all routes answer is described by `openapi.py`, which tests
hold to it. uvicorn comes with the extra `serve`, the page of metrics with `observe`; `docs/serving.md` is for
users.
"""
