"""Books every charge and knows the balance. It calls nobody."""

from __future__ import annotations

import threading

from .serving import Json, serve, whole_number


class Ledger:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries = 0
        self._cents = 0

    def book(self, body: Json) -> Json:
        cents = whole_number(body, "cents")
        with self._lock:
            self._entries += 1
            self._cents += cents
            return {"entry": self._entries}

    def balance(self, _: Json) -> Json:
        with self._lock:
            return {"entries": self._entries, "cents": self._cents}


def main() -> None:
    ledger = Ledger()
    serve("ledger", {("POST", "/entries"): ledger.book, ("GET", "/entries"): ledger.balance})


if __name__ == "__main__":
    main()
