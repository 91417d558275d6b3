"""The sentences that drills write, as forms, with their Vietnamese; ``finding_words`` finds the one that fits."""

from __future__ import annotations

from collections.abc import Mapping

from drorch.operations.proof.place_forms import PLACE_FORMS

# {} is anything: a number, a name, or another sentence. A longer form is tried before a shorter one.
FORMS: Mapping[str, str] = {
    **PLACE_FORMS,
    # answers
    "all {} tables came back equal, usable after {}; promised {}": "đủ {} bảng trở lại như cũ, dùng được sau {}; cam kết {}",
    "all {} tables came back equal, usable after {}; promised {}; {} finding": (
        "đủ {} bảng trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
    ),
    "all {} tables came back equal, usable after {}; promised {}; {} findings": (
        "đủ {} bảng trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
    ),
    "all {} files came back equal, usable after {}; promised {}": "đủ {} tệp trở lại như cũ, dùng được sau {}; cam kết {}",
    "all {} files came back equal, usable after {}; promised {}; {} finding": (
        "đủ {} tệp trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
    ),
    "all {} files came back equal, usable after {}; promised {}; {} findings": (
        "đủ {} tệp trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
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
    "{} tables and the large objects with {} rows, {} bytes, as at the backup": (
        "{} bảng và các đối tượng lớn gồm {} dòng, {} byte, như lúc sao lưu"
    ),
    "{} as at the backup, the large objects too": "{} như lúc sao lưu, cả các đối tượng lớn",
    "{} of {} tables, large objects": "{} trong {} bảng, các đối tượng lớn",
    "{} of {} table, large objects": "{} trong {} bảng, các đối tượng lớn",
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
    "{} of {} probes": "{} trong {} câu hỏi kiểm chứng",
    "{} of {} probe": "{} trong {} câu hỏi kiểm chứng",
    "{} of {} queries": "{} trong {} truy vấn",
    "{} of {} query": "{} trong {} truy vấn",
    "no probes": "không có câu hỏi kiểm chứng",
    "no queries": "không có truy vấn",
    "{} objects": "{} đối tượng",
    "{} object": "{} đối tượng",
    "{} objects, {} differ": "{} đối tượng, {} khác",
    "{} object, {} differ": "{} đối tượng, {} khác",
    "{} objects, as this version prints them": "{} đối tượng, theo cách in của phiên bản này",
    "{} object, as this version prints them": "{} đối tượng, theo cách in của phiên bản này",
    "{} objects, {} differ, as this version prints them": "{} đối tượng, {} khác, theo cách in của phiên bản này",
    "{} object, {} differ, as this version prints them": "{} đối tượng, {} khác, theo cách in của phiên bản này",
    "the row with {} is another one: column {}": "dòng có {} đã khác: cột {}",
    "the row with {} is another one: columns {}": "dòng có {} đã khác: các cột {}",
    "one row too many, with {}": "thừa một dòng có {}",
    "{} traps in {}": "{} điểm lưu ý trong {}",
    "{} trap in {}": "{} điểm lưu ý trong {}",
    "what the command wrote": "những gì lệnh đã ghi",
    "{} came back equal, usable after {}; promised {}": "{} trở lại như cũ, dùng được sau {}; cam kết {}",
    "{} came back equal, usable after {}; promised {}; {} finding": (
        "{} trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
    ),
    "{} came back equal, usable after {}; promised {}; {} findings": (
        "{} trở lại như cũ, dùng được sau {}; cam kết {}; {} điểm cần lưu ý"
    ),
    "{} came back equal; promised {}": "{} trở lại như cũ; cam kết {}",
    "{} came back equal; promised {}; {} finding": "{} trở lại như cũ; cam kết {}; {} điểm cần lưu ý",
    "{} came back equal; promised {}; {} findings": "{} trở lại như cũ; cam kết {}; {} điểm cần lưu ý",
    "the only table": "bảng duy nhất",
    "the only file": "tệp duy nhất",
    "all {} tables": "đủ {} bảng",
    "all {} files": "đủ {} tệp",
    # names of a tree
    "another name of {}": "một tên khác của {}",
    "a file of its own": "một tệp riêng",
    "nothing of this name": "không có tên này",
    "a name more": "thừa một tên",
    "another kind": "loại khác",
    "something else": "nội dung khác",
    "cannot be read": "không đọc được",
    "unreadable: {}": "không đọc được: {}",
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
    "`verify` ended with {}: {}": "`verify` kết thúc với mã {}: {}",
    "`verify` did not end in time: {}": "`verify` không xong đúng hạn: {}",
    "without a word": "không có thông báo",
}
