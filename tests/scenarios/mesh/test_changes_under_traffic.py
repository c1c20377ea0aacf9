"""Changes of the trust repository while requests flow: each reaches the proxies at once, and none costs a request."""

from __future__ import annotations

from tests.kit.mesh import Mesh, until
from tests.kit.mesh_repository import Member, Repository
from tests.kit.mesh_traffic import Traffic, status


def revision(mesh: Mesh) -> int:
    current = mesh.server.status().revision
    assert current is not None
    return current.number


def reaches(mesh: Mesh, caller: Member, callee: str) -> bool:
    return status(mesh.address, caller.listen(callee)) == 200


def test_each_change_takes_effect_and_costs_no_request(mesh: Mesh) -> None:
    first = Repository(mesh.members("web", "pay", "clerk", "till", web=["pay"], till=["pay"]))
    mesh.start_server()
    mesh.apply(first)
    mesh.join()
    mesh.start_sidecars(*first.members)
    until(lambda: reaches(mesh, first["web"], "pay") and reaches(mesh, first["till"], "pay"), "both reach pay")

    with Traffic(mesh.address, {"pay": first["web"].listen("pay")}) as counts:
        second = first.calling("clerk", "pay")
        assert status(mesh.address, second["clerk"].listen("pay")) == 0, "nothing is open before the change"
        mesh.apply(second)
        until(lambda: reaches(mesh, second["clerk"], "pay"), "clerk reaches pay")
        until(mesh.server.all_held, "everyone has taken up the second revision")
        assert revision(mesh) == 2

        mesh.apply(second)
        assert revision(mesh) == 2, "the same files again are no change"

        mesh.apply(second.without("till"))
        until(lambda: not reaches(mesh, first["till"], "pay"), "a service that is gone reaches nobody")
        until(lambda: len(mesh.node.status().entries) == 3, "and has no identity any more")

        mesh.run("apply", "--revision", "2", "--server-socket", str(mesh.server.admin))
        until(lambda: reaches(mesh, first["till"], "pay"), "what was restored works again")
        restored = mesh.server.status().revision
        assert restored is not None
        assert (restored.number, restored.restored_from) == (4, 2)
        until(mesh.server.all_held, "everyone has taken up what was restored")
    assert not counts.wrong
    assert counts.good > 0


def test_a_bad_repository_changes_nothing(mesh: Mesh) -> None:
    good = Repository(mesh.members("web", "pay", web=["pay"]))
    mesh.start_server()
    mesh.apply(good)
    folder = mesh.written(good.without("pay"))
    (folder / "services/shop/web/service.yaml").write_text(good["web"].text() + "selector: [unix:uid:0]\n")
    refused = mesh.run("apply", str(folder), "--server-socket", str(mesh.server.admin))
    assert refused.returncode == 1
    assert "services/shop/web/service.yaml" in refused.stderr
    assert "did you mean selectors" in refused.stderr.lower() or "selectors" in refused.stderr
    assert revision(mesh) == 1
    assert mesh.server.status().services == 2
