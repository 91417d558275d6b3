"""The month on one page: the answer first, then each policy, the copies and what was not as it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from functools import partial
from types import MappingProxyType
from typing import Literal

from drorch.operations.watch.month import Month, PolicyMonth
from drorch.paper.blocks import Answer, Block, Facts, Grid, Notes, Page, Signatures
from drorch.quantities import format_promise, format_span

Language = Literal["vi", "en"]
MOST_EXCEPTIONS = 20
_VIETNAMESE: Mapping[str, str] = MappingProxyType(
    {
        "Backups of the month": "Báo cáo sao lưu trong tháng",
        "to date": "đến thời điểm lập",
        "KEPT": "ĐẠT",
        "NOT KEPT": "CHƯA ĐẠT",
        "Every promise of the month was kept.": "Mọi cam kết trong tháng đều được bảo đảm.",
        "Not every promise of the month was kept, or not all could be judged.": (
            "Có cam kết trong tháng chưa được bảo đảm hoặc chưa đánh giá được."
        ),
        "Sources covered": "Nguồn được bảo vệ",
        "RPO kept all month": "Bảo đảm RPO cả tháng",
        "Drills passed": "Diễn tập đạt",
        "Worst RTO": "RTO lâu nhất",
        "In every store": "Có đủ bản sao",
        "none": "không có",
        "not measured": "chưa đo",
        "Policies": "Chính sách",
        "Policy": "Chính sách",
        "Sources": "Nguồn",
        "RPO kept": "Đạt RPO",
        "Longest gap": "Khoảng trống dài nhất",
        "Drills": "Diễn tập",
        "Copies": "Bản sao",
        "Stores": "Kho lưu",
        "last heard of": "liên lạc gần nhất",
        "never": "chưa bao giờ",
        "Exceptions": "Ngoại lệ",
        "Policies that could not be read": "Chính sách không đọc được",
        "and {} more": "và {} mục khác",
        "of": "trên",
        "made": "lập lúc",
        "Signatures": "Chữ ký",
        "Operator": "Cán bộ vận hành",
        "Head of the office": "Thủ trưởng đơn vị",
        "Gaps are measured between the starts of good backups, by the policies in force when this was made.": (
            "Khoảng trống tính giữa các lần bắt đầu sao lưu tốt, theo chính sách có hiệu lực khi lập báo cáo."
        ),
        "How it was measured": "Cách đo",
    }
)
_Say = Callable[[str], str]


def in_words(language: Language, text: str) -> str:
    """Return the words in that language."""
    return _VIETNAMESE[text] if language == "vi" else text


def month_page(month: Month, language: Language, zone: tzinfo, digest: str) -> Page:
    """Return the page; ``digest`` is that of the signed figures, empty for a draft."""
    say = partial(in_words, language)
    local = partial(_local, zone=zone)
    period = month.period
    beside = "" if period.is_over else f" ({say('to date')})"
    blocks: list[Block] = [_answer(month, say), _table(month, say)]
    contacts = tuple(
        (name, say("never") if at is None else f"{say('last heard of')} {local(at)}") for name, at in month.stores
    )
    blocks.append(Facts(title=say("Stores"), rows=contacts))
    blocks.append(Notes(title=say("Exceptions"), texts=_cut(month.exceptions, say)))
    if month.unread:
        blocks.append(Notes(title=say("Policies that could not be read"), texts=month.unread))
    how = "Gaps are measured between the starts of good backups, by the policies in force when this was made."
    blocks.append(Notes(title=say("How it was measured"), texts=(say(how),)))
    blocks.append(Signatures(title=say("Signatures"), boxes=((say("Operator"), ""), (say("Head of the office"), ""))))
    return Page(
        title=say("Backups of the month"),
        subtitle=f"{period.start:%m/%Y}{beside} · {month.host} · {say('made')} {local(month.made_at)}",
        language=language,
        foot=f"{period.month}  {digest or 'DRAFT'}",
        blocks=tuple(blocks),
    )


def _answer(month: Month, say: _Say) -> Answer:
    sources, of = month.total("sources"), say("of")
    rto = month.worst_rto_ms
    return Answer(
        word=say("KEPT" if month.is_kept else "NOT KEPT"),
        tone="good" if month.is_kept else "bad",
        statement=say(
            "Every promise of the month was kept."
            if month.is_kept
            else "Not every promise of the month was kept, or not all could be judged."
        ),
        figures=(
            (say("Sources covered"), str(sources)),
            (say("RPO kept all month"), f"{month.total('rpo_kept')} {of} {sources}"),
            (say("Drills passed"), f"{month.total('drills_passed')} {of} {month.total('drills')}"),
            (say("Worst RTO"), say("not measured") if rto is None else format_span(rto / 1000)),
            (say("In every store"), f"{month.total('in_every_store')} {of} {sources}"),
        ),
    )


def _table(month: Month, say: _Say) -> Grid:
    head = ("Policy", "Sources", "RPO kept", "Longest gap", "Drills", "Worst RTO", "Copies")
    return Grid(
        title=say("Policies"),
        head=tuple(say(one) for one in head),
        rows=tuple(_row(one, say) for one in month.policies),
        widths=(5, 2, 2, 4, 2, 4, 2),
    )


def _row(one: PolicyMonth, say: _Say) -> tuple[str, ...]:
    gap = say("not measured") if one.worst_gap_seconds is None else format_span(one.worst_gap_seconds)
    rto = say("not measured") if one.worst_rto_ms is None else format_span(one.worst_rto_ms / 1000)
    return (
        one.policy,
        str(one.sources),
        f"{one.rpo_kept}/{one.sources}",
        f"{gap} ({format_promise(one.rpo_seconds)})",
        f"{one.drills_passed}/{one.drills}",
        f"{rto} ({format_promise(one.rto_seconds)})",
        f"{one.in_every_store}/{one.sources}",
    )


def _cut(texts: tuple[str, ...], say: _Say) -> tuple[str, ...]:
    if not texts:
        return (say("none"),)
    more = len(texts) - MOST_EXCEPTIONS
    return (*texts[:MOST_EXCEPTIONS], say("and {} more").format(more)) if more > 0 else texts


def _local(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%d/%m/%Y %H:%M}"
