from __future__ import annotations

import pytest

from ringtape import errors
from ringtape.errors import (
    AmbiguousSymbol,
    ConfigError,
    DecodeError,
    Disconnected,
    EngineBusy,
    MissingExtra,
    RingtapeError,
    RuleError,
    SubscriptionError,
    UnknownField,
    UnknownSymbol,
    UnknownVenue,
    raise_missing_extra,
    suggest,
)

SAMPLES: list[RingtapeError] = [
    ConfigError("wrong", "key"),
    MissingExtra("ringtape serve", "nicegui", "web"),
    errors.FeedError("wrong", "massive.stocks"),
    errors.AuthenticationError("wrong", "massive.stocks"),
    SubscriptionError("wrong", "massive.stocks"),
    errors.ProtocolError("wrong", "massive.stocks"),
    Disconnected("gone", "massive.stocks"),
    errors.HistoryError("wrong", "massive.stocks", 404),
    DecodeError("massive.stocks", "syntax", 3, b"[{x"),
    RuleError("wrong", (1, 2), "hint"),
    UnknownField("lsat", ["last"]),
    UnknownVenue("massive.stonks", ["massive.stocks"]),
    UnknownSymbol("APPL", ["AAPL"]),
    AmbiguousSymbol("BTCUSDT", ["binance.usdm:BTCUSDT", "binance.spot:BTCUSDT"]),
    EngineBusy(),
    errors.SharedMemoryError("main", "wrong"),
    errors.LayoutMismatch("main", "layout 2/00, and this version reads 1/00"),
    errors.WriterGone("main", "its writer died (process 7)"),
    errors.WriterReplaced("main", "another engine has taken the name: attach again"),
]


def test_every_class_of_the_tree_is_sampled_and_drawn() -> None:
    classes = {getattr(errors, name) for name in errors.__all__} - {RingtapeError}
    assert {type(sample) for sample in SAMPLES} == classes
    assert not [name for name in errors.__all__ if name not in (errors.__doc__ or "")]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_read_as_sentences_and_answer_is_retryable(error: RingtapeError) -> None:
    assert isinstance(error.is_retryable, bool)
    assert str(error)
    assert not str(error).startswith(("'", '"'))  # KeyError would print the repr


def test_which_errors_are_worth_a_retry() -> None:
    retryable = {type(error).__name__ for error in SAMPLES if error.is_retryable}
    assert retryable == {"ProtocolError", "Disconnected", "EngineBusy"}


def test_builtin_parents() -> None:
    assert issubclass(UnknownField, KeyError)
    assert issubclass(UnknownSymbol, KeyError)
    assert issubclass(AmbiguousSymbol, KeyError)
    assert issubclass(UnknownVenue, ValueError)
    assert issubclass(MissingExtra, ImportError)


def test_messages_name_the_nearest() -> None:
    assert str(UnknownField("lsat", ["last"])) == "unknown field 'lsat'; did you mean 'last'?"
    assert suggest("dmeo", ["demo", "scan"]) == "; did you mean 'demo'?"
    assert suggest("zzz", ["demo", "scan"]) == "; known are demo, scan"


def test_a_missing_extra_names_the_remedy() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'ringtape\[web\]'"):
        raise_missing_extra("ringtape serve", ImportError("no", name="nicegui.ui"), "web")
    with pytest.raises(ImportError, match="ours"):
        raise_missing_extra("ringtape serve", ImportError("ours", name="ringtape.cli.serve"), "web")
