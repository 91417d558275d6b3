"""Text of a server in any of its encodings, both ways without loss.

drorch never asks a server to convert: a UTF8 client fails on the TCVN3 bytes of an SQL_ASCII database. Names and
definitions are decoded here for people and for JSON; rows never are.
"""

from __future__ import annotations

from dataclasses import dataclass

from drorch.errors import SourceUnsupported

# Server encoding -> Python codec. SQL_ASCII is UTF-8 with whatever is not UTF-8 kept by surrogate escapes.
_CODECS = {
    "SQL_ASCII": "utf-8",
    "UTF8": "utf-8",
    "BIG5": "big5",
    "EUC_CN": "gb2312",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "JOHAB": "johab",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "WIN866": "cp866",
    "WIN874": "cp874",
    "WIN1250": "cp1250",
    "WIN1251": "cp1251",
    "WIN1252": "cp1252",
    "WIN1253": "cp1253",
    "WIN1254": "cp1254",
    "WIN1255": "cp1255",
    "WIN1256": "cp1256",
    "WIN1257": "cp1257",
    "WIN1258": "cp1258",
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A server encoding. ``decode`` then ``encode`` gives the same bytes, or ``decode`` raises."""

    server_name: str

    def decode(self, raw: bytes) -> str:
        """Return the text of ``raw``; raise ``SourceUnsupported`` if it would not come back the same."""
        codec = self._codec()
        text = raw.decode(codec, "surrogateescape")
        if codec != "utf-8" and text.encode(codec, "surrogateescape") != raw:
            raise SourceUnsupported(f"a name or definition cannot be read in the encoding {self.server_name}")
        return text

    def encode(self, text: str) -> bytes:
        """Return the bytes of ``text``; raise ``SourceUnsupported`` for a character that the encoding lacks."""
        try:
            return text.encode(self._codec(), "surrogateescape")
        except UnicodeEncodeError as error:
            raise SourceUnsupported(f"the encoding {self.server_name} lacks a character of a statement") from error

    def _codec(self) -> str:
        codec = _CODECS.get(self.server_name)
        if codec is None:
            raise SourceUnsupported(
                "the encoding of the database is not supported",
                expected="an encoding that Python knows too",
                found=self.server_name,
            )
        return codec


UTF8 = Encoding("UTF8")


def printable(text: str) -> str:
    """Return ``text`` with bytes that are no text as ``%XX``: a stream's name must be valid Unicode."""
    return "".join(f"%{ord(char) - 0xDC00:02X}" if 0xDC80 <= ord(char) <= 0xDCFF else char for char in text)
