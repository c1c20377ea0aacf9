"""What 1,000 services with 10,000 rules cost: to check, to compile, prove and test, and to compare with one changed.

Every service has a policy.cedar with ten rules of its own, and a case for each in its policy_test.yaml. Checking is
what `trustplane policy check` does, from bytes to checked rules, Cedar's strict validation included; proving, compiling
with it, is what `apply` does besides. Testing is what both do with the cases; examining is `trustplane policy test`,
with coverage, mutants and near misses, of every tenth service. CPU seconds of one core.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import process_time

from benchmarks._figures import load, small, tell
from trustplane.policy import book
from trustplane.policy.cases import CaseFile
from trustplane.policy.comparison import compare
from trustplane.policy.compile import compiled, grants
from trustplane.policy.examination import examine, failures
from trustplane.policy.rules import probes_of
from trustplane.registry.findings import Findings
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
        found[folder + "policy_test.yaml"] = cases(number).encode()
        found[folder + "policy.cedar"] = policy(number, changed=number == changed).encode()
    return found


def policy(number: int, *, changed: bool) -> str:
    return "\n".join(
        f'@id("r{one}") permit (principal == Service::"bench/s{(number + one + 1 + changed) % SERVICES:04}", '
        f'action == Action::"op{one}", resource)' + (' when { context.path like "/*/op*" };' if one % 3 == 0 else ";")
        for one in range(RULES)
    )


def caller(number: int, one: int) -> str:
    return f"bench/s{(number + one + 1) % SERVICES:04}"


def cases(number: int) -> str:
    lines = [f"  - {{as: {caller(number, one)}, operation: op{one}, expect: allow}}\n" for one in range(RULES)]
    return "cases:\n" + "".join(lines)


def timed(work: Iterable[object]) -> float:
    started = process_time()
    for _ in work:
        pass
    return round(process_time() - started, 2)


def main() -> None:
    loads, started = [load()], process_time()
    before = book.read(files())
    checked = process_time() - started
    state, written = before.state, before.written
    pairs = [(one.rules, probes_of(state, one.rules.service)) for one in written.values()]
    grants.cache_clear()  # reading has compiled them already
    compiling = timed(compiled(*one) for one in pairs)
    proving = timed(proved(*one) for one in pairs)
    findings = Findings()
    read = {name: CaseFile(state, state.services[name], findings).cases(tree) for name, tree in before.tests.items()}
    testing = timed(failures(state, written[name], each) for name, each in read.items())
    sample = list(read.items())[::10]
    examining = timed(examine(state, written[name], each) for name, each in sample)
    after = book.read(files(changed=SERVICES // 2))
    started = process_time()
    changes = list(compare(before.state, after.state))
    comparing = process_time() - started
    figures = {
        "services": SERVICES,
        "rules": SERVICES * RULES,
        "check_cpu_s": round(checked, 2),
        "compile_cpu_s": compiling,
        "prove_cpu_s": proving,
        "test_cpu_s": testing,
        "examined_services": len(sample),
        "examine_cpu_s": examining,
        "compare_cpu_s": round(comparing, 2),
        "changes_found": len(changes),
    }
    tell("policy_repository", figures, [*loads, load()])


if __name__ == "__main__":
    main()
