"""A web server on this machine for one page, by Bokeh."""

import errno
import ipaddress
import logging
import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from kvae.errors import KvaeError, UsageError

if TYPE_CHECKING:
    from bokeh.document import Document

HOST, PORT = "127.0.0.1", 5007
LARGEST_MESSAGE = 2**26
"""Bytes of a message from the page, at most. A picture in it is a third larger than its file."""


def require_bokeh() -> None:
    """Check that Bokeh is installed.

    Raises:
        KvaeError: It is not.
    """
    try:
        import bokeh  # noqa: F401
    except ImportError as error:
        raise KvaeError("kvae explore needs Bokeh: pip install 'kvae[explore]'") from error


class Server:
    """Listens on a port from the beginning, and serves a page when it runs.

    Args:
        host: The name or the IPv4 address of this machine on which it listens. Other machines reach
            it only if it is not that of the loopback interface.
        port: The port; 0 takes a free one.

    Attributes:
        address: The address of the page.
        is_private: Whether only this machine reaches it.

    Raises:
        UsageError: The host cannot be a name or an address.
        KvaeError: The port is taken, or the machine has no such name or address.
    """

    def __init__(self, host: str = HOST, port: int = PORT) -> None:
        from bokeh.server.util import bind_sockets

        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", host):
            raise UsageError(f"`host` must be a name or an IPv4 address, got {host!r:.80}")
        try:
            self._sockets, self._port = bind_sockets(host, port)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                why = "is taken" if error.errno == errno.EADDRINUSE else "needs more rights"
                raise KvaeError(
                    f"port {port} of {host} {why}: give another `port`, or `port=0` for a free one"
                ) from error
            raise KvaeError(
                f"cannot listen on {host} ({error.strerror}): `host` must be a name or an address "
                "of this machine"
            ) from error
        except UnicodeError as error:
            raise UsageError(
                f"`host` must be a name or an IPv4 address, got {host!r:.80}"
            ) from error
        bound = [ipaddress.ip_address(each.getsockname()[0]) for each in self._sockets]
        self.is_private = all(address.is_loopback for address in bound)
        self._names = {host, *(str(address) for address in bound if address.version == 4)}
        if self.is_private:
            self._names |= {"127.0.0.1", "localhost"}
        shown = host
        if any(address.is_unspecified for address in bound):
            # It listens on all interfaces, and is reached by every name of this machine.
            shown = socket.gethostname()
            self._names |= {"127.0.0.1", "localhost", shown, *_addresses(shown)}
        self.address = f"http://{shown}:{self._port}/"

    def run(self, fill: Callable[["Document"], None]) -> None:
        """Serve the page until the process ends.

        The page's websocket is open only to pages of this server, so that other pages in the same
        browser cannot read it.

        Args:
            fill: Fills the document of a new visitor.
        """
        from bokeh.application import Application
        from bokeh.application.handlers import FunctionHandler
        from bokeh.server.server import BaseServer
        from bokeh.server.tornado import BokehTornado
        from tornado.httpserver import HTTPServer
        from tornado.ioloop import IOLoop

        # A visitor who leaves is nothing to warn about.
        for name in "bokeh.server.views.ws", "tornado.access":
            logging.getLogger(name).setLevel(logging.ERROR)
        tornado = BokehTornado(
            {"/": Application(FunctionHandler(fill))},
            extra_websocket_origins=[f"{name.lower()}:{self._port}" for name in self._names],
            websocket_max_message_size_bytes=LARGEST_MESSAGE,
        )
        http = HTTPServer(tornado)
        http.add_sockets(self._sockets)
        server = BaseServer(IOLoop.current(), tornado, http)
        server.start()
        server.io_loop.start()


def _addresses(name: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)]
    except OSError:
        return []
