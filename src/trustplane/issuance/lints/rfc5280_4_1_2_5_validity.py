"""RFC 5280 §4.1.2.5: the leaf lives inside its authority's life, and no longer than its profile says."""

from __future__ import annotations

from trustplane.issuance.lints.reading import Reading


def check(reading: Reading) -> str | None:
    authority, profile = reading.order.authority, reading.order.admitted.profile
    begins, ends = reading.body.validity.not_before.as_datetime(), reading.body.validity.not_after.as_datetime()
    if not authority.not_before <= begins < ends <= authority.not_after:
        return f"{begins} to {ends} is not inside the authority's {authority.not_before} to {authority.not_after}"
    longest = profile.lifetime + profile.backdate
    return None if ends - begins <= longest else f"{begins} to {ends} is longer than the profile's {longest}"
