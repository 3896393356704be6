import json
import tracemalloc
from datetime import UTC, datetime
from io import BytesIO
from threading import Barrier

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, connections
from django.db.transaction import atomic

from invite_code import importing
from invite_code.codes import CodeFormat
from invite_code.errors import Malformed
from invite_code.exporting import FORMATS
from invite_code.importing import (
    MAX_LINE,
    Refusal,
    UnreadableFile,
    import_codes,
    read_lines,
)
from invite_code.issuing import issue
from invite_code.models import InviteBatch, InviteCode
from invite_code.retrying import is_contention
from invite_code.signals import invite_codes_issued
from tests.factories import InviteCodeFactory

pytestmark = pytest.mark.django_db

LATER = datetime(2099, 12, 31, 18, 30, tzinfo=UTC)
FORMAT = CodeFormat()


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_SIZE", 4)


def fresh(count):
    """Return codes of nobody, in groups as people write them."""
    return [FORMAT.display(code) for code in FORMAT.generate(count)]


def mistyped(code):
    return code[:-1] + ("0" if code[-1] != "0" else "1")


def text_of(codes):
    return [f"{code}\n" for code in codes]


def stored(batch, using="default"):
    """Return the codes of a batch as people read them, in order."""
    codes = InviteCode.objects.using(using).filter(batch=batch.pk).order_by("pk")
    return [FORMAT.display(code.code) for code in codes]


def number_of_rows():
    return InviteBatch.objects.count(), InviteCode.objects.count()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
def test_codes_are_imported_in_the_order_of_the_file(small_chunks, count):
    codes = fresh(count)
    report = import_codes(text_of(codes))
    assert stored(report.batch) == codes
    assert report.imported == count
    assert (report.refused, report.refused_count) == ([], 0)


def test_what_is_said_is_stored():
    terms = {"max_uses": None, "valid_from": LATER, "expires_at": LATER.replace(2100)}
    email = "Reader@Example.org"
    report = import_codes(fresh(2), label="Ours", email=email, key="ours", **terms)
    assert (report.batch.label, report.batch.key) == ("Ours", "ours")
    for code in report.batch.codes.all():
        assert {name: getattr(code, name) for name in terms} == terms
        assert (code.email, code.uses) == ("reader@example.org", 0)


def test_a_key_that_another_batch_has_is_an_error_and_nothing_is_imported():
    batch = issue(1, key="ours")
    codes = fresh(2)
    with pytest.raises(IntegrityError), atomic():
        import_codes(codes, key="ours")
    assert InviteBatch.objects.get(key="ours") == batch
    assert not InviteCode.objects.filter(code__in=codes).exists()


def test_every_spelling_will_do():
    code = fresh(1)[0]
    spellings = [
        code.lower(),
        code.replace("-", ""),
        code.replace("-", " "),
        code.replace("-", "\u2013"),
        f"  {code} \r\n",
        f"'{code}",
        f'"{code}"',
        f'"{code}", "Ada"\n',
        f"{code};Ada\n",
        code.replace("0", "O").replace("1", "l"),
    ]
    for spelling in spellings:
        report = import_codes([spelling], dry_run=True)
        assert (report.imported, report.refused) == (1, []), spelling


def test_what_is_wrong_is_told_with_its_line_and_the_rest_is_imported(small_chunks):
    first, second, third, fourth, fifth = fresh(5)
    known = FORMAT.display(InviteCodeFactory().code)
    lines = [
        *(first, mistyped(second), "", "short", known.lower(), first.lower()),
        *(third, "?" * 16, "x" * 100, fourth, second, third, ", Ada", fifth, first),
    ]
    report = import_codes(text_of(lines))
    assert report.refused == [
        (2, "The symbols do not fit together: one is mistyped."),
        (4, "A code has 16 symbols."),
        (5, "This code is in the database already."),
        (6, "This code is in the file twice."),
        (8, "This has a symbol that no code has."),
        (9, "This is too long for a code."),
        (12, "This code is in the file twice."),
        (13, "There is no code in this line."),
        (15, "This code is in the file twice."),
    ]
    assert report.refused_count == 9
    assert stored(report.batch) == [first, third, fourth, second, fifth]
    assert report.imported == 5


