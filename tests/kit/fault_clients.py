"""Clients other than Envoy that meet a fault: Python, gRPC, OpenSSL's own tool, curl, Go, Java, rustls.

Each says what it prints. A case's listener speaks one TLS version, which is all that gRPC can be told.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.kit.debian import tool
from tests.kit.fault_envoys import Case
from tests.kit.faults import SERVER_NAME
from tests.kit.tree import ROOT
from trustplane.handshake.failure import Implementation, Tls
from trustplane.main.envoy_bench import LOOPBACK

PATIENCE = 20
REQUEST = b"GET / HTTP/1.1\r\nhost: " + SERVER_NAME.encode() + b"\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class Files:
    """What a client holds, as files."""

    chain: Path
    key: Path
    roots: Path
    presents: bool

    @classmethod
    def of(cls, case: Case, folder: Path) -> Files:
        held = case.fault.client
        chain, key, roots = (folder / f"{case.name}.{kind}" for kind in ("chain", "key", "roots"))
        files = cls(chain, key, roots, bool(held.chain))
        files.chain.write_bytes(held.chain_pem())
        files.key.write_bytes(held.key_pem())
        files.roots.write_bytes(held.roots_pem())
        return files


def python(case: Case, files: Files) -> str:
    """Empty when it was answered."""
    version = {Tls.V1_2: ssl.TLSVersion.TLSv1_2, Tls.V1_3: ssl.TLSVersion.TLSv1_3}[case.tls]
    context = ssl.create_default_context(cafile=files.roots)
    context.minimum_version = context.maximum_version = version
    if files.presents:
        context.load_cert_chain(files.chain, files.key)
    try:
        with (
            socket.create_connection((LOOPBACK, case.port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=SERVER_NAME) as tls,
        ):
            tls.sendall(REQUEST)
            return "" if tls.recv(1) else "ssl.SSLEOFError: EOF occurred in violation of protocol"
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def openssl(case: Case, files: Files) -> str:
    presented = ["-cert", files.chain, "-cert_chain", files.chain, "-key", files.key] if files.presents else []
    version = {Tls.V1_2: "-tls1_2", Tls.V1_3: "-tls1_3"}[case.tls]
    command = [
        tool("openssl"), "s_client", "-connect", f"{LOOPBACK}:{case.port}", "-servername", SERVER_NAME, version,
        "-CAfile", files.roots, "-verify_hostname", SERVER_NAME, "-verify_return_error", "-verify", "5", *presented,
        "-ign_eof",
    ]  # fmt: skip
    return _printed(command, REQUEST)


def curl(case: Case, files: Files) -> str:
    presented = ["--cert", files.chain, "--key", files.key] if files.presents else []
    version = case.tls.value
    command = [
        tool("curl"), "-sSv", "--noproxy", "*", "--resolve", f"{SERVER_NAME}:{case.port}:{LOOPBACK}",
        "--cacert", files.roots, f"--tlsv{version}", "--tls-max", version, *presented, f"https://{SERVER_NAME}:{case.port}/",
    ]  # fmt: skip
    return _printed(command, b"")


def go(case: Case, files: Files) -> str:
    """The program beside this file, built on first use; building takes longer than all the rest."""
    binary = ROOT / ".cache" / "go_client" / "client"
    if not binary.is_file():
        source = Path(__file__).parent / "go_client" / "main.go"
        binary.parent.mkdir(parents=True, exist_ok=True)
        build = [tool("go"), "build", "-o", str(binary), str(source)]
        subprocess.run(build, env={**os.environ, "GO111MODULE": "off"}, check=True, timeout=600)
    presented = [files.chain, files.key] if files.presents else ["-", "-"]
    return _printed([binary, f"{LOOPBACK}:{case.port}", SERVER_NAME, case.tls.value, files.roots, *presented], b"")


def rustls(case: Case, files: Files) -> str:
    """Built on first use, as Go's; its lock file names every crate."""
    source = Path(__file__).parent / "rustls_client"
    target = ROOT / ".cache" / "rustls_client"
    binary = target / "release" / "rustls-client"
    if not binary.is_file():
        places = ["--manifest-path", str(source / "Cargo.toml"), "--target-dir", str(target)]
        subprocess.run([tool("cargo"), "build", "--quiet", "--release", "--locked", *places], check=True, timeout=600)
    presented = [files.chain, files.key] if files.presents else ["-", "-"]
    return _printed([binary, f"{LOOPBACK}:{case.port}", SERVER_NAME, case.tls.value, files.roots, *presented], b"")


def java(case: Case, files: Files) -> str:
    """Compiled on first use, for starting the compiler takes longer than the handshake."""
    classes = ROOT / ".cache" / "java_client"
    source = Path(__file__).parent / "java_client" / "Client.java"
    compiled = classes / "Client.class"
    if not compiled.is_file() or compiled.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([tool("javac"), "-d", str(classes), str(source)], check=True, timeout=600)
    presented = [files.chain, files.key] if files.presents else ["-", "-"]
    command = [tool("java"), "-cp", classes, "Client", LOOPBACK, case.port, SERVER_NAME, case.tls.value, files.roots]
    return _printed([*command, *presented], b"")


def grpc_core(case: Case, files: Files) -> str:
    """What the status says. An answer that is not gRPC's means that the handshake was good."""
    pair = (files.key.read_bytes(), files.chain.read_bytes()) if files.presents else (None, None)
    credentials = grpc.ssl_channel_credentials(files.roots.read_bytes(), *pair)
    named = (("grpc.ssl_target_name_override", SERVER_NAME),)
    with grpc.secure_channel(f"{LOOPBACK}:{case.port}", credentials, named) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/lab.Echo/Say")
        try:
            call(b"", timeout=PATIENCE)
        except grpc.RpcError as error:
            answered = error.code() is not grpc.StatusCode.UNAVAILABLE
            return "" if answered else f"{error.code()}: {error.details()}"
    return ""


def _printed(command: Sequence[object], sent: bytes) -> str:
    done = subprocess.run([str(one) for one in command], input=sent, capture_output=True, timeout=PATIENCE, check=False)
    return (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")


CLIENTS: dict[Implementation, Callable[[Case, Files], str]] = {
    Implementation.PYTHON: python,
    Implementation.OPENSSL: openssl,
    Implementation.CURL: curl,
    Implementation.GO: go,
    Implementation.JAVA: java,
    Implementation.GRPC: grpc_core,
    Implementation.RUSTLS: rustls,
}
# Not on every machine: tried where TRUSTPLANE_RUNTIMES is set, and from its recording elsewhere.
SELDOM = {Implementation.GO, Implementation.JAVA, Implementation.RUSTLS}
