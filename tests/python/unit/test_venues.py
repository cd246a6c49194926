from __future__ import annotations

from ringtape import _native
from ringtape.venues import VENUES


def test_the_names_are_those_of_the_core_in_the_order_of_its_codes() -> None:
    assert list(VENUES) == _native.venues()
