"""RFC 5280 §4.1.2.5: the leaf lives inside its authority's life, and no longer than its profile says."""

from __future__ import annotations

from trustplane.issuance.lints.draft import Draft


def check(draft: Draft) -> str | None:
    order = draft.order
    begins, ends = draft.certificate.not_valid_before_utc, draft.certificate.not_valid_after_utc
    if not order.authority.not_before <= begins < ends <= order.authority.not_after:
        return f"{begins} to {ends} is not inside the authority's {order.authority.not_before} to its NotAfter"
    longest = order.admitted.profile.lifetime + order.admitted.profile.backdate
    return None if ends - begins <= longest else f"{begins} to {ends} is longer than the profile's {longest}"