def test_of_a_code_that_is_repeated_at_once_the_first_line_counts(small_chunks):
    first, second = fresh(2)
    report = import_codes([first, first, second, first])
    assert [line for line, _ in report.refused] == [2, 4]
    assert report.imported == report.batch.codes.count() == 2


def test_a_report_names_no_code(small_chunks):
    code = fresh(1)[0]
    known = InviteCodeFactory().code
    lines = [code, code, mistyped(code), known, f"{code}x"]
    for refusal in import_codes(lines).refused:
        assert not {code, known, code[:4], known[:4]} & set(refusal.reason.split())


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["\n", "  \r\n"],
        ["\ufeff"],
        ["code\n"],
        ["code,label\n", "\n", ",\n"],
        ["no code\n"],
        ["{}\n"],
    ],
)
def test_without_a_right_code_nothing_is_left(lines, issued):
    before = number_of_rows()
    report = import_codes(lines)
    assert (report.batch, report.imported) == (None, 0)
    assert number_of_rows() == before


def test_an_empty_file_asks_no_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        import_codes(["\n"])


def test_a_dry_run_reports_the_same_and_leaves_nothing(
    issued, django_capture_on_commit_callbacks
):
    lines = [*fresh(3), "short"]
    before = number_of_rows()
    with django_capture_on_commit_callbacks(execute=True):
        dry = import_codes(lines, dry_run=True)
    assert number_of_rows() == before
    assert issued == []
    assert dry.batch is None
    with django_capture_on_commit_callbacks(execute=True):
        real = import_codes(lines)
    assert (dry.imported, dry.refused) == (real.imported, real.refused)
    assert [sent["count"] for sent in issued] == [3]


def test_the_signal_is_sent_when_the_codes_are_committed(seeded_database, issued):
    with atomic(using=seeded_database):
        report = import_codes([*fresh(3), "short"], using=seeded_database)
        assert issued == []
    [sent] = issued
    assert sent.pop("signal") is invite_codes_issued
    assert sent == {
        "sender": InviteBatch,
        "batch_id": report.batch.pk,
        "count": 3,
        "using": seeded_database,
    }


@pytest.mark.django_db(databases=["default", "other"])
def test_the_router_or_the_caller_says_which_database(settings):
    class ToOther:
        def db_for_write(self, model, **hints):
            return "other"

    settings.DATABASE_ROUTERS = [ToOther()]
    codes = fresh(2)
    assert stored(import_codes(codes).batch, "other") == codes
    assert stored(import_codes(codes, using="default").batch) == codes
    assert import_codes(codes).imported == 0


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"max_uses": 0}, ValueError),
        ({"valid_from": LATER, "expires_at": LATER}, ValueError),
        ({"label": "x" * 201}, ValidationError),
        ({"label": "\0"}, ValidationError),
        ({"email": "reader"}, ValidationError),
    ],
)
def test_impossible_terms_are_refused_before_a_line_is_read(terms, error):
    lines = iter(fresh(1))
    with pytest.raises(error):
        import_codes(lines, **terms)
    assert len(list(lines)) == 1


@pytest.mark.parametrize("format_", FORMATS)
def test_an_export_is_imported_again(format_):
    label = 'A "quoted"; label\nof two lines, =1+1'
    batch = issue(5, label=label)
    InviteCode.objects.filter(batch=batch).update(email="=1+1@example.org")
    text = "".join(FORMATS[format_](batch.codes.all()))
    codes = stored(batch)
    batch.codes.all().delete()
    report = import_codes(text.splitlines(keepends=True))
    assert report.refused == []
    assert stored(report.batch) == codes


@pytest.mark.parametrize(
    "template",
    [
        "code\n{}\n",
        "\ufeffcode,label\n{},Ada\n",
        "Code;Label\r\n{};Ada\r\n",
        '"label"\t"CODE"\nAda\t{}\n',
        "label,code\n\"two\nlines, and 'more'\",{}\n",
        "code,label\n'{},Ada\n",
        '{{"code": "{}", "label": "Ada"}}\n',
        '\ufeff{{"label": "", "code": "{}"}}\n',
    ],
)
def test_a_table_or_objects_may_have_other_columns(template):
    code = fresh(1)[0]
    lines = template.format(code).splitlines(keepends=True)
    assert stored(import_codes(lines).batch) == [code]


