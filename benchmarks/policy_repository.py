"""What 1,000 services with 10,000 rules cost: to check, to compile and prove, and to compare with one rule changed.

Every service has a policy.cedar with ten rules of its own. Checking is what `trustplane policy check` does, from bytes
to checked rules, Cedar's strict validation included; proving is what `apply` does besides. CPU seconds of one core.
"""

from __future__ import annotations

from time import process_time

from benchmarks._figures import load, small, tell
from trustplane.policy import book
from trustplane.policy.comparison import compare
from trustplane.policy.rules import probes_of
from trustplane.xds.rbac_proof import proved

SERVICES = 20 if small() else 1_000
RULES = 10


def files(changed: int | None = None) -> dict[str, bytes]:
    found = {"trustdomain.yaml": b"trust_domain: bench.example\n", "namespaces.yaml": b"bench: {owners: [bench]}\n"}
    for number in range(SERVICES):
        folder = f"services/bench/s{number:04}/"
        operations = ", ".join(f"op{one}: POST /s{number}/op{one}" for one in range(RULES))
        found[folder + "service.yaml"] = (
            f"selectors: [unix:uid:{10_000 + number}]\nports: {{app: 20101, mesh: 20201}}\n"
            f"nodes: [n{number:04}]\noperations: {{{operations}}}\n"
        ).encode()
        found[folder + "policy.cedar"] = policy(number, changed=number == changed).encode()
    return found


def policy(number: int, *, changed: bool) -> str:
    return "\n".join(
        f'@id("r{one}") permit (principal == Service::"bench/s{(number + one + 1 + changed) % SERVICES:04}", '
        f'action == Action::"op{one}", resource)' + (' when { context.path like "/*/op*" };' if one % 3 == 0 else ";")
        for one in range(RULES)
    )


def main() -> None:
    loads, started = [load()], process_time()
    before = book.read(files())
    checked = process_time() - started
    started = process_time()
    for one in before.written.values():
        proved(one.rules, probes_of(before.state, one.rules.service))
    proving = process_time() - started
    after = book.read(files(changed=SERVICES // 2))
    started = process_time()
    changes = list(compare(before.state, after.state))
    comparing = process_time() - started
    figures = {
        "services": SERVICES,
        "rules": SERVICES * RULES,
        "check_cpu_s": round(checked, 2),
        "prove_cpu_s": round(proving, 2),
        "compare_cpu_s": round(comparing, 2),
        "changes_found": len(changes),
    }
    tell("policy_repository", figures, [*loads, load()])


if __name__ == "__main__":
    main()
