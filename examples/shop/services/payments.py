"""Takes the money. The one service that sees payment data, so only checkout may call it."""

from __future__ import annotations

import secrets

from .serving import Json, Upstream, serve, whole_number


def main() -> None:
    ledger = Upstream("ledger")

    def charge(body: Json) -> Json:
        cents, order = whole_number(body, "cents"), whole_number(body, "order")
        booked = ledger.post("/entries", {"order": order, "cents": cents})
        return {"receipt": secrets.token_hex(8), "entry": booked["entry"]}

    serve("payments", {("POST", "/charge"): charge})


if __name__ == "__main__":
    main()
