"""Turns a basket into an order: one charge, one receipt."""

from __future__ import annotations

import itertools

from .serving import Json, Upstream, serve, whole_number


def main() -> None:
    payments = Upstream("payments")
    numbers = itertools.count(1)

    def buy(body: Json) -> Json:
        number = next(numbers)
        paid = payments.post("/charge", {"order": number, "cents": whole_number(body, "cents")})
        return {"order": number, "receipt": paid["receipt"]}

    serve("checkout", {("POST", "/buy"): buy})


if __name__ == "__main__":
    main()
