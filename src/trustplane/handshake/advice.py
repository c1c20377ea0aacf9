"""What to type about a diagnosis."""

from __future__ import annotations

from trustplane.fault import Refused
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.diagnosis import Diagnosis
from trustplane.spiffe.ids import SpiffeId


def command_for(cause: str, diagnosis: Diagnosis) -> str:
    """The cause's command, with the ID of the certificate that was judged where a record claims a well-formed one."""
    command = CAUSES[cause].command
    names = diagnosis.judged
    return command.replace("<ID>", names[0]) if names and _is_id(names[0]) else command


def _is_id(name: str) -> bool:
    """Only what can be typed safely is put into a command: an ID has no character that a shell reads."""
    try:
        SpiffeId.parse(name)
    except Refused:
        return False
    return True
