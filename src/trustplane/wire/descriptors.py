"""Envoy's protobuf messages, read from the Envoy binary in use.

The binary carries a `FileDescriptorProto` for every message it understands. Building our messages from those means
that a field this very proxy does not know fails here, by name, and is never silently dropped by the proxy. What was
read is kept in a file named by the binary's digest, sealed with a digest of its own, so that a torn or edited cache is
noticed and read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import mmap
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from trustplane.fault import Refused

ANY = "google.protobuf.Any"
MAX_CACHE_BYTES = 16 << 20
MAX_DESCRIPTOR_BYTES = 1 << 20
_SEAL = hashlib.sha256().digest_size

# Field 1 of FileDescriptorProto is the file's name; what follows is a package, a dependency, a message or an enum.
_START = re.compile(rb"\x0a([\x07-\x7f])([A-Za-z0-9_./-]{1,121}\.proto)(?=[\x12\x1a\x22\x2a])")
_LENGTH_DELIMITED = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 12})
_VARINT = frozenset({10, 11, 14})
_SYNTAX = 12
# Envoy copies what a peer sent into access logs as it is. One name that is no UTF-8 would make its whole message, with
# the records of everybody else, unreadable.
_AS_SENT = frozenset({"envoy/data/accesslog/v3/accesslog.proto"})


class Descriptors:
    """The messages of one Envoy binary. Text in entries of access logs is bytes: it may be any."""

    def __init__(self, files: Mapping[str, descriptor_pb2.FileDescriptorProto]) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        added: set[str] = set()
        for name in sorted(files):
            self._add(name, files, added)

    @classmethod
    def of(cls, binary: Path, cache_dir: Path) -> Descriptors:
        """Read `binary`'s messages, or what was read from it before."""
        with binary.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        cache = cache_dir / f"envoy-{digest}.descriptors"
        found = _cached(cache)
        if found is None:
            found = _carve(binary)
            # Without a cache the next start is a second slower; a full disk must not be what stops this one.
            with contextlib.suppress(OSError):
                _keep(cache, found)
        return cls({one.name: _as_sent(one) if one.name in _AS_SENT else one for one in found.file})

    def message(self, name: str) -> type[Message]:
        try:
            return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))
        except KeyError as missing:
            raise Refused(
                code="envoy-message-unknown",
                what=f"this Envoy has no message {name}",
                why="its descriptors, read from its binary, do not list it",
                fix="use the Envoy that comes with trustplane, or a newer one",
            ) from missing

    def parse(self, content: Mapping[str, object], name: str) -> Message:
        """`content` as the message `name`; a field this Envoy does not know is refused by name."""
        try:
            return json_format.ParseDict(dict(content), self.message(name)(), descriptor_pool=self._pool)
        except (json_format.ParseError, TypeError, ValueError) as error:
            raise Refused(
                code="envoy-config-not-understood",
                what=f"this Envoy would not understand the {name.rpartition('.')[2]} meant for it",
                why=str(error)[:500],
                fix="use the Envoy that comes with trustplane, or a newer one",
            ) from error

    def any(self, resource: Mapping[str, object]) -> Message:
        """A resource (with its `@type`) as `google.protobuf.Any`."""
        return self.parse(resource, ANY)

    def dictionary(self, message: Message) -> dict[str, object]:
        """The reverse of `parse`, for logs, tests and the admin interface."""
        found: dict[str, object] = json_format.MessageToDict(
            message, preserving_proto_field_name=True, descriptor_pool=self._pool
        )
        return found

    def _add(self, name: str, files: Mapping[str, descriptor_pb2.FileDescriptorProto], added: set[str]) -> None:
        if name in added:
            return
        added.add(name)
        for dependency in files[name].dependency:
            if dependency in files:
                self._add(dependency, files, added)
        # A file whose dependency the binary lacks (Prometheus' metrics.proto) is left out, with those built on it.
        with contextlib.suppress(TypeError, KeyError):
            self._pool.AddSerializedFile(files[name].SerializeToString())
            self._pool.FindFileByName(name)


def _as_sent(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Text and bytes are the same on the wire. Names of tags and headers stay text: a key of a map has to be."""
    found = descriptor_pb2.FileDescriptorProto()
    found.CopyFrom(file)
    waiting = list(found.message_type)
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type
        for one in message.field:
            if one.type == one.TYPE_STRING and not (message.options.map_entry and one.number == 1):
                one.type = one.TYPE_BYTES
    return found


def _cached(cache: Path) -> descriptor_pb2.FileDescriptorSet | None:
    try:
        if cache.stat().st_size > MAX_CACHE_BYTES:
            return None
        content = cache.read_bytes()
    except FileNotFoundError:
        return None
    seal, body = content[:_SEAL], content[_SEAL:]
    if not hmac.compare_digest(seal, hashlib.sha256(body).digest()):
        return None
    return descriptor_pb2.FileDescriptorSet.FromString(body)


def _keep(cache: Path, found: descriptor_pb2.FileDescriptorSet) -> None:
    body = found.SerializeToString(deterministic=True)
    cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=cache.parent, prefix=cache.name, delete=False) as part:
        written = Path(part.name)
        try:
            part.write(hashlib.sha256(body).digest() + body)
            part.flush()
            os.fsync(part.fileno())
        except OSError:
            written.unlink()  # it would take what room there is
            raise
    written.replace(cache)


def _carve(binary: Path) -> descriptor_pb2.FileDescriptorSet:
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    with binary.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for start in _START.finditer(content):
            if start.group(1)[0] == len(start.group(2)):
                one = _descriptor_at(content, start.start())
                if one is not None:
                    files.setdefault(one.name, one)
    if "envoy/service/discovery/v3/discovery.proto" not in files:
        raise Refused(
            code="envoy-without-descriptors",
            what=f"{binary} does not carry Envoy's message descriptors",
            why="it is not an Envoy, or one that was built without them",
            fix="pass --envoy the path of an official Envoy binary, or leave it out",
        )
    return descriptor_pb2.FileDescriptorSet(file=[files[name] for name in sorted(files)])


def _descriptor_at(content: mmap.mmap, start: int) -> descriptor_pb2.FileDescriptorProto | None:
    """The descriptor that starts there, if one does: its longest run of fields that decodes."""
    for end in reversed(list(_field_ends(content, start))):
        with contextlib.suppress(DecodeError, UnicodeDecodeError):
            return descriptor_pb2.FileDescriptorProto.FromString(content[start:end])
    return None


def _field_ends(content: mmap.mmap, start: int) -> Iterator[int]:
    at = start
    limit = min(len(content), start + MAX_DESCRIPTOR_BYTES)
    while at < limit:
        tag, at = _varint(content, at)
        number, kind = tag >> 3, tag & 7
        if number == 1 and at > start + 1:
            return  # the next file's name
        if kind == 2 and number in _LENGTH_DELIMITED:
            length, at = _varint(content, at)
            at += length
        elif kind == 0 and number in _VARINT:
            _, at = _varint(content, at)
        else:
            return
        if at > limit:
            return
        yield at
        if number == _SYNTAX:
            return


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 35 and at < len(content):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return -1, at
