"""Drives a headless Chromium as a user does: through the DevTools protocol, with real input."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

NAMES = ("chromium", "google-chrome", "chrome")
WIDTH, HEIGHT = 1280, 800
PATIENCE = 30
# What Bokeh draws is in shadow trees.
FIND = """
(() => {
  const all = (selector, root = document) => {
    const inner = [...root.querySelectorAll('*')].map(e => e.shadowRoot).filter(r => r)
    return [...root.querySelectorAll(selector), ...inner.flatMap(r => all(selector, r))]
  }
  window.all = all
  window.one = (selector) => all(selector)[0] ?? null
  window.box = (e) => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height] }
  window.model = (name) => Bokeh.documents[0].get_model_by_name(name)
  // Where the dot of a row is in the window.
  window.spot = (row) => {
    const figure = model('map'), dots = figure.renderers[0]
    const frame = Bokeh.index.find_one(figure).frame
    const [x, y] = [dots.glyph.x, dots.glyph.y].map(each => dots.data_source.data[each.field][row])
    const corner = one('.bk-Figure').getBoundingClientRect()
    return [corner.x + frame.x_scale.compute(x), corner.y + frame.y_scale.compute(y)]
  }
})()
"""


def program() -> str | None:
    """The path of a Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A tab of a Chromium, with what it did.

    Attributes:
        requests: The addresses of all that it loaded.
        errors: What went wrong in the page's scripts.
    """

    def __init__(self, port: int) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._number, self._answers = 0, {}
        self._socket = self._loop.run_until_complete(self._connect(port))
        for domain in "Page", "Runtime", "Network", "DOM":
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.call("Page.addScriptToEvaluateOnNewDocument", source=FIND)

    async def _connect(self, port: int) -> Any:
        answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")
        tab = next(each for each in json.loads(answer.body) if each["type"] == "page")
        return await websocket_connect(tab["webSocketDebuggerUrl"], max_message_size=2**28)

    def close(self) -> None:
        """Leave the browser."""
        self._socket.close()
        self._loop.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol.

        Args:
            method: Its name.
            parameters: Its parameters.
        """
        return self._loop.run_until_complete(self._call(method, parameters))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        request = {"id": number, "method": method, "params": parameters}
        await self._socket.write_message(json.dumps(request))
        while True:
            message = await asyncio.wait_for(self._socket.read_message(), PATIENCE)
            assert message is not None, "the browser has gone"
            found = json.loads(message)
            if found.get("id") == number:
                assert "error" not in found, (method, found)
                return found["result"]
            if found.get("method") == "Network.requestWillBeSent":
                self.requests.append(found["params"]["request"]["url"])
            elif found.get("method") == "Network.webSocketCreated":
                self.requests.append(found["params"]["url"])
            elif found.get("method") == "Runtime.exceptionThrown":
                details = found["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", str(details)))

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, or of its promise.

        Args:
            script: The expression. `all(selector)` and `one(selector)` find elements, also in
                shadow trees; `box(element)` is where one is; `model(name)` is Bokeh's model of a
                name; and `spot(row)` is where a dot of the map is.
        """
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, patience: float = PATIENCE) -> Any:
        """Wait until an expression is true, and return its value.

        Args:
            script: The expression.
            patience: For how many seconds.
        """
        end = time.monotonic() + patience
        while True:
            with contextlib.suppress(AssertionError):
                if found := self.run(script):
                    return found
            assert time.monotonic() < end, f"not within {patience} s: {script}\n{self.errors}"
            time.sleep(0.02)

    def open(self, address: str) -> None:
        """Open a page, and wait until Bokeh has drawn it.

        Args:
            address: The page's address.
        """
        self.call("Page.navigate", url=address)
        self.wait("window.Bokeh?.documents?.length > 0 && Bokeh.documents[0].is_idle")
        # What is drawn last may move what was drawn before.
        self.rest(0.5)

    def rest(self, seconds: float) -> None:
        """Let the page do what it does by itself.

        Args:
            seconds: How long.
        """
        self.run(f"new Promise(done => setTimeout(done, {1000 * seconds}))")

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self._mouse("mouseMoved", x, y, "none")

    def click(self, x: float, y: float) -> None:
        """Click."""
        self.drag((x, y), (x, y))

    def drag(self, first: tuple[float, float], last: tuple[float, float], steps: int = 8) -> None:
        """Press at one point and release at another.

        Args:
            first: Where it begins.
            last: Where it ends; the pointer does not move if it is the same point.
            steps: In how many movements.
        """
        self._mouse("mouseMoved", *first, "none")
        self._mouse("mousePressed", *first, "left")
        for step in range(steps) if first != last else ():
            share = (step + 1) / steps
            at = [(1 - share) * a + share * b for a, b in zip(first, last, strict=True)]
            self._mouse("mouseMoved", *at, "left")
        self._mouse("mouseReleased", *last, "left")

    def _mouse(self, kind: str, x: float, y: float, button: str) -> None:
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1,
            buttons=int(button == "left"),
        )  # fmt: skip

    def click_on(self, element: str) -> None:
        """Click the middle of an element.

        Args:
            element: An expression for it.
        """
        x, y, width, height = self.wait(f"box({element})")
        self.click(x + width / 2, y + height / 2)

    def press(self, key: str, code: int) -> None:
        """Press a key.

        Args:
            key: Its name.
            code: The number of the key.
        """
        for kind in "rawKeyDown", "keyUp":
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def drop(self, file: Path, x: float, y: float) -> None:
        """Drag a file from outside into the page, and drop it."""
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in "dragEnter", "dragOver", "drop":
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the page.

        Args:
            path: A PNG file.
        """
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A new Chromium with a new profile, which ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                str(program()), "--headless", "--no-sandbox", "--disable-gpu",
                "--remote-debugging-port=0", f"--user-data-dir={profile}",
                "--no-first-run", "--disable-background-networking", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            written = Path(profile) / "DevToolsActivePort"
            end = time.monotonic() + PATIENCE
            while not (written.is_file() and written.read_text().count("\n")):
                assert process.poll() is None, "Chromium has ended"
                assert time.monotonic() < end, "Chromium does not start"
                time.sleep(0.05)
            tab = Browser(int(written.read_text().split("\n")[0]))
            try:
                yield tab
            finally:
                tab.close()
        finally:
            process.kill()
            process.wait()
