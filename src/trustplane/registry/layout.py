"""Which file of a trust repository is what. Dotfiles and Markdown belong to people and are left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from trustplane.fault import Place, Refused
from trustplane.registry.findings import shown

MAX_FILES = 10_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
TRUST_DOMAIN_FILE = "trustdomain.yaml"
NAMESPACES_FILE = "namespaces.yaml"
GUARD_RAILS, GUARD_RAILS_TEST = "guardrails.cedar", "guardrails_test.yaml"
POLICY_CEDAR, POLICY_YAML, POLICY_TEST = POLICY_FILES = ("policy.cedar", "policy.yaml", "policy_test.yaml")


def is_hidden(path: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))


def is_ignored(path: str) -> bool:
    return is_hidden(path) or path.lower().endswith(".md")


def profile_named_by(path: str) -> str | None:
    return _named_in("profiles", path)


def service_named_by(path: str) -> tuple[str, str] | None:
    match PurePosixPath(path).parts:
        case ("services", namespace, service, "service.yaml") if _is_plain(path):
            return namespace, service
        case _:
            return None


def policy_file_named_by(path: str) -> tuple[str, str, str] | None:
    """Namespace, service and which of `POLICY_FILES` it is."""
    match PurePosixPath(path).parts:
        case ("services", namespace, service, file) if file in POLICY_FILES and _is_plain(path):
            return namespace, service, file
        case _:
            return None


def template_named_by(path: str) -> tuple[str, str] | None:
    """`name@version` as it stands there, and which of its two files it is: yaml or cedar."""
    for kind in ("yaml", "cedar"):
        named = _named_in("templates", path, f".{kind}")
        if named is not None:
            return named, kind
    return None


def is_of_policies(path: str) -> bool:
    """Whether `policy.book` reads it."""
    return (
        path in (GUARD_RAILS, GUARD_RAILS_TEST)
        or policy_file_named_by(path) is not None
        or template_named_by(path) is not None
    )


def waiver_named_by(path: str) -> str | None:
    return _named_in("waivers", path)


def bundle_named_by(path: str) -> str | None:
    """The trust domain whose first bundle it is."""
    return _named_in("federation", path, ".json")


def is_known(path: str) -> bool:
    return (
        path in (TRUST_DOMAIN_FILE, NAMESPACES_FILE)
        or profile_named_by(path) is not None
        or service_named_by(path) is not None
        or waiver_named_by(path) is not None
        or bundle_named_by(path) is not None
    )


def has_a_place(path: str) -> bool:
    """Whether somebody reads it: what is known here, and policies, which `policy.book` reads."""
    return is_known(path) or is_of_policies(path)


def unknown_file(path: str) -> Refused:
    return Refused(
        code="unknown-file",
        what=f"{shown(path)} is no file of a trust repository",
        why="a file nobody reads would look as if it had an effect",
        fix="use trustdomain.yaml, namespaces.yaml, profiles/<name>.yaml, waivers/<name>.yaml, "
        "federation/<trust domain>.json and services/<namespace>/<service>/service.yaml, "
        "and beside that policy.cedar, policy.yaml and policy_test.yaml; templates/<name>@<version>.yaml and .cedar, "
        "guardrails.cedar and guardrails_test.yaml; "
        "dotfiles and *.md may stand anywhere",
        place=Place(shown(path), 1),
    )


def too_large(count: int, size: int) -> Refused:
    return Refused(
        code="repository-too-large",
        what=f"the trust repository has {count} files and {size} bytes or more",
        why=f"what is read must be bounded: {MAX_FILES} files and {MAX_TOTAL_BYTES // 1024**2} MiB are allowed",
        fix="remove what does not belong there, or split the trust domain",
    )


def digest(files: Mapping[str, bytes]) -> str:
    """Hex SHA-256 over the paths and contents that count. Equal digests: submitting again changes nothing."""
    content = hashlib.sha256()
    for path in sorted(files):
        if not is_ignored(path):
            name = path.encode("utf-8", "surrogatepass")
            content.update(b"%d:%d:" % (len(name), len(files[path])) + name + files[path])
    return content.hexdigest()


def _named_in(folder: str, path: str, suffix: str = ".yaml") -> str | None:
    match PurePosixPath(path).parts:
        case (first, file) if first == folder and file.endswith(suffix) and _is_plain(path):
            return file.removesuffix(suffix)
        case _:
            return None


def _is_plain(path: str) -> bool:
    """Written the one way: `PurePosixPath` takes `a//b` and `a/./b` for `a/b`."""
    return str(PurePosixPath(path)) == path
