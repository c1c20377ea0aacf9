from __future__ import annotations

from trustplane.fault import Refused
from trustplane.main.first_fault import first_fault


def fault(code: str) -> Refused:
    return Refused(code=code, what="w", why="y", fix="f")


def test_the_first_fault_is_found_however_deep_it_lies() -> None:
    wanted = fault("first")
    inner = ExceptionGroup("inner", [ValueError(), wanted, fault("second")])
    assert first_fault(BaseExceptionGroup("outer", [KeyboardInterrupt(), inner])) is wanted


def test_a_group_without_a_fault_stays_what_it_is() -> None:
    group = BaseExceptionGroup("outer", [ValueError()])
    assert first_fault(group) is group
