from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit.ca import TestCa
from tests.transcripts.playing import play, read
from tests.transcripts.running import running_mesh
from trustplane.spiffe import bundle_document
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.certificates import pem_of
from trustplane.spiffe.ids import TrustDomain

HERE = Path(__file__).parent
SHOP = HERE.parents[1] / "examples" / "shop" / "trust"
ACME = TrustDomain("acme.example")
BUDGETS = {"unbudgeted": "", "hasty": "mttd: 1h\nmttr: 20m\n", "lapsed": "mttd: 1h\n"}
CLUSTERS = {
    "sites": "clusters:\n  east: {nodes: [east-*]}\n  west: {nodes: [west-*], servers: [server-2]}\n",
    "twice": "clusters:\n  east: {nodes: [east-*]}\n  west: {nodes: [west-*, east-7]}\n",
}
WAIVER = """\
waives: outlives-detection
profile: standard
reason: until the terminals are replaced
owner: shop-team
until: 2020-03-31
"""
PASSWORDS = {
    "good": "seven plain words that nobody guesses",
    "other": "other plain words that nobody guesses",
    "short": "short",
    "named": "hopper, grace murray",
}
WEB = "spiffe://acme.example/ns/shop/sa/web"


def transcripts(folder: str) -> list[Path]:
    return sorted((HERE / folder).glob("*.txt"))


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the transcripts speak of."""
    desk = tmp_path_factory.mktemp("desk")
    shutil.copytree(SHOP, desk / "shop")
    shutil.copytree(SHOP, desk / "broken")
    (desk / "broken" / "trustdomain.yaml").write_text("trust_domain: ACME\n")
    (desk / "broken" / "services" / "shop" / "web" / "service.yaml").write_text("selector: [unix:uid:1]\n")
    shutil.copytree(SHOP, desk / "wider")
    payments = desk / "wider" / "services" / "shop" / "payments" / "service.yaml"
    payments.write_text(
        payments.read_text().replace("charge: POST /charge", "charge: POST /charge\n  refund: POST /refund")
    )
    for name, budgets in BUDGETS.items():
        shutil.copytree(SHOP, desk / name)
        (desk / name / "trustdomain.yaml").write_text(f"trust_domain: shop.example\n{budgets}")
    for name, clusters in CLUSTERS.items():
        shutil.copytree(SHOP, desk / name)
        with (desk / name / "trustdomain.yaml").open("a") as domain:
            domain.write(clusters)
    (desk / "lapsed" / "waivers").mkdir()
    (desk / "lapsed" / "waivers" / "terminals.yaml").write_text(WAIVER)
    shutil.copytree(SHOP, desk / "mine")
    web = desk / "mine" / "services" / "shop" / "web" / "service.yaml"
    web.write_text(web.read_text().replace("unix:uid:31001", f"unix:uid:{os.getuid()}"))
    _write_policies(desk)
    _write_guard_rails(desk)
    (desk / "forged").write_text("shop.example/audit\n1\nAAAA\n\n\u2014 shop.example/audit AAAAAAAA\n")
    _write_certificates(desk)
    shutil.copytree(HERE / "logs", desk / "logs")
    (desk / "passwords").mkdir()
    for name, password in PASSWORDS.items():
        (desk / "passwords" / name).write_text(f"{password}\n")
    return desk


MISRULED = """\
// Two mistakes.
@id("checkout-charges") permit (principal == Service::"shop/checkout", action == Action::"chrge", resource);
@id("all-charge") permit (principal, action == Action::"charge", resource);
"""
OPEN = '@id("everyone") permit (principal is Service, action == Action::"charge", resource);\n'
UNTRUE = "cases:\n  - {as: shop/web, operation: charge, expect: allow}\n"


GUARDED = {
    "guardrails.cedar": """\
@id("payment-data-stays-inside")
@owner("security-team")
forbid (
  principal,
  action,
  resource
)
when { resource.data.contains("payment") }
unless { principal in Namespace::"shop" };
""",
    "guardrails_test.yaml": """\
cases:
  - {to: payments, as: 'spiffe://other.example/x', operation: charge, expect: deny, because: payment-data-stays-inside}
  - {to: payments, as: checkout, operation: charge, expect: allow}
""",
    "templates/readers@1.cedar": """\
permit (
  principal == $readers,
  action in $operations,
  resource
);
""",
    "templates/readers@1.yaml": """\
owners: [shop-team]
summary: each of these services may use these reading operations
parameters: {readers: services, operations: reads}
tests:
  - for: ledger
    with: {readers: [shop/reporting], operations: [read]}
    cases:
      - {as: reporting, operation: read, expect: allow}
      - {as: checkout, operation: read, expect: deny}
