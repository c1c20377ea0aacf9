"""A mesh that is broken and repaired by runbooks: web calls pay, and robot is any program started from here.

A robot has no sidecar. Commands of runbooks are typed as it, so `trustplane svid fetch` and `trustplane probe` present
its identity.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.kit.mesh import Mesh, Node, until
from tests.kit.mesh_repository import Member, Repository
from tests.kit.mesh_traffic import status
from tests.kit.runbook_play import Play, Said


@dataclass
class Stand:
    mesh: Mesh
    repository: Repository

    @classmethod
    def of(
        cls,
        mesh: Mesh,
        *server_options: str,
        lifetime: str = "1h",
        renew: str = "50%-75%",
        environment: Mapping[str, str] | None = None,
    ) -> Stand:
        """Up, with web reaching pay and robot having its identity. The environment is the agent's."""
        pay, web, robot = mesh.members("pay", "web", "robot", web=["pay"], robot=["pay"])
        robot = replace(robot, executable=Path(sys.executable).resolve())
        stand = cls(mesh, Repository((pay, web, robot), lifetime=lifetime, renew=renew))
        mesh.start_server(*server_options)
        mesh.apply(stand.repository)
        mesh.join(environment=environment)
        mesh.start_sidecars(pay, web)
        stand.until_well()
        return stand

    @property
    def node(self) -> Node:
        return self.mesh.node

    @property
    def pay(self) -> Member:
        return self.repository["pay"]

    @property
    def door(self) -> str:
        """Where pay's sidecar listens to other sidecars."""
        return f"{self.mesh.address}:{self.pay.mesh}"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "TRUSTPLANE_SERVER_SOCKET": str(self.mesh.server.admin),
            "TRUSTPLANE_AGENT_SOCKET": str(self.node.admin),
            "SPIFFE_ENDPOINT_SOCKET": f"unix:{self.node.workload}",
        }

    @property
    def as_robot(self) -> tuple[str, str]:
        return ("--socket", f"unix:{self.node.workload}")

    def play(self, slug: str, leaves: Mapping[str, str] | None = None, **values: object) -> Play:
        """Values by the placeholder's name, with `_` for what a word of the language cannot have."""
        known: dict[str, object] = {
            "HOST:PORT": self.door,
            "ID": self.pay.spiffe_id,
            "NODE": self.node.name,
            "SERVER-LOG": self.log("pay"),
            "CLIENT-LOG": self.log("web"),
            "LOGFILE": self.log("pay"),
        }
        known.update({name.replace("_", "-"): value for name, value in values.items()})
        return Play(slug, self.environment, known, leaves or {})

    def log(self, name: str) -> Path:
        """What the sidecar's proxy writes."""
        return self.node.sidecars[name].output

    def answered(self) -> int:
        """What web is answered when it calls pay."""
        return status(self.mesh.address, self.repository["web"].listen("pay"))

    def until_well(self) -> None:
        until(self.node.ready, "the agent holds what it should")
        until(lambda: self.answered() == 200, "web reaches pay")
        until(self.all_held, "everybody holds what it should")

    def all_held(self) -> bool:
        """What was taken away and is no longer held counts as it does in `trustplane status`."""
        return {one.state for one in self.mesh.server.held()} <= {"held", "nothing"}

    def put_right(self) -> None:
        """After a test, whether it passed or not: the next one begins with a mesh that is whole."""
        for part in (self.mesh.server.part, self.node.part, *self.node.sidecars.values()):
            if not part.alive():
                part.start()
        for name in self.node.sidecars:
            with contextlib.suppress(ProcessLookupError):
                self.go_on(name)
        until(self.mesh.server.ready, "the server is up")
        self.mesh.apply(self.repository)
        self.until_well()

    def loot(self) -> Path:
        """The robot's chain and key, as files."""
        folder = self.mesh.folder / "robot"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        words = ("svid", "fetch", *self.as_robot, "--write", str(folder))
        until(lambda: self.mesh.run(*words).returncode == 0, "the robot is given its identity")
        return folder

    def roots(self) -> Path:
        return self.mesh.bundle()

    def envoy(self, name: str) -> int:
        """The process of the sidecar's proxy."""
        found = re.findall(r"envoy runs as pid (\d+)", self.node.sidecars[name].said())
        assert found, self.node.sidecars[name].said()
        return int(found[-1])

    def stop(self, name: str) -> None:
        """It lives and does nothing."""
        os.kill(self.envoy(name), signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        os.kill(self.envoy(name), signal.SIGCONT)


def connected(said: Said) -> bool:
    """`trustplane status` shows the node connected and nothing missing."""
    return "connected" in said and " away " not in said and "every participant holds what it should" in said
