"""Features over HTTP: `catenary serve`.

    request ──► access ──► body within limits ──► token waited for ──► fetcher ──► JSON or Arrow

`application.py` is what a server calls (RSGI), `server.py` runs it in Granian's workers. A definition's
own routes are an `Endpoint`; what all routes answer is described by `openapi.py`, which tests hold to it.
Granian comes with the extra `serve`, the page of metrics with `observe`; `docs/serving.md` is for users.
"""
