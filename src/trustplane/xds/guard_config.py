"""What must be true of listeners, clusters and routes before a proxy is given them.

Each rule looks at every message of one type, wherever it stands, so that it also holds for configuration written by
parts that do not know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from trustplane.fault import Finding
from trustplane.xds import rbac, revoked, shadow
from trustplane.xds.resources import TYPE_PREFIX, Json, Kind, Resource

_TLS = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3."
_HTTP = TYPE_PREFIX + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_RBAC = TYPE_PREFIX + "envoy.extensions.filters.http.rbac.v3."

_JUDGING = shadow.filters()

Lack = tuple[str, str]  # what is wrong, and why it matters


def config_findings(one: Resource) -> Iterator[Finding]:
    if one.kind is Kind.EXTENSION and not _judges_only(one):
        yield _finding(one, "it is no filter that judges only", "what a candidate comes in must not refuse a request")
    for message in _messages({} if one.kind is Kind.EXTENSION else one.content):
        rule = _RULES.get(str(message.get("@type", "")))
        for what, why in [*(rule(message) if rule else ()), *_crashes(message)]:
            yield _finding(one, what, why)
    whole = {Kind.LISTENER: _inbound, Kind.ROUTE: _rules_of_routes}.get(one.kind)
    for what, why in whole(one.content) if whole else ():
        yield _finding(one, what, why)


def _judges_only(one: Resource) -> bool:
    return one.name in shadow.FILTERS and shadow.is_harmless(one.name, one.content.get("typed_config"))


def _finding(one: Resource, what: str, why: str) -> Finding:
    return Finding(
        code="xds-config-unsafe",
        what=f"the {one.kind.name.lower()} {one.name} must not be published: {what}",
        why=why,
        fix="report this; what was published before stays in use",
    )


def _messages(content: object) -> Iterator[Json]:
    """But for the filters of a candidate, written in these very words: in them absent rules are meant."""
    match content:
        case Mapping() if "config_discovery" in content and content in _JUDGING:
            return
        case Mapping():
            yield content
            for value in content.values():
                yield from _messages(value)
        case list() | tuple():
            for value in content:
                yield from _messages(value)
        case _:
            return


def _crashes(message: Json) -> Iterator[Lack]:
    if "streaming_grpc" in message:
        yield "it taps to streaming_grpc", "Envoy aborts at once (tap_config_base.cc: not implemented)"


def _downstream_tls(message: Json) -> Iterator[Lack]:
    if message.get("require_client_certificate") is not True:
        yield "it does not require a client certificate", "anyone could connect"
    for field in ("disable_stateless_session_resumption", "disable_stateful_session_resumption"):
        if message.get(field) is not True:
            yield f"it lacks {field}", "a resumed session outlives the certificate it was made with"
    yield from _common_tls(message)


def _upstream_tls(message: Json) -> Iterator[Lack]:
    if message.get("max_session_keys") != 0:
        yield "it resumes sessions", "a resumed session outlives the certificate it was made with"
    yield from _common_tls(message)


def _common_tls(message: Json) -> Iterator[Lack]:
    match message.get("common_tls_context"):
        case {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [_],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [_, *_]},
                "validation_context_sds_secret_config": {"name": str()},
            },
        }:
            return
        case _:
            yield (
                "its TLS context is not TLS 1.3 with a certificate, a bundle and the identities it accepts",
                "without a bundle Envoy asks for no certificate; without identities it takes any",
            )


def _http(message: Json) -> Iterator[Lack]:
    wanted: Mapping[str, object] = {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
    }
    for field, value in wanted.items():
        if message.get(field) != value:
            yield f"{field} is not {value}", "a path could be written so that rules and service read it differently"


def _rbac(message: Json) -> Iterator[Lack]:
    match message.get("rules"):
        case {"policies": Mapping()}:
            return
        case _:
            yield "its RBAC filter has no rules", "absent rules enforce nothing; empty policies would let nobody in"


def _rbac_per_route(message: Json) -> Iterator[Lack]:
    match message.get("rbac"):
        case {"rules": {"action": "ALLOW" | "DENY", "policies": Mapping()}}:
            return
        case _:
            yield "its route replaces the RBAC rules by none", "a route's rules replace the listener's"


def _rules_of_routes(route: Json) -> Iterator[Lack]:
    """Which filter a rule goes to is said by its key, and a deny rule in the place of the allow rule lets all in."""
    for host in (each for each in _messages(route) if "typed_per_filter_config" in each):
        match host["typed_per_filter_config"]:
            case {
                rbac.FORBIDDEN: {"rbac": {"rules": {"action": "DENY"}}},
                rbac.RBAC: {"rbac": {"rules": {"action": "ALLOW"}}},
                revoked.REVOKED: {"rbac": {"rules": {"action": "DENY"}}},
            }:
                pass
            case _:
                yield (
                    "its route lacks the rules of who may call, who may not and who is revoked",
                    "they come with the route",
                )


def _inbound(listener: Json) -> Iterator[Lack]:
    """A listener that takes requests from outside: TLS on every chain, RBAC first, and an end to every connection."""
    if listener.get("traffic_direction") != "INBOUND":
        return
    chains = listener.get("filter_chains")
    for chain in chains if isinstance(chains, list) else ():
        if "transport_socket" not in chain:
            yield "a filter chain takes plaintext", "whoever reaches the port would be let in unverified"
        if "transport_socket_connect_timeout" not in chain:
            yield "a handshake may take for ever", "silent peers would use up connections"
        if _takes_several_domains(chain) and not any(
            each.get("object_key") == revoked.PEER_IDS for each in _messages(chain)
        ):
            yield "it does not look at all IDs of a certificate", "one with an ID of each domain would pass for either"
        for manager in (each for each in _messages(chain) if each.get("@type") == _HTTP):
            yield from _inbound_http(manager)


def _takes_several_domains(chain: object) -> bool:
    matchers = (each.get("match_typed_subject_alt_names") for each in _messages(chain))
    return any(isinstance(one, list) and len(one) > 1 for one in matchers)


def _inbound_http(manager: Json) -> Iterator[Lack]:
    filters = manager.get("http_filters")
    if isinstance(filters, list) and filters[: len(_JUDGING)] == _JUDGING:
        filters = filters[len(_JUDGING) :]
    else:
        yield "a candidate's filters are not the first", "requests that are refused before them would not be judged"
    match filters:
        case [
            {"name": rbac.FORBIDDEN, "typed_config": {"@type": first, "rules": {"action": "DENY"}}},
            {"name": rbac.RBAC, "typed_config": {"@type": second, "rules": {"action": "ALLOW"}}},
            *_,
        ] if first == second == _RBAC + "RBAC":
            pass
        case _:
            yield "its first HTTP filters are not RBAC", "requests would be served that nobody allowed"
    match manager.get("http_filters"):
        case [*filters] if any(isinstance(one, Mapping) and one.get("name") == revoked.REVOKED for one in filters):
            pass
        case _:
            yield "no HTTP filter refuses the revoked", "it would be served while its connections last"
    match manager.get("common_http_protocol_options"):
        case {"max_connection_duration": str()}:
            pass
        case _:
            yield "its connections never end", "a connection outlives the certificates it was made with"


_RULES: Mapping[str, Callable[[Json], Iterator[Lack]]] = MappingProxyType(
    {
        _TLS + "DownstreamTlsContext": _downstream_tls,
        _TLS + "UpstreamTlsContext": _upstream_tls,
        _HTTP: _http,
        _RBAC + "RBAC": _rbac,
        _RBAC + "RBACPerRoute": _rbac_per_route,
    }
)
