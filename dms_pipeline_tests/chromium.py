"""A real browser for the tests: Chromium without a window, driven over its DevTools protocol.

The protocol runs over a pipe, so nothing listens on a port, and a browser whose test was killed
sees the pipe closed and ends too.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

NO_CHROMIUM = "no Chromium here; on Debian: apt-get install chromium"
TIMEOUT_S = 30.0
_POLL_S = 0.05
# Without a sandbox, as root has none; all pages are ours.
_OPTIONS = (
    "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars",
)  # fmt: skip
# The descriptors that Chromium has the protocol on, which Popen cannot give to it.
_REQUESTS, _ANSWERS, _FREE = 3, 4, 5
_FIND = """
(() => {
  const found = [...document.querySelectorAll('a')].find(a => a.innerText.trim() === %s);
  if (!found) return null;
  found.scrollIntoView({block: 'center', inline: 'center'});
  const box = found.getClientRects()[0];
  return [box.x + box.width / 2, box.y + box.height / 2];
})()
"""


class Chromium:
    """One browser; its protocol's commands and what it tells unasked."""

    def __init__(self, requests: int, answers: int) -> None:
        """Write requests to one descriptor and read from the other."""
        self._requests, self._answers = requests, answers
        self._unread = b""
        self._last_id = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._last_id += 1
        request = {"id": self._last_id, "method": method, "params": params}
        request |= {"sessionId": session} if session else {}
        os.write(self._requests, json.dumps(request).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._last_id:
                if "error" in message:
                    raise ProtocolError(message["error"]["message"])
                result: dict[str, Any] = message["result"]
                return result
            if message.get("method") == "Page.javascriptDialogOpening":
                # It keeps the page from answering.
                raise AssertionError(f"a dialog opens: {message['params']['message']}")
            self.events.append(message)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            if not select.select([self._answers], [], [], TIMEOUT_S)[0]:
                raise AssertionError("the browser does not answer")
            if not (more := os.read(self._answers, 1 << 16)):
                raise AssertionError("the browser is gone")
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


class ProtocolError(Exception):
    """A command that cannot be carried out now, as while one page makes way for the next."""


class NeverTrueError(AssertionError):
    """The page did not come to show what was waited for."""


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser with a profile of its own; skips where there is none."""
    if (program := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        pytest.skip(NO_CHROMIUM)
    (its_requests, requests), (answers, its_answers) = _pipe(), _pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = os.posix_spawn(
            program,
            [program, *_OPTIONS, f"--user-data-dir={profile}"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, its_requests, _REQUESTS),
                (os.POSIX_SPAWN_DUP2, its_answers, _ANSWERS),
            ],
            setpgroup=0,
        )
        os.close(its_requests)
        os.close(its_answers)
        try:
            yield Chromium(requests, answers)
        finally:
            # With the processes that it started.
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(requests)
            os.close(answers)


def _pipe() -> list[int]:
    """Its two ends, not where Chromium's are to be."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FREE) for end in ends]
    for end in ends:
        os.close(end)
    return moved


@dataclass
class Page:
    """A tab as its user sees it."""

    browser: Chromium
    target: str
    session: str

    @classmethod
    def opened(cls, browser: Chromium) -> Self:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        page = cls(browser, target, attached["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        return page

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def visit(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)}")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that may be computed twice."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
            except ProtocolError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
                continue
            assert "exceptionDetails" not in result, result
            return result["result"].get("value")

    def until(self, expression: str, timeout_s: float = TIMEOUT_S) -> Any:
        """The value of the expression, once the page is complete and it is true."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if value := self.evaluate(f"document.readyState === 'complete' && ({expression})"):
                return value
            time.sleep(_POLL_S)
        shown = self.evaluate("document.body?.innerText")
        raise NeverTrueError(f"{expression}; the page:\n{shown}")

    def until_shown(self, words: str) -> None:
        self.until(f"document.body.innerText.includes({json.dumps(words)})")

    @property
    def text(self) -> str:
        """What can be read on it."""
        return str(self.until("document.body.innerText"))

    def click(self, link: str) -> None:
        """Presses the mouse on a link and waits for the page behind it."""
        before = self.evaluate("location.href")
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            x, y = self.until(_FIND % json.dumps(link))
            try:
                for kind in ("mousePressed", "mouseReleased"):
                    self.call(
                        "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
                    )
                self.until(f"location.href !== {json.dumps(before)}", timeout_s=2)
            except (ProtocolError, NeverTrueError):
                # A page that is just loaded again loses the click.
                continue
            return
        raise AssertionError(f"the link {link!r} leads nowhere")

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """As a window or a phone of this width; Chromium's own windows are wider than phones."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=width < 600,
        )  # fmt: skip

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _told(self, *methods: str) -> list[dict[str, Any]]:
        return [
            event["params"]
            for event in self.browser.events
            if event.get("sessionId") == self.session and event.get("method") in methods
        ]

    def requested(self) -> list[str]:
        """The URLs of all that it asked for."""
        return [event["request"]["url"] for event in self._told("Network.requestWillBeSent")]

    def complaints(self) -> list[dict[str, Any]]:
        """Errors, messages on the console, violated policies."""
        return self._told("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