def test_lines_of_a_table_are_numbered_as_in_the_file():
    code = fresh(1)[0]
    rows = ['"two\nlines",short\n', "\n", f"Ada,{code}\n", "Ada\n", '"2\n",x\n']
    lines = "".join(["label,code\n", *rows]).splitlines(keepends=True)
    report = import_codes(lines)
    assert [line for line, _ in report.refused] == [2, 6, 7]
    assert report.refused[1].reason == "There is no code in this line."


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (['"code\n', "x\n"], 1),
        (["code,label\n", 'CODE,"Ada\n', "CODE,Eve\n"], 2),
        (["code,label\n", "CODE,Ada\n", 'CODE,"Eve"s"\n'], 3),
        (["code\n", "A\rB\n"], 2),
        (["code\n", '"\n', *["x" * 1000 + "\n"] * 200], 2),
    ],
)
def test_a_broken_table_is_an_error_that_names_the_line(lines, number):
    with pytest.raises(UnreadableFile, match=f"broken from line {number} on"):
        import_codes(lines)


def test_a_table_that_is_broken_at_its_end_leaves_nothing(small_chunks):
    before = number_of_rows()
    with pytest.raises(UnreadableFile, match="broken from line 8 on"):
        import_codes(["code\n", *text_of(fresh(6)), '"'])
    assert number_of_rows() == before


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '"x"', "1", "{}", '{"code": 1}', '{"code": null}', "[" * 100_000],
)
def test_what_is_no_object_with_a_code_is_refused(line):
    code = fresh(1)[0]
    lines = [json.dumps({"code": code}), "\n", line]
    report = import_codes(lines)
    assert stored(report.batch) == [code]
    assert report.refused == [(3, "There is no code in this line.")]


def test_a_report_names_the_first_lines_and_counts_the_others(
    monkeypatch, small_chunks
):
    monkeypatch.setattr(importing, "MAX_REFUSED", 6)
    report = import_codes([*fresh(1), *["short"] * 20])
    assert [line for line, _ in report.refused] == list(range(2, 8))
    assert report.refused_count == 20
    assert report.imported == 1


def test_progress_is_told(small_chunks):
    told = []
    import_codes([*fresh(5), "short", *fresh(3)], progress=told.append)
    assert told == [4, 8, 9]


def test_codes_take_few_queries(small_chunks, django_assert_num_queries):
    issue(1)  # Some backends ask what they can do the first time.
    # A look at each chunk, and a savepoint around it where it takes one to go on.
    for_each_chunk = 1 + (3 if connection.vendor == "postgresql" else 1)
    with django_assert_num_queries(2 + 1 + 3 * for_each_chunk):
        import_codes(fresh(11))


