#!/usr/bin/env bash
# The one place where Debian packages are installed: the independent tools the tests check our certificates with.
# Looks first; installs only what is missing, and only when it may (root, or sudo that asks nothing). Otherwise it
# says what to run and stops: a check that silently leaves tests out proves less than it claims.
set -euo pipefail

# tool, the package that holds it, what is tested with it
needs=(
    "openssl openssl every issued certificate is verified by openssl verify"
    "curl curl what it prints of a failed handshake is in the catalogue of signatures"
    "nginx nginx-light what it logs of a failed handshake is in the catalogue of signatures"
    "haproxy haproxy what it logs of a failed handshake is in the catalogue of signatures"
    "unshare util-linux processes in other namespaces are attested, and tests run without a network"
    "ip iproute2 hosts get networks of their own, whose links are cut under traffic"
    "promtool prometheus every alert rule is replayed over recorded fleets by the tool of Prometheus itself"
    "chromium-headless-shell chromium-headless-shell people's pages are used as a browser shows them"
    "faketime faketime an agent's clock is set under it, while the machine's stays right"
)

missing=()
for need in "${needs[@]}"; do
    read -r tool package reason <<<"$need"
    if ! PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null; then
        missing+=("$package")
        echo "debian packages: $tool is missing ($reason)" >&2
    fi
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if command -v apt-get >/dev/null; then
    if [[ $(id -u) == 0 ]]; then
        as_root=(env DEBIAN_FRONTEND=noninteractive)
    elif sudo --non-interactive true 2>/dev/null; then
        as_root=(sudo --non-interactive env DEBIAN_FRONTEND=noninteractive)
    fi
fi
if [[ -v as_root ]]; then
    echo "debian packages: installing ${missing[*]}" >&2
    "${as_root[@]}" apt-get update --quiet=2
    # Servers are wanted as programs: none of them may be started by being installed.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    "${as_root[@]}" "${install[@]}" --quiet=2 >&2
    exit 0
fi

cat >&2 <<MESSAGE
error[debian-packages-missing]: this machine lacks ${missing[*]}, and packages cannot be installed from here
  why: the tests compare what trustplane issues with independent tools, and leaving them out would be a silent gap
  fix: sudo ${install[*]}   then run make test again; make check needs none of them
MESSAGE
exit 1
