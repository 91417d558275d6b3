"""The words of a drill's report on paper, in Vietnamese and English (docs/GLOSSARY.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["vi", "en"]

# English is the key; a word that is missing here is a fault that a test finds.
VIETNAMESE: Mapping[str, str] = {
    "Restore drill report": "Báo cáo diễn tập khôi phục",
    "pass": "ĐẠT",
    "pass with findings": "ĐẠT, có điểm cần lưu ý",
    "fail": "KHÔNG ĐẠT",
    "inconclusive": "CHƯA KẾT LUẬN ĐƯỢC",
    "not measured": "không đo",
    "RTO (recovery time)": "RTO (thời gian khôi phục)",
    "RPO (data loss)": "RPO (lượng dữ liệu có thể mất)",
    "{actual} of at most {target}": "{actual}, cam kết tối đa {target}",
    "Digest of the statement": "Giá trị băm của bản gốc (SHA-256)",
    "Ledger": "Nhật ký",
    "entry {number}, head {head}": "mục {number}, đầu chuỗi {head}",
    "What the machine found": "Nhận định của máy",
    "Verdict": "Kết luận",
    "System": "Hệ thống",
    "Security level": "Cấp độ",
    "Owner": "Chủ quản",
    "Scenario": "Kịch bản",
    "Declared": "Bắt đầu",
    "Carried out": "Thực hiện",
    "by hand on {host}": "do người thực hiện trên máy {host}",
    "unattended: machine {host}, due {when}": "tự động, không có người: máy {host}, theo lịch {when}",
    "Policy": "Phương án sao lưu, dự phòng",
    "Legal basis": "Căn cứ pháp lý",
    "What was restored": "Dữ liệu được khôi phục",
    "Snapshot": "Bản chụp dữ liệu",
    "Restore point": "Thời điểm dữ liệu",
    "Copy used": "Bản sao đã dùng",
    "Engine": "Hệ quản trị",
    "Size": "Khối lượng",
    "Sandbox": "Môi trường cách ly",
    "Checks": "Các phép kiểm tra",
    "Check": "Kiểm tra",
    "Result": "Kết quả",
    "Expected": "Mong đợi",
    "Found": "Thực tế",
    "Findings": "Phát hiện",
    "pending": "đang chờ",
    "none": "không có",
    "Timeline": "Diễn biến",
    "Moment": "Mốc",
    "Time": "Thời gian",
    "Sign-off": "Ký xác nhận",
    "Operator": "Người thực hiện",
    "Verifier": "Người kiểm tra",
    "not signed yet": "chưa ký",
    "signed by {name}, key {key}": "đã ký: {name}, khóa {key}",
    "OBJECTS: {name}, key {key}": "KHÔNG ĐỒNG Ý: {name}, khóa {key}",
    "Time-stamp": "Dấu thời gian",
    "How to check": "Cách tự kiểm tra",
    "This page is a rendering. The signed statement with this digest is the original; check it by:": (
        "Trang này chỉ là bản trình bày. Bản gốc là bản kê khai đã ký có giá trị băm trên; cách kiểm tra:"
    ),
    "ok": "đạt",
    "FAIL": "KHÔNG ĐẠT",
    "finding": "lưu ý",
    "left out": "không thực hiện",
    "key": "khóa",
    "restore": "khôi phục",
    "chunks": "chữ ký và đoạn dữ liệu",
    "content": "nội dung bằng bản chụp",
    "probes": "câu hỏi kiểm chứng",
    "schema": "cấu trúc",
    "constraints": "ràng buộc, khóa ngoại",
    "encoding": "bảng mã",
    "queries": "truy vấn nghiệp vụ",
    "files": "tệp mở được",
    "controls": "kiểm tra chống giả mạo",
    "wiped": "đã xóa sạch môi trường",
    "declared": "công bố",
    "located": "tìm thấy bản sao",
    "key_released": "có khóa",
    "sandbox_ready": "môi trường sẵn sàng",
    "restored": "khôi phục xong",
    "verified": "kiểm tra xong",
    "cleaned": "dọn dẹp xong",
    "single_database": "một cơ sở dữ liệu",
    "one_table": "một bảng",
    "first_store_lost": "mất kho thứ nhất",
    "bad_cut_over": "chuyển đổi hỏng",
    "cold_start": "khởi động nguội",
    "custodians": "người giữ khóa",
}


def in_words(language: Language, text: str) -> str:
    """Return the English ``text`` in that language; what has no translation (a name) stays."""
    return VIETNAMESE.get(text, text) if language == "vi" else text