def test_memory_does_not_grow_with_the_file(monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_SIZE", 200)
    monkeypatch.setattr(importing, "MAX_REFUSED", 50)

    def lines(count):
        for _ in range(count // 4):
            code = fresh(1)[0]
            yield from (code, code, mistyped(code), "x" * 10_000)

    def peak(count):
        tracemalloc.start()
        import_codes(lines(count))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(4)  # What is kept from the first time on does not count.
    few, many = peak(800), peak(3200)
    assert many < 1.2 * few


def test_of_long_lines_only_the_beginning_is_kept():
    tracemalloc.start()
    report = import_codes(f"{number}{'x' * 10_000}" for number in range(400))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.refused_count == 400
    assert most < 2_000_000


def test_the_first_lines_are_read_before_the_transaction(seeded_database):
    def lines():
        assert not connections[seeded_database].in_atomic_block
        yield from fresh(1)

    assert import_codes(lines(), using=seeded_database).imported == 1


def test_a_failure_in_a_later_chunk_leaves_nothing(small_chunks):
    before = number_of_rows()

    def lines():
        yield from fresh(5)
        assert InviteCode.objects.count() == before[1] + 4
        raise MemoryError

    with pytest.raises(MemoryError):
        import_codes(lines())
    assert number_of_rows() == before


@pytest.mark.parametrize("taken", [[0], [3], [7], [2, 3], [0, 1, 2, 3, 4, 5, 6, 7]])
def test_codes_of_a_rival_that_cannot_be_seen_are_found_out(monkeypatch, taken):
    codes = FORMAT.generate(8)
    theirs = {codes[index] for index in taken}
    make_inserter = importing.inserter

    def inserter(*args):
        insert = make_inserter(*args)

        def insert_or_clash(some):
            if theirs & set(json.loads(some)):
                raise IntegrityError
            insert(some)

        return insert_or_clash

    monkeypatch.setattr(importing, "inserter", inserter)
    report = import_codes(codes)
    reason = "This code is in the database already."
    assert report.refused == [Refusal(index + 1, reason) for index in taken]
    assert report.imported == 8 - len(taken)


REPEATABLE_READ = {
    "postgresql": {"isolation_level": 2},  # psycopg.IsolationLevel.REPEATABLE_READ
    "mysql": {"isolation_level": "repeatable read"},
}.get(connection.vendor, {})


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="On SQLite nobody writes meanwhile."
)
@pytest.mark.parametrize(
    "seeded_database", [{}, REPEATABLE_READ], indirect=True, ids=["default", "strict"]
)
def test_codes_that_a_rival_commits_meanwhile_are_refused(
    monkeypatch, seeded_database, threads
):
    ours = fresh(6)
    theirs, make_inserter, rivals = (
        [ours[1], *fresh(1), ours[4]],
        importing.inserter,
        [],
    )

    def inserter(*args):
        insert = make_inserter(*args)

        def insert_after_the_rival(some):
            if not rivals:
                rivals.append(None)  # Itself, which has no rival.
                rival = threads(lambda: import_codes(theirs, using=seeded_database))
                rivals.append(rival.result())
            insert(some)

        return insert_after_the_rival

    monkeypatch.setattr(importing, "inserter", inserter)
    report = import_codes(ours, using=seeded_database)
    assert rivals[1].imported == 3
    assert [line for line, _ in report.refused] == [2, 5]
    assert report.imported == 4


def test_rivals_with_the_same_file_import_each_code_once(
    seeded_database, threads, small_chunks
):
    codes = fresh(100)
    start = Barrier(4)

    def rival(file):
        start.wait()
        try:
            return import_codes(file, using=seeded_database).imported
        except OperationalError as error:
            if not is_contention(error):
                raise
            return 0  # It had to give way.

    files = [codes, codes[::-1], codes[50:] + codes[:50], codes]
    futures = [threads(lambda file=file: rival(file)) for file in files]
    imported = sum(future.result() for future in futures)
    found = InviteCode.objects.using(seeded_database).filter(batch__key=None)
    assert found.count() == imported == 100


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_are_read_line_by_line(mark, ending):
    codes = fresh(3)
    content = mark + ending.join(code.encode() for code in codes)
    lines = list(read_lines(BytesIO(content)))
    assert len(lines) == 3
    assert stored(import_codes(lines).batch) == codes


def test_a_line_may_have_as_many_bytes_as_said_and_no_more():
    longest = b"x" * (MAX_LINE - 1) + b"\n"
    assert len(list(read_lines(BytesIO(longest * 2)))) == 2
    for content in (b"x" * (MAX_LINE + 1), b"\n" + b"x" * 2**20):
        with pytest.raises(UnreadableFile, match="has more than 16384 bytes"):
            list(read_lines(BytesIO(content)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"CODE\nA\0B\n", "Line 2 has a NUL"),
        ("CODE\nCODE\n".encode("utf-16"), "Line 1 has a NUL: it is no text, or UTF-16"),
        ("é\n".encode("latin-1"), "Line 1 is not UTF-8: save the file as UTF-8"),
        (b"CODE\n\xff\n", "Line 2 is not UTF-8"),
        (b"\0" * 2**20, "Line 1 has a NUL"),
    ],
)
def test_what_is_no_text_is_an_error(content, message):
    with pytest.raises(UnreadableFile, match=message):
        list(read_lines(BytesIO(content)))


def test_a_longer_line_than_any_code_is_too_long_for_one_however_it_is_cut():
    with pytest.raises(Malformed, match="too long"):
        CodeFormat(length=64).normalize("x" * importing.LONGEST)
