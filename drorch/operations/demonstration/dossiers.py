"""Synthetic dossiers of a one-stop shop (một cửa): PostgreSQL rows with jsonb, and the attachments that they name, in a tree.

Rows and files belong together: they are backed up as a group. Nobody in it exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from drorch.operations.demonstration.hashes import hashes, identity_number, inserts, person
from drorch.operations.demonstration.scans import scan
from drorch.operations.demonstration.words import NEW_COMMUNES, decomposed
from drorch.sandbox.interface import TreeEntry

PROCEDURES = ("Cấp giấy khai sinh", "Đăng ký biến động đất đai", "Cấp phép xây dựng", "Chứng thực bản sao")
_DEFINITIONS = """
CREATE TABLE thu_tuc (ma serial PRIMARY KEY, ten text NOT NULL UNIQUE, cau_hinh jsonb NOT NULL, tam_thoi boolean NOT NULL DEFAULT true);
CREATE TABLE ho_so (ma text PRIMARY KEY, thu_tuc integer NOT NULL REFERENCES thu_tuc, xa text NOT NULL, tiep_nhan timestamptz NOT NULL, noi_dung jsonb NOT NULL);
CREATE TABLE tep (ho_so text REFERENCES ho_so, duong_dan text PRIMARY KEY, kich_thuoc integer NOT NULL);
"""
_AFTER_ROWS = """
CREATE INDEX ho_so_noi_dung ON ho_so USING gin (noi_dung jsonb_path_ops);
CREATE INDEX ho_so_nguoi_nop ON ho_so ((noi_dung #>> '{người nộp,họ tên}'));
ANALYZE;
"""


def dossiers(scale: int, seed: int = 331) -> Iterator[str]:
    """Yield the script that fills an empty PostgreSQL database with ``scale`` dossiers."""
    yield _DEFINITIONS
    settings = json.dumps({"bước": ["tiếp nhận", "thẩm định", "trả kết quả"], "hạn": 15}, ensure_ascii=False)
    yield from inserts("thu_tuc (ten, cau_hinh)", ((name, settings) for name in PROCEDURES))
    yield from inserts("ho_so", (_dossier(number, h) for number, h in hashes("dossier", scale, seed)))
    files = ((_number(number), path, len(content)) for number, path, content in _attachments(scale, seed))
    yield from inserts("tep", files)
    yield _AFTER_ROWS


def dossier_files(scale: int, seed: int = 331) -> Iterator[TreeEntry]:
    """Yield the attachments that the rows name."""
    for _, path, content in _attachments(scale, seed):
        yield TreeEntry(name=path.encode(), content=content, mode=0o640)


def _number(number: int) -> str:
    return f"H36.{number:06d}"


def _dossier(number: int, h: bytes) -> tuple[int | str, ...]:
    content = {
        "người nộp": {"họ tên": person(h, 0), "giấy tờ": identity_number(h, 4)},
        "lệ phí": h[9] * 1000,
        "hệ số": h[10] / 7,
        "ghi chú": decomposed("bổ sung giấy tờ") if h[11] < 30 else None,
    }
    received = f"2025-{7 + h[12] % 5:02d}-{1 + h[13] % 28:02d} {7 + h[14] % 10:02d}:{h[15] % 60:02d}:00.{h[16]:03d}+07"
    commune = NEW_COMMUNES[h[17] % len(NEW_COMMUNES)][0]
    return _number(number), 1 + h[18] % len(PROCEDURES), commune, received, json.dumps(content, ensure_ascii=False)


def _attachments(scale: int, seed: int) -> Iterator[tuple[int, str, bytes]]:
    """Yield an attachment for every fifth dossier: its number, the path below the tree, its bytes."""
    for number, h in hashes("attachment", scale, seed):
        if number % 5 == 0:
            name = "đơn đề nghị" if h[0] < 200 else decomposed("đơn đề nghị")
            kind = ("pdf", "jpg")[h[1] % 2]
            yield number, f"{number // 100:03d}/{_number(number)}/{name}.{kind}", scan(kind, number, h)
