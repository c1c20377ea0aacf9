"""Changes of the trust repository while requests flow: each reaches the proxies at once, and none costs a request."""

from __future__ import annotations

from pathlib import Path

from tests.kit.mesh import Mesh, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Traffic, status


def test_a_new_call_is_allowed_a_service_removed_and_a_revision_restored(socket_dir: Path) -> None:
    with Mesh(socket_dir) as mesh:
        before = Repository(mesh.members("web", "pay", "clerk", "till", web=["pay"], till=["pay"]))
        mesh.start_server()
        assert mesh.apply(before)["revision"]["number"] == 1  # type: ignore[index]
        mesh.join()
        mesh.start_sidecars(*before.members)
        until(lambda: status(mesh.address, before["web"].listen("pay")) == 200, "web reaches pay")
        with Traffic(mesh.address, {"pay": before["web"].listen("pay")}) as counts:
            after = before.calling("clerk", "pay")
            assert status(mesh.address, after["clerk"].listen("pay")) == 0, "nothing is open before the change"
            mesh.apply(after)
            until(lambda: status(mesh.address, after["clerk"].listen("pay")) == 200, "clerk reaches pay")
            until(mesh.server.all_held, "everyone holds what they should")
        assert not counts.wrong
        assert counts.good > 0
