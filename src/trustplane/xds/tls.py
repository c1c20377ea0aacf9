"""The TLS settings of both directions.

TLS 1.3 only, both sides show a certificate, and no session is ever resumed: a resumed TLS 1.3 session outlives the
certificate it was made with. The CA comes from a bundle secret that all share; the expected identities stay with the
listener or cluster. Secrets carry no identity matcher, because Envoy joins both lists and would widen the pin.
"""

from __future__ import annotations

from collections.abc import Sequence

from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.xds.resources import Json, typed

TLS = "envoy.extensions.transport_sockets.tls.v3."
SDS_FROM_ADS: Json = {"ads": {}, "resource_api_version": "V3"}
HANDSHAKE_TIMEOUT = "5s"


PEERS = "peers"  # the secret with a bundle for each trust domain of those who may connect


def inbound(own: SpiffeId, others: Sequence[TrustDomain] = ()) -> dict[str, object]:
    """Any identity of the own trust domain, and of the others, may connect; which may call what is RBAC's to say."""
    accepted = [{"prefix": f"{one.id}/"} for one in (own.trust_domain, *others)]
    bundle = PEERS if others else str(own.trust_domain.id)
    return {
        "name": "tls",
        "typed_config": typed(
            TLS + "DownstreamTlsContext",
            require_client_certificate=True,
            disable_stateless_session_resumption=True,
            disable_stateful_session_resumption=True,
            common_tls_context=_common(own, bundle, accepted),
        ),
    }


def outbound(own: SpiffeId, callee: SpiffeId) -> dict[str, object]:
    """The callee's exact identity is pinned, under its own trust domain's authorities and no other's."""
    return {
        "name": "tls",
        "typed_config": typed(
            TLS + "UpstreamTlsContext",
            sni=server_name(callee),
            max_session_keys=0,
            common_tls_context=_common(own, str(callee.trust_domain.id), [{"exact": str(callee)}]),
        ),
    }


def server_name(callee: SpiffeId) -> str:
    """A DNS-shaped name for logs: nothing is decided by it. `.` and `_` may not be in every DNS label."""
    labels = [label.lower().replace(".", "-").replace("_", "-").strip("-") for label in reversed(callee.path)]
    name = ".".join([*(label[:63] for label in labels if label), callee.trust_domain.name.replace("_", "-")])
    return name[-253:].lstrip(".-")


def _common(own: SpiffeId, bundle: str, accepted: Sequence[Json]) -> dict[str, object]:
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": ["h2"],
        "tls_certificate_sds_secret_configs": [{"name": str(own), "sds_config": SDS_FROM_ADS}],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": one} for one in accepted],
            },
            "validation_context_sds_secret_config": {"name": bundle, "sds_config": SDS_FROM_ADS},
        },
    }
