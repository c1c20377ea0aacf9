"""What proxies counted and no agent took is told as lost once, and never too much of it."""

from __future__ import annotations

from tests.kit.policies import PAYMENTS
from trustplane.handshake.entries import MOST_LOST, Accounted, Entries

ENVOY, ANOTHER = "100@5000", "100@6000"


class Proxy:
    """Writes entries, of which some come."""

    def __init__(self, *kept: Accounted) -> None:
        self.entries = Entries(dict.fromkeys([PAYMENTS], *kept) if kept else {})
        self.counted = 0

    def writes(self, count: int, *, come: int | None = None, process: str | None = ENVOY) -> None:
        self.counted += count
        for _ in range(count if come is None else come):
            self.entries.came(PAYMENTS, process)

    def look(self, process: str = ENVOY) -> int:
        return self.entries.looked({PAYMENTS: Accounted(process, self.counted)})


def test_what_came_is_not_lost() -> None:
    proxy = Proxy()
    proxy.writes(7)
    assert [proxy.look() for _ in range(3)] == [0, 0, 0]


def test_what_two_looks_miss_is_lost_once() -> None:
    proxy = Proxy()
    proxy.writes(40, come=30)
    assert [proxy.look() for _ in range(4)] == [0, 10, 0, 0]
    proxy.writes(2, come=0)
    assert [proxy.look() for _ in range(4)] == [0, 2, 0, 0]


def test_what_comes_between_two_looks_was_on_its_way() -> None:
    proxy = Proxy()
    proxy.writes(40, come=0)
    assert proxy.look() == 0
    proxy.writes(0, come=40)
    assert [proxy.look() for _ in range(2)] == [0, 0]


def test_entries_that_go_on_coming_hide_the_lost_only_until_they_stop() -> None:
    proxy = Proxy()
    proxy.writes(10, come=0)
    assert proxy.look() == 0
    for _ in range(4):
        proxy.entries.came(PAYMENTS, ENVOY)  # after it had counted, and before we look
    assert proxy.look() == 6
    proxy.counted += 4
    assert [proxy.look() for _ in range(3)] == [0, 4, 0]


def test_the_next_agent_misses_what_the_one_before_had_not_written_down() -> None:
    proxy = Proxy(Accounted(ENVOY, 20))
    proxy.counted = 25
    proxy.writes(3, process=None)  # before the proxy has asked for its configuration
    assert [proxy.look() for _ in range(3)] == [0, 5, 0]
    assert proxy.entries.accounted == {PAYMENTS: Accounted(ENVOY, 28)}


def test_early_entries_are_written_down_with_what_is_known() -> None:
    proxy = Proxy(Accounted(ENVOY, 20))
    proxy.writes(2, process=None)
    assert proxy.entries.accounted == {PAYMENTS: Accounted(ENVOY, 22)}


def test_another_process_begins_from_nothing() -> None:
    proxy = Proxy(Accounted(ENVOY, 500))
    proxy.writes(4, come=1, process=ANOTHER)
    assert [proxy.look(ANOTHER) for _ in range(3)] == [0, 3, 0]


def test_counters_that_begin_anew_hide_nothing() -> None:
    proxy = Proxy()
    proxy.writes(500)
    proxy.look()
    proxy.counted = 0
    proxy.look()
    proxy.writes(4, come=1)
    assert [proxy.look() for _ in range(3)] == [0, 3, 0]


def test_without_what_the_agent_before_wrote_nothing_of_before_is_told() -> None:
    entries = Entries(None)
    found = [entries.looked({PAYMENTS: Accounted(ENVOY, count)}) for count in (900, 900, 903, 903)]
    assert found == [0, 0, 0, 3]


def test_a_process_that_says_any_figure_makes_no_more_than_a_bound() -> None:
    entries = Entries({})
    found = [entries.looked({PAYMENTS: Accounted(ENVOY, 1 << 63)}) for _ in range(2)]
    assert found == [0, MOST_LOST]
