"""What a drill found, in Vietnamese: the sentences that drills write, as forms. What no form fits (names, a server's message) stays as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from drorch.operations.proof.paper_words import VIETNAMESE

_DEEPEST = 4  # sentences within sentences
_COPY = re.compile(r"([0-9a-z]{8}) in (\S+)")  # a snapshot in a store: too short for a form, which would fit anything

# {} is anything: a number, a name, or another sentence. A longer form is tried before a shorter one.
FORMS: Mapping[str, str] = {
    # answers
    "all {} {} came back equal, usable after {}; promised {}": "đủ {} {} trở lại như cũ, dùng được sau {}; cam kết {}",
    "all {} {} came back equal, usable after {}; promised {}; {} finding": (
        "đủ {} {} trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
    ),
    "all {} {} came back equal, usable after {}; promised {}; {} findings": (
        "đủ {} {} trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
    ),
    "it proves neither: {}": "chưa chứng minh được gì: {}",
    "{} of {} did not come back as it was: {}": "{} trong {} không trở lại như cũ: {}",
    "a check was not carried out": "có phép kiểm tra chưa thực hiện được",
    "{} and {} more": "{} và {} mục nữa",
    "and {} more": "và {} mục nữa",
    "{}: expected {}, found {}; first difference: {}": "{}: mong đợi {}, thực tế {}; khác biệt đầu tiên: {}",
    "{}: expected {}, found {}": "{}: mong đợi {}, thực tế {}",
    # what a step was called
    "locate and release key": "tìm bản sao và mở khóa",
    "signatures and chunks": "chữ ký và đoạn dữ liệu",
    "content equals the snapshot": "nội dung bằng bản chụp",
    "schema equals the snapshot": "cấu trúc bằng bản chụp",
    "probes answer as at the backup": "câu hỏi kiểm chứng trả lời như lúc sao lưu",
    "known answers": "đáp án đã biết",
    "foreign keys, sequences": "khóa ngoại, bộ đếm",
    "controls bite": "kiểm tra chống giả mạo có tác dụng",
    "encodings of Vietnamese text": "bảng mã chữ Việt",
    "files open": "tệp mở được",
    "sandbox wiped": "đã xóa sạch môi trường",
    # carried out or not
    "carried out": "được thực hiện",
    "the check carried out": "phép kiểm tra được thực hiện",
    "left out": "không thực hiện",
    "left out: {}": "không thực hiện: {}",
    "{}: left out by the restore test: {}": "{}: kịch bản diễn tập bỏ qua, lý do: {}",
    "not carried out": "chưa thực hiện",
    "not carried out: {}": "chưa thực hiện: {}",
    "not asked": "không hỏi",
    "not asked: {}": "không hỏi: {}",
    "{} questions asked": "hỏi {} câu",
    "not answered: {}": "không trả lời: {}",
    "the questions of the restore test were not asked: {}": "chưa hỏi các câu của kịch bản diễn tập: {}",
    "nothing was restored, so there was nothing to look at": "không khôi phục được gì nên không có gì để kiểm tra",
    "it is no database": "không phải cơ sở dữ liệu",
    "it is no tree of files": "không phải cây thư mục",
    "only its own product can look inside": "chỉ phần mềm gốc mới đọc được bên trong",
    "the drill ended before": "đợt diễn tập kết thúc trước đó",
    "the drill was killed": "đợt diễn tập bị dừng đột ngột",
    "the process was killed": "tiến trình bị dừng đột ngột",
    "it proves neither: the drill was killed before it came to an end": (
        "chưa chứng minh được gì: đợt diễn tập bị dừng đột ngột trước khi xong"
    ),
    "no error": "không lỗi",
    "not ended after {}, the time-out of this drill": "chưa xong sau {}, hết thời hạn của đợt diễn tập",
    "not reached: stopped after {}": "không đạt: dừng sau {}",
    "not reached: the data is not usable": "không đạt: dữ liệu không dùng được",
    "not measured": "không đo",
    # counts
    "{} orphans in {} foreign keys, {} sequences compared with the schema": (
        "{} bản ghi mồ côi trong {} khóa ngoại, {} bộ đếm đã so với cấu trúc"
    ),
    "0 orphans, sequences where they stood": "0 bản ghi mồ côi, bộ đếm đúng vị trí cũ",
    "{} orphans": "{} bản ghi mồ côi",
    "no foreign keys": "không có khóa ngoại",
    "{} answered as expected": "{} câu trả lời đúng mong đợi",
    "an answer of the backup": "câu trả lời lúc sao lưu",
    "no answer (NULL or nothing)": "không có câu trả lời (NULL hoặc rỗng)",
    "no single value": "không phải một giá trị duy nhất",
    "an answer that is no number": "câu trả lời không phải số",
    "they were so at the backup": "lúc sao lưu đã như vậy",
    "it was not asked then: the policy is newer": "lúc đó chưa hỏi: phương án mới hơn",
    "the policy has it no longer, so it was not asked again": "phương án không còn câu này nên không hỏi lại",
    "{} tables": "{} bảng",
    "{} files": "{} tệp",
    "{} names": "{} tên",
    "{} rows": "{} dòng",
    "{} row": "{} dòng",
    "{} rows, digest {}": "{} dòng, giá trị băm {}",
    "{} row, digest {}": "{} dòng, giá trị băm {}",
    "{} bytes": "{} byte",
    "{} bytes, digest {}": "{} byte, giá trị băm {}",
    "{} tables with {} rows, {} bytes, as at the backup": "{} bảng gồm {} dòng, {} byte, như lúc sao lưu",
    "{} names, {} files, {} bytes, as at the backup": "{} tên, {} tệp, {} byte, như lúc sao lưu",
    "{} objects as at the backup": "{} đối tượng như lúc sao lưu",
    "{} as at the backup": "{} như lúc sao lưu",
    "as at the backup": "như lúc sao lưu",
    "{} of {} tables": "{} trong {} bảng",
    "{} of {} table": "{} trong {} bảng",
    "{} of {} names": "{} trong {} tên",
    "{} tables, {}": "{} bảng, {}",
    "{} files, {}": "{} tệp, {}",
    "nothing to compare": "không có gì để so",
    "no such table": "không có bảng đó",
    "no rows in the snapshot": "bản chụp không có dòng nào",
    "no digest of rows was taken at the backup": "lúc sao lưu không lấy giá trị băm của các dòng",
    "the snapshot has no table: nothing was compared": "bản chụp không có bảng: chưa so được gì",
    "the snapshot has no file: nothing was compared": "bản chụp không có tệp: chưa so được gì",
    "the snapshot has no byte: nothing was compared": "bản chụp không có byte nào: chưa so được gì",
    "every table was empty at the backup: no row proves anything": (
        "lúc sao lưu mọi bảng đều trống: không dòng nào chứng minh được gì"
    ),
    "a server before 12 prints floats inside of arrays otherwise": (
        "máy chủ trước bản 12 in số thực trong mảng theo cách khác"
    ),
    "defined otherwise": "định nghĩa khác",
    "not there": "không có",
    "there": "có",
    "gone": "đã xóa",
    "not in the snapshot": "không có trong bản chụp",
    "no row with {}": "không có dòng có {}",
    "{}; the table has no primary key to name it by": "{}; bảng không có khóa chính để gọi tên dòng",
    "a row of the snapshot is not there": "một dòng của bản chụp không còn",
    "a row is there that the snapshot has not": "có một dòng mà bản chụp không có",
    "the row with {} is another one: {}": "dòng có {} đã khác: {}",
    # key, copies
    "one snapshot, opened": "một bản chụp, mở được",
    "every signature and chunk good": "mọi chữ ký và đoạn dữ liệu đều tốt",
    "{} packs, {} chunks good; {} copies were not": "{} gói, {} đoạn tốt; {} bản sao không tốt",
    "{} packs, {} chunks": "{} gói, {} đoạn",
    "{} in {} is no good: {}": "{} trong {} bị hỏng: {}",
    "checked by the process that restored": "do tiến trình khôi phục kiểm tra",
    "a place that has what the snapshot needs": "một nơi có đủ những gì bản chụp cần",
    "the sandbox lacks": "môi trường cách ly thiếu",
    "the sandbox lacks: {}": "môi trường cách ly thiếu: {}",
    "nothing of it": "không có gì",
    "not as before: {}": "không như trước: {}",
    "no sandbox: {}": "không có môi trường cách ly: {}",
    "back to {}, pinned": "trở về {}, đã ghim",
    "back to {}, pinned: {}": "trở về {}, đã ghim: {}",
    "snapshot {} is newer and only in {}: it would be lost": "bản chụp {} mới hơn và chỉ có trong {}: sẽ mất",
    "{} counted as lost: restored from {}": "coi như mất {}: khôi phục từ {}",
    "{} was next in turn and has no copy of this snapshot: not in {}": (
        "đến lượt {} nhưng kho này không có bản sao của bản chụp: không có trong {}"
    ),
    "{} shares made key {}; it was written nowhere": "{} mảnh ghép thành khóa {}; không ghi ra đâu",
    "{} shares made key {}; one fewer made no key; it was written nowhere": (
        "{} mảnh ghép thành khóa {}; thiếu một mảnh thì không thành khóa; không ghi ra đâu"
    ),
    "restored by a process with an empty home, from {} and {}": (
        "do một tiến trình với thư mục riêng trống khôi phục, từ {} và {}"
    ),
    "{}, trust root {}; no drorch.yaml, no catalog, no cache": (
        "{}, gốc tin cậy {}; không drorch.yaml, không danh mục, không bộ đệm"
    ),
    "a key file": "một tệp khóa",
    "{} shares of a key": "{} mảnh khóa",
    # controls
    "refused": "bị từ chối",
    "refused: {}": "bị từ chối: {}",
    "refused; deletion not asked": "bị từ chối; không thử xóa",
    "{} was not refused": "{} không bị từ chối",
    "bit flip, wrong key": "lật bit, khóa sai",
    "flipped byte": "byte bị lật",
    "wrong key": "khóa sai",
    "deletion of a locked object": "xóa đối tượng đã khóa",
    "{} was read as if it were good": "{} được đọc như thể còn tốt",
    "a key made just now opened the snapshot": "một khóa vừa tạo mở được bản chụp",
    "{} was deleted from {} in spite of its lock; it was put back": "{} bị xóa khỏi {} dù đang khóa; đã trả lại",
    # text, files
    "Unicode, composed (NFC)": "Unicode dựng sẵn (NFC)",
    "nothing else seen": "không thấy gì khác",
    "looks like TCVN3 (ABC) text: {}": "giống chữ TCVN3 (ABC): {}",
    "looks like VNI text: {}": "giống chữ VNI: {}",
    "has letters taken apart (NFD), so searches in NFC miss them: {}": (
        "có chữ tách dấu (NFD), tìm bằng NFC sẽ không thấy: {}"
    ),
    "has dates that are none, such as 00/00/1975: {}": "có ngày không tồn tại, như 00/00/1975: {}",
    "has bytes that are no UTF-8, such as those of TCVN3 and VNI: {}": (
        "có byte không phải UTF-8, như của TCVN3 và VNI: {}"
    ),
    "{} documents and pictures that open": "{} tài liệu và ảnh mở được",
    "{} open": "{} mở được",
    "nothing of the kind": "không có loại này",
    "no PDF, TIFF or JPEG": "không có PDF, TIFF hay JPEG",
    "the file is not what was captured: expected {}, found {}": "tệp không như lúc sao lưu: mong đợi {}, thực tế {}",
    "the policy has no `verify`: that the product can read what came back is not shown": (
        "phương án không có `verify`: chưa cho thấy phần mềm gốc đọc được dữ liệu khôi phục"
    ),
    "no `verify`": "không có `verify`",
    "`verify` ended with {}": "`verify` kết thúc với mã {}",
    "`verify` {}: {}": "`verify` {}: {}",
    "ended with {}": "kết thúc với mã {}",
    "did not end in time": "không xong đúng hạn",
    "without a word": "không có thông báo",
    # the sandbox
    "throw-away PostgreSQL {}": "PostgreSQL dùng một lần {}",
    "throw-away MariaDB {}": "MariaDB dùng một lần {}",
    "throw-away PostgreSQL": "PostgreSQL dùng một lần",
    "throw-away MariaDB": "MariaDB dùng một lần",
    "directory": "thư mục",
    "no network": "không có mạng",
    "not cut off from the network": "chưa ngắt mạng",
    "the sandbox was not cut off from every network": "môi trường cách ly chưa ngắt khỏi mọi mạng",
    "runs as {}": "chạy bằng tài khoản {}",
    "no program of its own": "không có chương trình riêng",
    "a server that drorch did not start and cannot cut off": "máy chủ không do drorch khởi động và không ngắt mạng được",
    "subscriptions and events come disabled, passwords of mappings blank": (
        "đăng ký nhận và sự kiện ở trạng thái tắt, mật khẩu ánh xạ để trống"
    ),
    "a network namespace of its own, without any interface": "không gian mạng riêng, không có giao diện mạng nào",
    "a private socket only": "chỉ có ổ cắm riêng",
    "no new privileges": "không thêm quyền",
    "limits of memory and time": "giới hạn bộ nhớ và thời gian",
    "written by drorch itself: no program is started": "do drorch tự ghi: không khởi động chương trình nào",
    "the restore command of the policy runs as this account, with its network": (
        "lệnh khôi phục của phương án chạy bằng tài khoản này, với mạng của nó"
    ),
    "nothing left": "không còn gì",
    "left: {}": "còn lại: {}",
    "left over: {}": "còn sót: {}",
    # how the snapshot was chosen
    "latest": "mới nhất",
    "named": "chỉ định",
    "random": "bốc thăm",
    "before_cut_over": "trước khi chuyển đổi",
    "none": "không có",
}


def in_vietnamese(text: str, depth: int = 0) -> str:
    """Return a sentence of a drill in Vietnamese; sentences inside of it too."""
    if text in VIETNAMESE:
        return VIETNAMESE[text]
    if copy := _COPY.fullmatch(text):
        return f"{copy[1]} trong {copy[2]}"
    for pattern, form in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            inner = found.groups()
            return form.format(*(in_vietnamese(one, depth + 1) for one in inner) if depth < _DEEPEST else inner)
    for mark in ("; ", ", "):
        if mark in text and depth < _DEEPEST:
            return mark.join(in_vietnamese(part, depth + 1) for part in text.split(mark))
    return text


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    forms = sorted(FORMS.items(), key=lambda pair: -len(pair[0].replace("{}", "")))
    return tuple(
        (re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL), words) for english, words in forms
    )
