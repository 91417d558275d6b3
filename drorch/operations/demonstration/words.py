"""Words of which the demonstration's people and places are made up; nobody in it exists.

Units and codes are those of huyện Đức Trọng (old code 678) before and after 1 July 2025, as far as the demonstration
needs them: code 24958 was a township and is a commune of another size now.
"""

from __future__ import annotations

import unicodedata


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FAMILY_NAMES = _words("Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý K’ Ya Cil Rơ")
MIDDLE_NAMES_MALE = _words("Văn Hữu Đức Minh Quang Xuân Công Đình")
MIDDLE_NAMES_FEMALE = _words("Thị Ngọc Kim Thanh Bích Mỹ Thu Hồng")
GIVEN_NAMES = _words(
    "An Bình Cường Dũng Hà Hải Hạnh Hoa Hùng Hương Khoa Lan Linh Long Mai Nam Nga Nhung Phương Quân Sơn Thảo Tuấn Tuyết Uyên Việt Vinh Yến"
)
LAND_USES = (
    ("ONT", "Đất ở tại nông thôn"),
    ("ODT", "Đất ở tại đô thị"),
    ("CLN", "Đất trồng cây lâu năm"),
    ("LUC", "Đất chuyên trồng lúa nước"),
    ("BHK", "Đất bằng trồng cây hàng năm khác"),
    ("NTS", "Đất nuôi trồng thủy sản"),
    ("RSX", "Đất rừng sản xuất"),
)
OLD_SCHEME, NEW_SCHEME = "gso2024", "nso2025"
DISTRICT = (OLD_SCHEME, "678", "Huyện Đức Trọng")
OLD_COMMUNES = (
    ("24958", "Thị trấn Liên Nghĩa"),
    ("24967", "Xã Hiệp Thạnh"),
    ("24970", "Xã Bình Thạnh"),
    ("24976", "Xã Tân Hội"),
    ("24982", "Xã Phú Hội"),
    ("24985", "Xã Ninh Gia"),
    ("24988", "Xã Tà Năng"),
    ("24991", "Xã Tà Hine"),
)
NEW_COMMUNES = (
    ("24871", "Xã Đinh Văn Lâm Hà"),
    ("24958", "Xã Đức Trọng"),
    ("24967", "Xã Hiệp Thạnh"),
    ("24976", "Xã Tân Hội"),
    ("24985", "Xã Ninh Gia"),
    ("24988", "Xã Tà Năng"),
    ("24991", "Xã Tà Hine"),
)
IMPOSSIBLE_DATES = ("00/00/1975", "31/02/1982", "1968", "00/10/1979", "29/02/1991", "không rõ")


def decomposed(text: str) -> str:
    """Return ``text`` as some old input methods wrote it: letters and marks apart (NFD)."""
    return unicodedata.normalize("NFD", text)


_TCVN3 = {
    letter: code
    for letters, codes in (
        ("ĂÂÊÔƠƯĐăâêôơưđ", "A1A2A3A4A5A6A7A8A9AAABACADAE"),
        ("àảãáạằẳẵắặầẩẫấậ", "B5B6B7B8B9BBBCBDBEC6C7C8C9CACB"),
        ("èẻẽéẹềểễếệìỉĩíị", "CCCECFD0D1D2D3D4D5D6D7D8DCDDDE"),
        ("òỏõóọồổỗốộờởỡớợ", "DFE1E2E3E4E5E6E7E8E9EAEBECEDEE"),
        ("ùủũúụừửữứựỳỷỹýỵ", "EFF1F2F3F4F5F6F7F8F9FAFBFCFDFE"),
    )
    for letter, code in zip(letters, bytes.fromhex(codes), strict=True)
}


def tcvn3(text: str) -> bytes:
    """Return ``text`` in TCVN 5712 VN3, as programs of the nineties wrote it: the font made letters of the bytes.

    Capitals with marks are written as small ones, as that font's users did. Raises ``KeyError`` for what it has no byte for.
    """
    return bytes(ord(each) if ord(each) < 128 else _TCVN3.get(each) or _TCVN3[each.lower()] for each in text)
