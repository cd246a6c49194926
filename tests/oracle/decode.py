"""What a frame says, by the fact sheets and the policy (docs/decoding.md): the slow and obvious decoder.

Every field of an event is read whether or not another one failed, so an event that is not sound has a set of faults;
the decoder must name one of them. Which one it meets first is its own business.
"""

from __future__ import annotations

from oracle.binance import binance, is_envelope, payloads
from oracle.fields import Answer, Control, Event, Fields, Skip, elements
from oracle.massive import massive
from oracle.strict_json import Rejected, read

__all__ = ["Answer", "Control", "Event", "Rejected", "Skip", "decode"]


def decode(frame: bytes, venue: str) -> Answer:
    """Return what a frame of a venue says.

    Raises
    ------
    Rejected
        The frame is not sound JSON within the limits.
    """
    answer = Answer()
    is_binance = venue.startswith("binance.")
    top, inside = read(frame, data_holds_events=is_binance)
    if inside and is_envelope(top):
        raise inside
    for value, stream in payloads(top) if is_binance else ((value, None) for value in elements(top)):
        if value.kind != "object":
            answer.add(Skip("", {("not_an_event", "", value.start)}))
        else:
            fields = Fields(frame, value, venue, stream)
            answer.add(binance(fields) if is_binance else massive(fields))
            answer.unsure |= fields.unsure
    return answer
