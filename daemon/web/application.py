"""The web application: which path leads where."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from daemon.live import Live
from daemon.web.access import Access, Faults
from daemon.web.api import Api
from daemon.web.feeds import Feeds, asset
from daemon.web.health import Health, Metrics
from daemon.web.hooks import Hooks
from daemon.web.page import Page


def application(live: Live, metrics: Metrics | None = None) -> Starlette:
    """What is answered about the running service; `metrics` gives the text for Prometheus. The configuration is asked
    for at each request, for it may have been read again."""
    health, api = Health(live, metrics), Api(live)
    app = Starlette(
        routes=[
            Route("/", Page(live).answer),
            Route("/assets/{name}", asset),
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/metrics", health.metrics),
            Route("/feeds/{name}", Feeds(live).answer),
            Route("/hooks/{name}", Hooks(live).answer, methods=["POST"]),
            Route("/api/status", api.status),
            Route("/api/links", api.links),
            Route("/api/artifacts", api.artifacts),
            Route("/api/explain/{key:path}", api.explain),
        ],
        middleware=[Middleware(Faults, live=live), Middleware(Access, live=live)],
    )
    app.router.redirect_slashes = False  # /feeds/x/ is nothing, and no reason to send anybody elsewhere
    return app
