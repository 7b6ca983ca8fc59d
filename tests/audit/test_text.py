"""Numbers and bytes in text have one spelling each."""

from __future__ import annotations

from base64 import b64encode

import pytest

from talos_audit.text import base64, decimal, unbase64


@pytest.mark.parametrize("number", [0, 1, 10, 9_999_999_999_999_999_999])
def test_a_number_is_read_from_its_shortest_form(number: int) -> None:
    assert decimal(str(number)) == number


@pytest.mark.parametrize("text", ["", "00", "01", "-1", "+1", "1 ", "1_0", "\u0661", "\u00b2", "a", "1" + "0" * 19])
def test_any_other_form_or_a_longer_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no decimal number"):
        decimal(text)


@pytest.mark.parametrize("raw", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_bytes_are_read_from_standard_base64(raw: bytes) -> None:
    assert base64(raw) == b64encode(raw).decode()
    assert unbase64(base64(raw)) == raw


@pytest.mark.parametrize(
    "text", ["YQ", "YQ=", "YR==", "YWJ=", "YQ==\n", " YQ==", "YQ==YQ==", "YQ===", "_-8=", "Y\u00e9==", "="]
)
def test_any_other_spelling_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - Some of the words are the standard library's.
        unbase64(text)
