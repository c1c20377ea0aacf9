#!/usr/bin/env bash
# Runs a command where no network exists but loopback, so that a test which reaches outside fails.
#   scripts/without_network.sh [--if-allowed] COMMAND...
# With --if-allowed, a machine that forbids namespaces runs the command as it is, and is told so.
set -euo pipefail

python=${PYTHON:-python3}

if [[ ${1:-} == --if-allowed ]]; then
    if_allowed=yes
    shift
fi

isolate=(unshare --net)
[[ $(id -u) == 0 ]] || isolate=(unshare --user --map-current-user --keep-caps --net)

# The new namespace's loopback is down; an ioctl needs no package, iproute2 would be one. The capability it takes is
# given up before the command runs, so that an ordinary user's tests stay an ordinary user's.
loopback_up='
import ctypes, fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
    fcntl.ioctl(ask, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING
ctypes.CDLL(None).prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL
os.execvp(sys.argv[1], sys.argv[1:])
'
if "${isolate[@]}" "$python" -c "$loopback_up" true 2>/dev/null; then
    exec "${isolate[@]}" "$python" -c "$loopback_up" "$@"
elif [[ -v if_allowed ]]; then
    echo "note: network namespaces are not allowed here, so these tests run with the network within reach" >&2
    exec "$@"
fi
cat >&2 <<'MESSAGE'
error[namespaces-not-allowed]: no network namespace can be made here
  why: the kernel or the container forbids unshare(CLONE_NEWNET) to this user
  fix: run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1); make check runs without one
MESSAGE
exit 1
