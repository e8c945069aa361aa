"""What the service answers over HTTP: its health, metrics, feeds, hooks, the command line's documents and a page."""

from daemon.web.application import application
from daemon.web.serving import serving

__all__ = ["application", "serving"]
