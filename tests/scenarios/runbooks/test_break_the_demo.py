"""The demo is broken in five ways while it runs. Each is named within a minute, and what was broken is ended by its
runbook's commands.

Nobody looks into a process: what is known comes from commands and from the console, as for whoever is on call.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.kit.mesh import TRUSTPLANE, until
from tests.kit.runbook_play import Play
from trustplane.cli import admin
from trustplane.main.demo.mesh import CONSOLE_PORT
from trustplane.wire.http_people_shapes import AccountRequest, AccountShape

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NAMED_WITHIN = 60.0
UP_WITHIN = 180.0
PASSWORD = "seven plain words that nobody guesses"  # noqa: S105 - of an account that ends with the test
WEB, PAYMENTS_PORT = 20101, 20203  # where customers order, and where payments lets callers in, in the example
PAYMENTS = "spiffe://shop.example/ns/shop/sa/payments"
_EXPORT = re.compile(r"export (\w+)=(\S+)")
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


@dataclass(frozen=True)
class Demo:
    directory: Path
    environment: Mapping[str, str]
    address: str

    def play(self, slug: str, leaves: Mapping[str, str] | None = None, **values: object) -> Play:
        return Play(slug, self.environment, values, leaves or {})

    def run(self, *words: str) -> str:
        environment = {**os.environ, **self.environment}
        ran = subprocess.run([*TRUSTPLANE, *words], capture_output=True, text=True, check=False, env=environment)
        return ran.stdout + ran.stderr

    def is_named(self, says: Callable[[], bool], what: str) -> None:
        until(says, f"named: {what}", NAMED_WITHIN)

    def is_paid(self) -> bool:
        """An order, through web, checkout and payments to the ledger."""
        with contextlib.suppress(httpx.HTTPError):
            order = {"item": "tea", "count": 1}
            return httpx.post(f"http://{self.address}:{WEB}/order", json=order, timeout=20).status_code == 200
        return False

    def process(self, *words: str) -> int:
        """The one that was started with these words in this demo's directory."""
        for one in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                line = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if one.name.isdigit() and str(self.directory) in line and all(word in line for word in words):
                    return int(one.name)
        raise AssertionError(f"no process of the demo has {words}")


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[Callable[[], None]]:
    """It lives and does nothing, until what is yielded is called."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield lambda: os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def demo(socket_dir: Path) -> Iterator[Demo]:
    socket_dir.chmod(0o711)
    said = socket_dir / "said"
    with said.open("w") as log:
        process = subprocess.Popen(
            [*TRUSTPLANE, "demo", "--json", "--leaf-lifetime", "5m"],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "TMPDIR": str(socket_dir)},
        )
    try:
        until(lambda: "in a browser at" in said.read_text() or process.poll() is not None, "the demo is up", UP_WITHIN)
        text = said.read_text()
        assert process.poll() is None, text
        address = re.search(r"in a browser at http://([0-9.]+):", text)
        assert address, text
        directory = next(socket_dir.glob("trustplane-demo-*"))
        yield Demo(directory, dict(_EXPORT.findall(text)), address[1])
        sys.stderr.write(said.read_text()[-4000:])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


class Console:
    """Somebody signed in. Browsers take loopback in the clear for secure and send its cookies; libraries do not."""

    def __init__(self, demo: Demo) -> None:
        account = AccountRequest(name="night", role="viewer", password=PASSWORD)
        admin.server(Path(demo.environment["TRUSTPLANE_SERVER_SOCKET"])).post("/v1/accounts", AccountShape, account)
        self._base = f"http://{demo.address}:{CONSOLE_PORT}"
        self._cookies: dict[str, str] = {}
        token = _TOKEN.search(self.get("/sign-in"))
        assert token
        form = {"form_token": token[1], "name": "night", "password": PASSWORD, "next": "/"}
        assert self._asked("POST", "/sign-in", form).status_code == 303

    def get(self, path: str) -> str:
        return self._asked("GET", path).text

    def _asked(self, method: str, path: str, form: Mapping[str, str] | None = None) -> httpx.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"sec-fetch-site": "same-origin", "origin": self._base, **({"cookie": cookies} if cookies else {})}
        answer = httpx.request(method, self._base + path, data=form, headers=headers, timeout=30)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        return answer


def test_five_faults_are_named_within_a_minute_and_ended_by_their_runbooks(demo: Demo) -> None:
    console = Console(demo)
    _an_agent_stops(demo, console)
    _a_proxy_stops(demo, console)
    _an_identity_is_revoked_by_mistake(demo, console)
    _a_caller_speaks_plain_text(demo, console)
    _the_server_stops(demo)
    until(demo.is_paid, "orders are paid at the end")


def _an_agent_stops(demo: Demo, console: Console) -> None:
    left = {
        "trustplane server token create <NODE>": "its identity is not lost",
        "trustplane agent status": "nobody answers on a process that is stopped",
    }
    with stopped(demo.process("agent run")) as go_on, demo.play("agents-away", left) as play:
        demo.is_named(lambda: " away " in demo.run("status"), "status shows the node away")
        demo.is_named(lambda: "away" in console.get("/nodes"), "so does the console")
        play.types("What is it")
        play.by_hand("Start it.", go_on)
        play.is_over(lambda said: " away " not in said[0])
    until(demo.is_paid, "orders are paid")


def _a_proxy_stops(demo: Demo, console: Console) -> None:
    with stopped(demo.process("envoy", "sidecar-ledger")) as go_on, demo.play("proxy-refuses") as play:
        demo.is_named(lambda: "doubt" in demo.run("bundle", "status"), "bundle status names it")
        demo.is_named(lambda: "shop/ledger" in console.get("/failures"), "so does the console")
        play.types("What is it")
        play.by_hand("let it go on", go_on)
        play.is_over(lambda said: "doubt" not in said[1])
    until(demo.is_paid, "orders are paid")


def _an_identity_is_revoked_by_mistake(demo: Demo, console: Console) -> None:
    left = {
        "trustplane diagnose <LOGFILE> --chain <CHAIN> --crl <CRL>": "the demo's proxies log into a pipe",
        "trustplane server status": "of a list that has ended",
        "trustplane probe <HOST:PORT>": "no identity of the demo is this process's",
    }
    with demo.play("revocation", left, ID=PAYMENTS) as play:
        demo.run("revoke", "id", PAYMENTS, "--reason", "privilege-withdrawn")
        until(lambda: not demo.is_paid(), "orders fail")
        demo.is_named(lambda: PAYMENTS in demo.run("revoke", "list"), "revoke list names it")
        demo.is_named(lambda: "evoked" in console.get("/services/shop/payments"), "so does the console")
        play.types_one("trustplane audit show")
        play.types("Revoked")
        until(demo.is_paid, "orders are paid again")


def _a_caller_speaks_plain_text(demo: Demo, console: Console) -> None:
    """What its runbook says is played in test_what_is_declared.py; here, only who notices."""
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://{demo.address}:{PAYMENTS_PORT}/", timeout=10)
    demo.is_named(lambda: "plaintext-to-tls" in demo.run("diagnose", "--since", "10m"), "diagnose names it")
    demo.is_named(lambda: "plaintext" in console.get("/failures"), "so does the console")


def _the_server_stops(demo: Demo) -> None:
    left = {"trustplane server status": "nobody answers on a process that is stopped"}
    with stopped(demo.process("server run")) as go_on, demo.play("server-absent", left) as play:
        demo.is_named(
            lambda: "away since" in demo.run("agent", "status"), "the agent says since when no server answers"
        )
        play.types_one("trustplane agent status", ends=1)
        play.by_hand("Start it", go_on)
        play.is_over(lambda said: " away " not in said[0])
