"""The one JSON parser."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatify.common.errors import ChatifyError, InvalidInput, TooLarge
from chatify.common.strict_json import MAX_DEPTH, MAX_DIGITS, is_storable, parse

LIMIT = 64 * 1024


def refused(raw: bytes) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as raised:
        parse(raw, max_bytes=LIMIT)
    assert raised.value.errors[0].code == raised.value.code
    return raised.value.code, raised.value.errors[0].field


@pytest.mark.parametrize(
    "raw",
    [
        b"{}", b"null", b' [1, -2.5, "x"] ', b'"\\u00e9\\ud83e\\udd8a"', '{"🦊": "é"}'.encode(), b'{"a": {"a": 1}}',
        b'"[[[[{{{{ \\" [[[[ \\\\"', b"123456789012345678", b"-123456789012345678", b"9e17", b"1e-400",
    ],
)  # fmt: skip
def test_right_documents_are_parsed_as_python_does(raw: bytes):
    assert parse(raw, max_bytes=LIMIT) == json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (b"", "not_json", ""), (b"{", "not_json", ""), (b"{'a': 1}", "not_json", ""), (b"[1,]", "not_json", ""),
        (b"NaN", "not_json", ""), (b"[Infinity]", "not_json", ""), (b"-Infinity", "not_json", ""),
        (b"1 2", "not_json", ""), (b"\xef\xbb\xbf1", "not_json", ""), (b'"\n"', "not_json", ""),
        (b"\xff", "not_utf8", ""), (b'"\xed\xa0\x80"', "not_utf8", ""), (b'"\xc0\x80"', "not_utf8", ""),
        (b"1" + b"0" * MAX_DIGITS, "number_too_large", ""), (b"9" * 5000, "number_too_large", ""),
        (b"1e999", "number_too_large", ""), (b"-1e18", "number_too_large", ""),
        (b'{"a": 1, "b": 2, "a": 1}', "duplicate_key", "a"), (b'[{"x": {"b": 1, "b": 1}}]', "duplicate_key", "b"),
        (b'"\\u0000"', "bad_characters", ""), (b'{"a": ["", "\\ud800"]}', "bad_characters", "a.1"),
        (b'{"a": {"\\u0000": 1}}', "bad_characters", "a.(key)"), (b'{"\\udc00": 1}', "bad_characters", "(key)"),
        (b'{"\\u0000": 1, "\\u0000": 2}', "duplicate_key", ""),
    ],
)  # fmt: skip
def test_wrong_documents_are_refused_with_the_place(raw: bytes, code: str, field: str):
    assert refused(raw) == (code, field)


def test_depth_has_a_limit():
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        deepest = opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH
        assert parse(deepest, max_bytes=LIMIT) is not None
        assert refused(opening + deepest + closing) == ("too_deep", "")
    assert refused(b"[" * 60_000) == ("too_deep", "")


def test_brackets_in_texts_and_side_by_side_are_not_depth():
    assert len(parse(b"[" + b"[],{}," * 5000 + b"1]", max_bytes=LIMIT)) == 10_001
    assert parse(json.dumps(["[{" * 10_000 + '\\"[[']).encode(), max_bytes=LIMIT) == ["[{" * 10_000 + '\\"[[']


def test_size_has_a_limit_in_bytes():
    assert parse(b'"abc"', max_bytes=5) == "abc"
    with pytest.raises(TooLarge):
        parse('"äb"'.encode(), max_bytes=4)


SLOW = {
    "escaped quotes": b"[" * 33 + b'\\"' * 32_000,
    "escaped quotes in a text": b"[" * 33 + b'"' + b'\\"' * 32_000,
    "quotes and escapes": b"[" * 33 + b'"\\' * 32_000,
    "the last of many keys twice": b"{" + b",".join(b'"%x":1' % n for n in range(6000)) + b',"zz":1,"zz":1}',
    "a long path": b'{"' + b"k" * 30_000 + b'\\u0041":[' + b"0," * 17_000 + b"0]}",
    "many escapes below": b'{"a":' * 32 + b'"\\' * 30_000,
}


@pytest.mark.parametrize("raw", SLOW.values(), ids=SLOW)
def test_no_document_takes_long(raw: bytes):
    started = time.process_time()
    with contextlib.suppress(InvalidInput):
        parse(raw, max_bytes=LIMIT)
    assert time.process_time() - started < 1.0


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
NUMBERS = st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1) | st.floats(-9e17, 9e17)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@given(value=VALUES, is_escaped=st.booleans())
def test_what_can_be_stored_comes_back_as_it_was(value: Any, is_escaped: bool):
    assert parse(json.dumps(value, ensure_ascii=is_escaped).encode(), max_bytes=1_000_000) == value


PIECES = st.sampled_from(
    [b"[", b"]", b"{", b"}", b'"', b"\\", b"\\u0000", b"\\ud800", b":", b",", b"1", b"e9", b"NaN", b"a"]
)


@given(raw=st.binary() | st.lists(PIECES, max_size=80).map(b"".join))
def test_nothing_whatsoever_is_more_than_refused(raw: bytes):
    try:
        value = parse(raw, max_bytes=LIMIT)
    except ChatifyError:
        return
    assert value == json.loads(raw)
    assert is_storable(json.dumps(value, ensure_ascii=False))
