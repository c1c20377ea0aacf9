"""What customers see: an order placed here goes to checkout."""

from __future__ import annotations

from .serving import Json, Upstream, serve, whole_number

PRICES = {"tea": 450, "cup": 1290, "kettle": 5900}


def main() -> None:
    checkout = Upstream("checkout")

    def order(body: Json) -> Json:
        item = str(body.get("item", "tea"))
        price = PRICES.get(item, PRICES["tea"])
        bought = checkout.post("/buy", {"item": item, "cents": price * whole_number(body, "count")})
        return {"thanks": True, "item": item, "order": bought["order"]}

    serve("web", {("POST", "/order"): order, ("GET", "/"): lambda _: {"shop": "open", "items": PRICES}})


if __name__ == "__main__":
    main()