""",
}


def _write_guard_rails(desk: Path) -> None:
    shutil.copytree(SHOP, desk / "guarded")
    (desk / "guarded" / "templates").mkdir()
    for name, text in GUARDED.items():
        (desk / "guarded" / name).write_text(text)
    shutil.copytree(desk / "guarded", desk / "unguarded")
    (desk / "unguarded" / "guardrails_test.yaml").unlink()
    template = desk / "unguarded" / "templates" / "readers@1.cedar"
    template.write_text(GUARDED["templates/readers@1.cedar"].replace("resource", '"$readers"'))


def _write_policies(desk: Path) -> None:
    written = {
        "misruled": ("policy.cedar", MISRULED),
        "open": ("policy.cedar", OPEN),
        "untrue": ("policy_test.yaml", UNTRUE),
    }
    for name, (file, text) in written.items():
        shutil.copytree(SHOP, desk / name)
        folder = desk / name / "services" / "shop" / "payments"
        if name != "untrue":
            (folder / "policy.yaml").unlink()
            (folder / "policy_test.yaml").unlink()
        (folder / file).write_text(text)
    shutil.copytree(SHOP, desk / "declared")  # payments without a policy: whoever declares a call to it is let in
    for file in ("policy.yaml", "policy_test.yaml"):
        (desk / "declared" / "services" / "shop" / "payments" / file).unlink()


def _write_certificates(desk: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - the command verifies against the real time
    begins, ends = now - timedelta(hours=2), now + timedelta(days=1)
    root, strange = (TestCa.root(ACME, not_before=begins, not_after=ends) for _ in range(2))
    issuing = root.intermediate(not_before=begins, not_after=ends)
    for name, last in (("svid", now + timedelta(hours=1)), ("expired", now - timedelta(hours=1))):
        leaf, _ = issuing.leaf(WEB, not_before=begins, not_after=last)
        (desk / f"{name}.pem").write_bytes(pem_of([leaf, issuing.certificate]))
    for name, chain in (("held", "svid"), ("held-expired", "expired")):
        (desk / name).mkdir()
        shutil.copy(desk / f"{chain}.pem", desk / name / "svid.pem")
        (desk / name / "bundle.pem").write_bytes(pem_of([root.certificate]))
    (desk / "roots.pem").write_bytes(pem_of([root.certificate]))
    (desk / "strange-roots.pem").write_bytes(pem_of([strange.certificate]))
    (desk / "bundle.json").write_bytes(bundle_document.encode(Bundle(ACME, (root.certificate,))))


def environment(run: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "COLUMNS": "100",
        "XDG_RUNTIME_DIR": str(run),
        "TRUSTPLANE_SERVER_SOCKET": str(run / "server.sock"),
        "TRUSTPLANE_AGENT_SOCKET": str(run / "agent.sock"),
    }


def _same(differences: list[str]) -> None:
    if any(differences):
        pytest.fail(
            "the transcript says otherwise; this is what was said:\n\n" + "\n\n".join(filter(None, differences))
        )


@pytest.mark.parametrize("transcript", transcripts("offline"), ids=lambda path: path.stem)
def test_the_command_says_what_the_transcript_says(transcript: Path, desk: Path, tmp_path: Path) -> None:
    differences = [play(step, desk, environment(tmp_path / "run")) for step in read(transcript.read_text())]
    _same(differences)


@pytest.mark.scenario
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("scenarios")
@pytest.mark.parametrize("transcript", transcripts("live"), ids=lambda path: path.stem)
def test_the_command_says_it_to_a_server_and_an_agent_that_run(transcript: Path, desk: Path, socket_dir: Path) -> None:
    with running_mesh(socket_dir) as mesh:
        known = {**environment(socket_dir), "SPIFFE_ENDPOINT_SOCKET": f"unix://{mesh.workload_socket}"}
        differences = [play(step, desk, known) for step in read(transcript.read_text())]
    _same(differences)


@pytest.mark.scenario
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("scenarios")
@pytest.mark.parametrize("transcript", transcripts("applied"), ids=lambda path: path.stem)
def test_the_command_says_it_where_the_shop_is_applied(transcript: Path, desk: Path, socket_dir: Path) -> None:
    with running_mesh(socket_dir, desk / "mine") as mesh:
        known = {**environment(socket_dir), "SPIFFE_ENDPOINT_SOCKET": f"unix://{mesh.workload_socket}"}
        differences = [play(step, desk, known) for step in read(transcript.read_text())]
    _same(differences)
