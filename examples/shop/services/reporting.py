"""Tells the owner how the shop is doing. It reads the ledger and may not touch payments."""

from __future__ import annotations

from .serving import Json, Upstream, serve


def main() -> None:
    ledger = Upstream("ledger")

    def report(_: Json) -> Json:
        balance = ledger.get("/entries")
        return {"sales": balance["entries"], "cents": balance["cents"]}

    serve("reporting", {("GET", "/report"): report})


if __name__ == "__main__":
    main()
