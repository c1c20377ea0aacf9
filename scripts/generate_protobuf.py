"""Generate the Python side of every file under proto/ into src/trustplane/wire/gen.

The result is committed; `make drift` runs this and compares. Paths mirror proto/, and imports between generated
modules are made absolute under `trustplane.wire.gen`, because protoc takes each .proto's path for its module's name.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]  # grpcio-tools ships no types
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
TARGET = ROOT / "src" / "trustplane" / "wire" / "gen"
PACKAGE = "trustplane.wire.gen"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


def run_protoc(*options: str, files: list[str]) -> None:
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{WELL_KNOWN}", *options, *files]) != 0:
        sys.exit("protoc refused the files named above; nothing was written")


def described(files: list[str], scratch: Path) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    described_in = scratch / "described"
    run_protoc(f"--descriptor_set_out={described_in}", files=files)
    found = descriptor_pb2.FileDescriptorSet.FromString(described_in.read_bytes())
    return {one.name: one for one in found.file}


def generate(files: list[str], scratch: Path) -> Path:
    out = scratch / "out"
    out.mkdir()
    bin_ = Path(sys.executable).parent
    found = described(files, scratch)
    # A file of services alone gets no message module: nothing imports it, and its names would be registered in the
    # process-wide pool, where the Workload API's service collides with other SPIFFE libraries' (proto/workload).
    with_messages = [name for name, one in found.items() if one.message_type or one.enum_type]
    with_services = [name for name, one in found.items() if one.service]
    run_protoc(
        f"--plugin=protoc-gen-mypy={bin_ / 'protoc-gen-mypy'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        files=with_messages,
    )
    run_protoc(
        f"--plugin=protoc-gen-mypy_grpc={bin_ / 'protoc-gen-mypy_grpc'}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet,only_async:{out}",
        files=with_services,
    )
    return out


def absolute_imports(source: str, files: list[str]) -> str:
    modules = {name.removesuffix(".proto").replace("/", ".") + "_pb2" for name in files}
    for module in sorted(modules):
        parent, _, leaf = module.rpartition(".")
        source = re.sub(
            rf"^from {re.escape(parent)} import {re.escape(leaf)}\b",
            f"from {PACKAGE}.{parent} import {leaf}",
            source,
            flags=re.MULTILINE,
        )
    return source


def main() -> None:
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        out = generate(files, Path(directory))
        shutil.rmtree(TARGET, ignore_errors=True)
        written = sorted(out.rglob("*.py*"))
        for path in written:
            target = TARGET / path.relative_to(out)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(absolute_imports(path.read_text(), files))
    for folder in {TARGET / parent for path in written for parent in path.relative_to(out).parents}:
        (folder / "__init__.py").write_text("")
    print(f"{len(written)} files in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
