"""Decoders: what people call it, and whatever a program writes, no failure."""

from __future__ import annotations

import struct
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracerd.errors import ConfigError
from tracerd.snapshot import Column
from tracerd.views.decoders import DECODERS, decode
from tracerd.views.distinct import map_distinct, plain


def rows(*values: bytes) -> Column:
    """Make a column of bytes."""
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)


def texts(*values: str) -> Column:
    """Make a column of text."""
    return np.array(values, dtype=object)


SYSTEM = struct.pack(">BBHI", 1, 1, 0, 5) + struct.pack("<I", 18)
ADMINISTRATORS = struct.pack(">BBHI", 1, 2, 0, 5) + struct.pack("<2I", 32, 544)
LARGE_AUTHORITY = struct.pack(">BBHI", 1, 1, 0x1234, 0x56789ABC) + struct.pack("<I", 1)


@pytest.mark.parametrize(
    ("decoder", "column", "expected"),
    [
        ("string", rows(b"sh\0junk", b"bash\0\0\0"), ["sh", "bash"]),
        ("string", np.array([[0x73, 0x68, 0, 7]], "<u2"), ["sh"]),
        ("string", texts("sh"), ["sh"]),
        ("uint", np.array([-1, 7], "<i4"), ["4294967295", "7"]),
        ("uint", np.array([-1], "i1"), ["255"]),
        ("uint", rows(b"\1\2\0\0"), ["513"]),
        ("hex", np.array([255], "<u8"), ["0xff"]),
        ("hex", rows(b"\x01\xab"), ["01ab"]),
        ("mac", rows(b"\x52\x54\x00\x12\x34\x56"), ["52:54:00:12:34:56"]),
        ("mac", np.array([0x563412005452], "<u8"), ["52:54:00:12:34:56"]),
        ("major_minor", np.array([8 << 20, 259 << 20 | 3], "<u4"), ["8:0", "259:3"]),
        ("ipv4", rows(bytes([127, 0, 0, 1])), ["127.0.0.1"]),
        ("ipv4", np.array([0x0100007F], "<u4"), ["127.0.0.1"]),
        ("ip", rows(bytes(10) + b"\xff\xff\x0a\0\0\1", bytes(15) + b"\1"), ["10.0.0.1", "::1"]),
        ("ip", texts("10.0.0.1"), ["10.0.0.1"]),
        ("errno", np.array([-2], "<i8"), ["ENOENT"]),
        ("errno", texts("13"), ["EACCES"]),
        ("tcp_state", np.array([1, -1], "<i4"), ["established", "-1"]),
        ("guid", rows(uuid.UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c").bytes_le),
         ["3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"]),
        ("sid", rows(SYSTEM), ["S-1-5-18"]),
        ("sid", rows(ADMINISTRATORS + bytes(52)), ["S-1-5-32-544"]),
        ("sid", rows(LARGE_AUTHORITY), ["S-1-0x123456789ABC-1"]),
        ("sid", rows(SYSTEM[:-1]), [SYSTEM[:-1].hex()]),
        ("sid", rows(b"\2" + SYSTEM[1:]), ["02" + SYSTEM[1:].hex()]),
        ("ntstatus", np.array([0, -1073741790], "<i4"), ["STATUS_SUCCESS", "STATUS_ACCESS_DENIED"]),
        ("ntstatus", np.array([0xC0000034, 0xC0DE0001], "<u4"), ["STATUS_OBJECT_NAME_NOT_FOUND", "0xc0de0001"]),
        ("filetime", np.array([116444736000000000], "<u8"), ["1970-01-01T00:00:00Z"]),
        ("filetime", np.array([116444736000000015], "<i8"), ["1970-01-01T00:00:00.0000015Z"]),
        ("filetime", np.array([0, 2650467743999999999, 2650467744000000000], "<u8"),
         ["0", "9999-12-31T23:59:59.9999999Z", "2650467744000000000"]),
        ("nt_path", texts("\\??\\C:\\a", "\\\\?\\C:\\b", "\\\\?\\UNC\\srv\\x"), ["C:\\a", "C:\\b", "\\\\srv\\x"]),
        ("nt_path", texts("\\Device\\HarddiskVolume3\\a", "\\SystemRoot\\b"),
         ["\\Device\\HarddiskVolume3\\a", "\\SystemRoot\\b"]),
        ("dns_type", np.array([1, 28, 65, 999], "<u4"), ["A", "AAAA", "HTTPS", "TYPE999"]),
        ("dns_status", np.array([0, 9003, 9501, 77], "<u4"), ["SUCCESS", "RCODE_NAME_ERROR", "NO_RECORDS", "77"]),
    ],
)  # fmt: skip
def test_a_value_becomes_what_people_call_it(decoder: str, column: Column, expected: list[str]) -> None:
    """Numbers, bytes as they lie in memory and text, each as far as the decoder knows it."""
    assert decode(column, decoder).tolist() == expected


ANY_COLUMN = st.one_of(
    arrays.arrays(
        st.one_of(
            arrays.integer_dtypes(endianness="<"), arrays.unsigned_integer_dtypes(endianness="<"),
            arrays.floating_dtypes(endianness="<"), arrays.boolean_dtypes(),
        ),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=20),
    ),
    st.lists(st.text(), max_size=4).map(lambda each: np.array([*each, ""], dtype=object)[:-1]),
    st.lists(st.text(), min_size=1, max_size=4).map(lambda each: np.array([each], dtype=object)),
)  # fmt: skip


@pytest.mark.parametrize("decoder", DECODERS)
@given(column=ANY_COLUMN)
def test_no_value_makes_a_decoder_fail(decoder: str, column: Column) -> None:
    """One text for each row, of whatever there is; and what was decoded may be decoded again."""
    decoded = decode(column, decoder)
    assert decoded.shape == (len(column),)
    assert all(isinstance(each, str) for each in decoded)
    assert len(decode(decoded, "string")) == len(column)


@given(data=st.binary(min_size=68, max_size=68))
def test_any_bytes_are_a_sid_or_stay_bytes(data: bytes) -> None:
    """Their first byte mostly says that they are none."""
    (text,) = decode(rows(b"\1" + data[1:]), "sid")
    assert text.startswith("S-1-") or text == ("01" + data[1:].hex())


def test_decoders_follow_one_another() -> None:
    """What one makes is text, and those that take numbers take their digits."""
    assert decode(decode(rows(b"\2\0\0\0"), "uint"), "errno").tolist() == ["ENOENT"]


def test_each_distinct_value_is_decoded_once() -> None:
    """Ten thousand rows of two values ask twice."""
    asked: list[str] = []

    def ask(value: object) -> str:
        asked.append(plain(value))  # type: ignore[arg-type]
        return "x"

    for column in (np.arange(10_000) % 2, np.array(["a", "b"] * 5_000, dtype=object)):
        asked.clear()
        assert len(map_distinct(column, ask)) == 10_000
        assert len(asked) == 2


def test_an_unknown_decoder_is_refused_with_those_there_are() -> None:
    """By name."""
    with pytest.raises(ConfigError, match="unknown; valid: syscall, errno"):
        decode(np.zeros(1), "sycall")
