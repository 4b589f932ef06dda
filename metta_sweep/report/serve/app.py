"""The server: addresses, and what stands before all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from metta_sweep.errors import MettaSweepError
from metta_sweep.report.html.page import plotly_js
from metta_sweep.report.overview import SweepLine
from metta_sweep.report.reading import paths_of
from metta_sweep.report.serve.access import Access
from metta_sweep.report.serve.pages import line_of, list_page, refused_page, run_page, sweep_page
from metta_sweep.report.serve.watching import REST, Kept, Made, Mark, folder_mark, mark_of, together
from metta_sweep.store.paths import SweepPaths, sweep_names

LOOK_S = 1.0
"""Seconds between two looks at what has changed."""

QUIET_LOOKS = 15
"""Looks without news after which a word goes to a page all the same: a connection that is gone shows by it."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer says to the browser: nobody else may show, keep or read it."""

Next = Callable[[Request], Awaitable[Response]]


class Pages:
    """Answers what is asked of the sweeps of one folder. Nothing here writes."""

    def __init__(self, data_dir: Path, is_ending: Callable[[], bool]) -> None:
        self._data_dir = data_dir
        self._is_ending = is_ending
        self._reports: Kept[str] = Kept(rest=REST)
        self._lines: Kept[SweepLine] = Kept(rest=0.0)

    def routes(self) -> list[Route]:
        """Return the addresses; each is only ever read."""
        return [
            Route("/", self._list),
            Route("/events", self._list_events),
            Route("/assets/plotly.js", self._plotly),
            Route("/sweeps/{name}/", self._sweep),
            Route("/sweeps/{name}/events", self._sweep_events),
            Route("/sweeps/{name}/runs/{run}/", self._run),
        ]

    async def _list(self, request: Request) -> Response:
        del request
        return HTMLResponse(await asyncio.to_thread(self._list_page))

    def _list_page(self) -> str:
        sweeps = [SweepPaths(self._data_dir, name) for name in sweep_names(self._data_dir)]
        made = [self._line(paths) for paths in sweeps]
        return list_page([one.content for one in made], self._data_dir, together(one.mark for one in made))

    def _line(self, paths: SweepPaths) -> Made[SweepLine]:
        return self._lines.get(paths, lambda _: line_of(paths))

    async def _sweep(self, request: Request) -> Response:
        paths = paths_of(request.path_params["name"], self._data_dir)
        made = await asyncio.to_thread(self._reports.get, paths, lambda mark: sweep_page(paths, mark))
        return HTMLResponse(made.content)

    async def _run(self, request: Request) -> Response:
        paths, run_id = paths_of(request.path_params["name"], self._data_dir), request.path_params["run"]
        if run_id not in await asyncio.to_thread(paths.run_ids):
            return HTMLResponse(refused_page(f"sweep {paths.name} has no run {run_id} with a directory"), 404)
        return HTMLResponse(await asyncio.to_thread(run_page, paths.run(run_id), paths.name))

    async def _plotly(self, request: Request) -> Response:
        del request
        script = await asyncio.to_thread(plotly_js)
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400"})

    async def _list_events(self, request: Request) -> Response:
        return self._events(request, lambda: folder_mark(self._data_dir))

    async def _sweep_events(self, request: Request) -> Response:
        paths = paths_of(request.path_params["name"], self._data_dir)
        return self._events(request, lambda: mark_of(paths))

    def _events(self, request: Request, look: Callable[[], Mark]) -> Response:
        return StreamingResponse(self._news(request, look), media_type="text/event-stream")

    async def _news(self, request: Request, look: Callable[[], Mark]) -> AsyncIterator[str]:
        """Yield the mark of what there is, and again with every change, until the reader is gone or the server ends."""
        yield "retry: 2000\n\n"
        seen, quiet = "", 0
        while not self._is_ending() and not await request.is_disconnected():
            found = await asyncio.to_thread(look)
            quiet = 0 if found != seen else quiet + 1
            if found != seen:
                seen = found
                yield f"event: mark\ndata: {found}\n\n"
            elif quiet % QUIET_LOOKS == 0:
                yield ": still here\n\n"
            await asyncio.sleep(LOOK_S)


class Door:
    """Lets in who has the token, under a name of this machine; everybody else learns nothing."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __call__(self, request: Request, go_on: Next) -> Response:
        """Answer a request, or hand it on."""
        response = self._refusal(request) or await _answered(request, go_on)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _refusal(self, request: Request) -> Response | None:
        access = self._access
        if not access.knows(request.headers.get("host", "")):
            return HTMLResponse(refused_page("this server is not known under that name"), 421)
        if request.method not in ("GET", "HEAD"):
            return HTMLResponse(refused_page("these pages are only read"), 405)
        clean = access.without_token(request.url.path, request.url.query)
        if clean is not None:
            response = RedirectResponse(clean, 303)
            response.set_cookie(access.cookie, access.token, httponly=True, samesite="lax", path="/")
            return response
        if not access.admits(request.headers.get("cookie", "")):
            return HTMLResponse(
                refused_page("open the address that metta-sweep serve has printed: it has a token"), 403
            )
        return None


async def _answered(request: Request, go_on: Next) -> Response:
    try:
        return await go_on(request)
    except MettaSweepError as error:
        return HTMLResponse(refused_page(str(error)), 404 if error.exit_code == 2 else 500)


def application(data_dir: Path, access: Access, is_ending: Callable[[], bool] = lambda: False) -> Starlette:
    """Return the server's application.

    Args:
        data_dir: Where sweeps lie.
        access: What a request has to show.
        is_ending: Whether the server is to end: then no page is kept up to date any more.
    """
    door = Middleware(BaseHTTPMiddleware, dispatch=Door(access))
    return Starlette(routes=Pages(data_dir, is_ending).routes(), middleware=[door])
