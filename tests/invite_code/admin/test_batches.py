from datetime import UTC, datetime
from http import HTTPStatus
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import path

from example_project.urls import urlpatterns
from invite_code import revoking, tasks
from invite_code.admin import base, batches
from invite_code.admin.batches import NUMBERS, SHOWN, InviteBatchAdmin
from invite_code.codes import CodeFormat
from invite_code.explaining import explain
from invite_code.handing_out import hand_out
from invite_code.models import HandOut, InviteBatch, InviteCode
from invite_code.redemption import redeem
from tests.factories import (
    HandOutFactory,
    HoldFactory,
    InviteBatchFactory,
    InviteCodeFactory,
    UserFactory,
)
from tests.invite_code.admin.pages import NOW, act, listed, logged, moments, staff, url

pytestmark = pytest.mark.django_db

EXPIRY = {"expires_at_0": "2099-12-31", "expires_at_1": "18:00"}


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()  # It keeps how far tasks are.


def issue_data(**values):
    terms = {"label": "Spring", "max_uses": "2", "email": "ada@example.org"}
    return moments(count="3", key=str(uuid4()), **terms, **EXPIRY) | values


def issue(client, **values):
    return client.post(url("invitebatch_issue"), issue_data(**values))


def test_a_batch_shows_how_many_codes_it_has(admin_client):
    batch = InviteBatchFactory(label="Newsletter")
    InviteCodeFactory.create_batch(3, batch=batch)
    page = admin_client.get(url("invitebatch_changelist"), {"q": "news"}).text
    assert "Newsletter" in page
    assert '<td class="field-code_count">3</td>' in page


def test_the_page_of_a_batch_goes_through_its_codes_once(admin_client):
    page = url("invitebatch_change", InviteCodeFactory().batch_id)
    table = connection.ops.quote_name("invite_code_invitecode")
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(page)
    assert sum(f"FROM {table}" in query["sql"] for query in queries) == 1


def test_a_batch_gets_another_label_and_keeps_its_key(admin_client):
    batch = InviteBatchFactory(key="seed")
    page = url("invitebatch_change", batch.pk)
    assert '<div class="readonly">seed</div>' in admin_client.get(page).text
    admin_client.post(page, {"label": "First of all", "key": "other"})
    batch.refresh_from_db()
    assert (batch.label, batch.key) == ("First of all", "seed")


@pytest.mark.parametrize("by", ["page", "action"])
def test_a_batch_is_revoked_with_its_codes_and_restored(admin_client, by):
    code, other = InviteCodeFactory.create_batch(2)

    def change(name):
        if by == "action":
            return act(admin_client, "invitebatch", name, code.batch)
        return admin_client.post(url("invitebatch_revoke", code.batch_id), {name: "1"})

    response = change("revoke")
    assert "Batches revoked: 1" in admin_client.get(response.url).text
    assert str(explain(code.code).refusal) == "Its batch is revoked."
    assert explain(other.code).refusal is None
    first = InviteBatch.objects.get(pk=code.batch_id).revoked_at
    change("revoke")
    assert InviteBatch.objects.get(pk=code.batch_id).revoked_at == first
    assert logged() == [(str(code.batch_id), "Revoked.")]
    change("restore")
    change("restore")
    assert explain(code.code).refusal is None
    assert logged()[1:] == [(str(code.batch_id), "Restored.")]


def test_the_form_of_a_batch_does_not_revoke_it(admin_client):
    batch = InviteBatchFactory()
    data = {"label": "Leaked", "revoked_at_0": "2020-01-01", "revoked_at_1": "12:00"}
    admin_client.post(url("invitebatch_change", batch.pk), data)
    batch.refresh_from_db()
    assert (batch.label, batch.revoked_at) == ("Leaked", None)


@pytest.mark.parametrize("data", [{}, {"post": "yes"}])
def test_who_does_not_press_the_button_revokes_nothing(admin_client, data):
    batch, revoked = InviteBatchFactory(), InviteBatchFactory(revoked_at=NOW)
    for row, title in [(batch, "Revoke the batch"), (revoked, "Restore the batch")]:
        page = admin_client.post(url("invitebatch_revoke", row.pk), data)
        assert f"<h1>{title}</h1>" in page.text
        before = row.revoked_at
        row.refresh_from_db()
        assert row.revoked_at == before


def test_many_batches_are_told_of_in_one_message(admin_client):
    batches = InviteBatchFactory.create_batch(3)
    query = {"query": "?q=batch", "select_across": "1"}
    response = act(admin_client, "invitebatch", "revoke", batches[0], **query)
    page = admin_client.get(response.url)
    assert [str(message) for message in page.context["messages"]] == [
        "Batches revoked: 3"
    ]
    assert len(logged()) == 3


def test_of_many_batches_all_are_revoked_or_none(admin_client, monkeypatch):
    batches = InviteBatchFactory.create_batch(2)
    revoke, lost = revoking.revoke_batch, OperationalError("deadlock")
    lost.__cause__ = Exception(1213, "deadlock")

    def lose_the_second(batch, using):
        if InviteBatch.objects.filter(revoked_at__isnull=False).exists():
            raise lost
        return revoke(batch, using=using)

    monkeypatch.setattr(revoking, "revoke_batch", lose_the_second)
    act(admin_client, "invitebatch", "revoke", *batches)
    assert not InviteBatch.objects.filter(revoked_at__isnull=False).exists()
    assert logged() == []


def test_the_numbers_of_a_batch_are_shown_and_drawn(admin_client):
    batch = InviteBatchFactory()
    codes = InviteCodeFactory.create_batch(3, batch=batch)
    InviteCodeFactory.create_batch(2, batch=batch, revoked_at=NOW)
    hand_out(batch, 2, to="Ada")
    redeem(codes[0].code, UserFactory())
    HoldFactory(code=codes[2])
    page = admin_client.get(url("invitebatch_change", batch.pk))
    assert dict(page.context["numbers"]) == {
        "Issued": "5",
        "Handed out": "2",
        "Held": "1",
        "Redeemed": "1",
        "Uses, all together": "1",
        "Used up": "1",
        "Revoked": "2",
        "Expired": "0",
        "Can be handed out": "0",
    }
    assert '<th scope="row">Handed out</th><td>2</td>' in page.text
    assert '<svg class="invite-code-chart"' in page.text
    assert page.context["points"][-1][1] == ["5", "2", "1", "1"]


def test_large_numbers_are_grouped(admin_client, monkeypatch):
    batch = InviteBatchFactory()
    numbers = SimpleNamespace(**dict.fromkeys(NUMBERS, 1_234_567))
    monkeypatch.setattr("invite_code.counting.numbers", lambda batch: numbers)
    page = admin_client.get(url("invitebatch_change", batch.pk)).text
    assert '<th scope="row">Issued</th><td>1,234,567</td>' in page


def test_codes_are_issued_as_the_form_says(admin_client):
    data = issue_data()
    response = admin_client.post(url("invitebatch_issue"), data)
    assert response.url == url("invitebatch_issuing", data["key"])
    batch = InviteBatch.objects.get()
    assert (batch.label, batch.key) == ("Spring", UUID(data["key"]).hex)
    codes = batch.codes.all()
    assert len(codes) == 3
    for code in codes:
        assert (code.max_uses, code.email) == (2, "ada@example.org")
        assert (code.valid_from, code.expires_at.year) == (None, 2099)
    assert logged() == [(str(batch.pk), "Codes issued: 3")]
    assert LogEntry.objects.get().action_flag == ADDITION
    page = admin_client.get(response.url)
    assert "3 codes are there" in page.text
    assert "Refresh" not in page.headers
    for name in ("change", "hand_out", "export"):
        assert f'href="{url(f"invitebatch_{name}", batch.pk)}"' in page.text


def test_a_form_that_is_sent_twice_issues_one_batch(admin_client):
    key = str(uuid4())
    for spelling in (key, key.replace("-", ""), key.upper()):
        response = issue(admin_client, key=spelling, count="2")
        assert response.url == url("invitebatch_issuing", key)
    assert InviteBatch.objects.get().codes.count() == 2
    assert len(logged()) == 1


def test_a_form_that_is_sent_twice_at_once_is_logged_once(admin_client, monkeypatch):
    monkeypatch.setattr(tasks, "state_of", lambda key: tasks.State())
    key = str(uuid4())
    for _ in range(2):
        assert issue(admin_client, key=key).status_code == HTTPStatus.FOUND
    assert len(logged()) == 1


def test_staff_of_another_site_stay_there(admin_client, settings):
    office = AdminSite("office")
    office.register(InviteBatch, InviteBatchAdmin)
    settings.ROOT_URLCONF = (path("office/", office.urls), *urlpatterns)
    page = "/office/invite_code/invitebatch"
    response = admin_client.post(f"{page}/issue/", issue_data())
    assert response.url.startswith(f"{page}/issuing/")


def test_no_other_batch_is_got_by_its_key(admin_client):
    InviteBatchFactory(key="seed")
    response = issue(admin_client, key="seed")
    assert response.status_code == HTTPStatus.OK
    assert InviteBatch.objects.count() == 1


def test_more_codes_than_are_possible_are_refused_in_the_form(admin_client, settings):
    settings.INVITE_CODE_ALPHABET = "01"
    settings.INVITE_CODE_LENGTH = 2
    settings.INVITE_CODE_CHECK_SYMBOL = False
    page = issue(admin_client, count="100")
    assert page.status_code == HTTPStatus.OK
    assert page.context["form"].non_field_errors()
    assert 'value="100"' in page.text
    assert not InviteBatch.objects.exists()
    assert logged() == []


def test_what_issuing_refuses_is_told_in_the_form(admin_client, monkeypatch):
    def refuse(*args, **kwargs):
        raise ValidationError({"unheard of": ["It is Monday."]})

    monkeypatch.setattr("invite_code.admin.batches.issue", refuse)
    assert "It is Monday." in issue(admin_client).text


@pytest.fixture
def worker(settings, monkeypatch):
    """What was left to a worker, who does not come."""
    settings.INVITE_CODE_ENQUEUE_FROM = 3
    asked = []
    idle = SimpleNamespace(enqueue=lambda **named: asked.append(named))
    monkeypatch.setattr(tasks, "issue_task", idle)
    return asked


def test_few_codes_are_not_left_to_a_worker(admin_client, worker):
    issue(admin_client, count="2")
    assert not worker
    assert InviteCode.objects.count() == 2


def test_without_a_worker_many_codes_are_issued_at_once(admin_client, worker):
    tasks.issue_task = tasks.NoTask("none")  # The fixture puts it back.
    issue(admin_client, count="3")
    assert InviteCode.objects.count() == 3


def test_many_codes_are_left_to_a_worker(
    admin_client, worker, django_capture_on_commit_callbacks
):
    key = str(uuid4())
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            response = issue(admin_client, count="3", key=key)
    [asked] = worker
    assert (asked["key"], asked["count"], asked["label"]) == (
        UUID(key).hex,
        3,
        "Spring",
    )
    assert logged() == [(None, "Codes asked of a worker: 3")]
    assert LogEntry.objects.get().object_repr == "Spring"
    assert response.url == url("invitebatch_issuing", key)
    page = admin_client.get(response.url)
    assert page["Refresh"] == "2"
    assert "0 of 3 codes are made" in page.text
    assert not InviteCode.objects.exists()


def test_a_queue_that_works_at_once_issues_many_codes(
    admin_client, settings, django_capture_on_commit_callbacks
):
    if not tasks.available():
        pytest.skip("There is no queue.")
    settings.INVITE_CODE_ENQUEUE_FROM = 3
    with django_capture_on_commit_callbacks(execute=True):
        response = issue(admin_client, count="3", label="")
    page = admin_client.get(response.url)
    assert "Refresh" not in page.headers
    assert InviteBatch.objects.get().codes.count() == 3


def test_a_batch_that_failed_is_told_and_can_be_asked_for_again(
    admin_client, worker, django_capture_on_commit_callbacks
):
    key = str(uuid4())
    terms = {
        "label": "Spring",
        "max_uses": None,
        "valid_from": None,
        "expires_at": "2100-01-31T12:00:00+00:00",
        "email": "ada@example.com",
    }
    notes = tasks.Notes(UUID(key).hex, "default", 3, terms)
    notes.write(0, "There is no room.")
    page = admin_client.get(url("invitebatch_issuing", key))
    assert "No code was issued. There is no room." in page.text
    # By its key: the queue may try once more, too.
    link = f"{url('invitebatch_issue')}?key={key}"
    assert f'href="{link}"' in page.text
    form = admin_client.get(link).context["form"]
    expected = terms | {
        "count": 3,
        "key": key,
        "expires_at": datetime(2100, 1, 31, 12, tzinfo=UTC),
    }
    assert {name: form[name].value() for name in expected} == expected
    assert "Refresh" not in page.headers
    with django_capture_on_commit_callbacks(execute=True):
        issue(admin_client, count="3", key=key)
    assert len(worker) == 1


def test_of_a_silent_worker_one_may_ask_again(
    admin_client, worker, monkeypatch, django_capture_on_commit_callbacks
):
    key = str(uuid4())
    page = url("invitebatch_issuing", key)
    tasks.Notes(UUID(key).hex, "default", 90_000).write(40_000)
    assert "Ask again" not in admin_client.get(page).text
    monkeypatch.setattr(tasks, "SILENCE", -1)
    link = f"{url('invitebatch_issue')}?key={key}"
    assert f'href="{link}"' in admin_client.get(page).text
    form = admin_client.get(link).context["form"]
    assert (form["count"].value(), form["key"].value()) == (90_000, key)
    with django_capture_on_commit_callbacks(execute=True):
        issue(admin_client, count="90000", key=key)
    assert len(worker) == 1
    monkeypatch.setattr(tasks, "SILENCE", 60)
    page = admin_client.get(page).text
    assert "0 of 90,000 codes are made" in page
    assert "Ask again" not in page


@pytest.mark.parametrize("key", ["no key", "\0", str(UUID(int=1))])
def test_a_form_that_was_not_sent_before_begins_empty(key, admin_client):
    page = admin_client.get(url("invitebatch_issue"), {"key": key})
    form = page.context["form"]
    assert (form["count"].value(), form["max_uses"].value()) == (None, 1)
    assert len(form["key"].value()) == 36


def test_a_batch_of_which_nothing_is_known_is_told_and_not_waited_for(admin_client):
    page = admin_client.get(url("invitebatch_issuing", uuid4()))
    assert "Refresh" not in page.headers
    assert "Nothing is known of such a batch." in page.text


def test_who_may_issue_only_is_led_nowhere_else(client):
    client.force_login(staff("issue_invitecode"))
    page = client.get(issue(client).url).text
    batch = InviteBatch.objects.get()
    for name in ("change", "hand_out", "export"):
        assert url(f"invitebatch_{name}", batch.pk) not in page


def send_file(client, content, **values):
    data = issue_data(**values) | {"file": SimpleUploadedFile("codes.csv", content)}
    return client.post(url("invitebatch_import"), data)


def test_codes_are_imported_and_it_is_told_what_was_refused(admin_client):
    known = InviteCodeFactory()
    codes = CodeFormat().generate(2)
    lines = [*codes, "hello", known.code, codes[0].lower()]
    page = send_file(admin_client, "\n".join(lines).encode())
    batch = InviteBatch.objects.get(label="Spring")
    assert {code.code for code in batch.codes.all()} == set(codes)
    assert {code.email for code in batch.codes.all()} == {"ada@example.org"}
    assert "2 codes were imported." in page.text
    assert "3 lines were refused" in page.text
    assert [line for line, _ in page.context["report"].refused] == [3, 4, 5]
    assert f'href="{url("invitebatch_change", batch.pk)}"' in page.text
    assert logged() == [(str(batch.pk), "Codes imported: 2")]
    assert "id_file" not in page.text
    assert not any(code in page.text for code in codes)


def test_a_file_without_a_right_code_makes_no_batch(admin_client):
    page = send_file(admin_client, b"hello")
    assert "0 codes were imported." in page.text
    assert "One line was refused" in page.text
    assert not InviteBatch.objects.exists()
    assert logged() == []
    assert 'id="id_file"' in page.text


@pytest.mark.parametrize("content", [b"\xff\xfe0\0", b"\xff", b"x" * 20_000, b"a\0b"])
def test_a_file_that_is_no_text_is_refused_in_the_form(admin_client, content):
    page = send_file(admin_client, content)
    assert page.status_code == HTTPStatus.OK
    assert page.context["form"].non_field_errors()
    assert not InviteBatch.objects.exists()


def test_an_empty_file_is_refused(admin_client):
    assert "The submitted file is empty." in send_file(admin_client, b"").text


def test_who_may_import_only_sees_no_link_to_the_batch(client):
    client.force_login(staff("import_invitecode"))
    page = send_file(client, CodeFormat().generate(1)[0].encode())
    assert "One code was imported." in page.text
    batch = InviteBatch.objects.get()
    assert url("invitebatch_change", batch.pk) not in page.text


def give(client, batch, count="2", recipient="The fair", key=None):
    data = {"count": count, "recipient": recipient, "key": key or str(uuid4())}
    return client.post(url("invitebatch_hand_out", batch.pk), data)


def test_codes_are_handed_out_and_listed(admin_client):
    batch = InviteBatchFactory()
    codes = InviteCodeFactory.create_batch(3, batch=batch)
    page = admin_client.get(url("invitebatch_hand_out", batch.pk)).text
    assert "3 codes can be handed out." in page
    assert "Handed out so far" not in page
    page = admin_client.get(give(admin_client, batch).url).text
    line = HandOut.objects.get()
    assert (line.recipient, line.count) == ("The fair", 2)
    assert set(line.codes.all()) == set(codes[:2])
    assert logged() == [(str(batch.pk), f"{line}, to The fair; codes: 2")]
    assert f"{line}, to The fair; codes: 2" in page
    assert "One code can be handed out." in page
    assert (
        f'href="{url("invitecode_changelist")}?hand_out__id__exact={line.pk}"' in page
    )
    assert f'href="{url("invitebatch_export", batch.pk)}?codes={line.pk}"' in page
    assert listed(admin_client, hand_out__id__exact=line.pk) == set(codes[:2])


def test_a_form_that_is_sent_twice_hands_codes_out_once(admin_client):
    batch, key = InviteBatchFactory(), str(uuid4())
    InviteCodeFactory.create_batch(4, batch=batch)
    for recipient in ("The fair", "Others"):
        response = give(admin_client, batch, recipient=recipient, key=key)
        page = admin_client.get(response.url)
    line = HandOut.objects.get()
    assert (line.key, line.codes.count()) == (UUID(key).hex, 2)
    said = f"{line}, to The fair; codes: 2"
    assert f"This form was sent before: {said}" in page.text
    assert logged() == [(str(batch.pk), said)]


def test_too_few_codes_are_told_and_none_is_handed_out(admin_client):
    batch = InviteCodeFactory().batch
    page = give(admin_client, batch)
    assert page.status_code == HTTPStatus.OK
    assert "2 codes were asked for, 1 unused ones are left." in page.text
    assert not HandOut.objects.exists()
    assert logged() == []


def test_no_code_of_a_revoked_batch_can_be_handed_out(admin_client):
    batch = InviteCodeFactory(batch__revoked_at=NOW).batch
    page = admin_client.get(url("invitebatch_hand_out", batch.pk)).text
    assert "0 codes can be handed out." in page
    assert "The batch is revoked" in give(admin_client, batch, count="1").text


def test_the_latest_hand_outs_are_listed(admin_client):
    batch = InviteBatchFactory()
    first, *latest = HandOutFactory.create_batch(SHOWN + 1, batch=batch)
    other = HandOutFactory()
    page = admin_client.get(url("invitebatch_hand_out", batch.pk))
    assert list(page.context["lines"]) == latest[::-1]
    assert not {first, other} & set(page.context["lines"])


def test_who_may_hand_out_only_is_led_nowhere_else(client):
    batch = InviteCodeFactory().batch
    client.force_login(staff("hand_out_invitecode"))
    page = client.get(give(client, batch, count="1").url).text
    assert "Handed out so far" in page
    assert url("invitebatch_export", batch.pk) not in page
    assert f"{url('invitecode_changelist')}?" not in page


@pytest.mark.parametrize("format_", ["csv", "jsonl", "sheet"])
def test_codes_of_a_batch_are_exported_and_that_is_logged(admin_client, format_):
    batch = InviteBatchFactory()
    codes = InviteCodeFactory.create_batch(3, batch=batch)
    other = InviteCodeFactory()
    line = hand_out(batch, 1, to="Ada")
    shown = [CodeFormat().display(code.code) for code in (*codes, other)]
    page = url("invitebatch_export", batch.pk)
    for choice, expected in [
        ("all", shown[:3]),
        ("unused", shown[1:3]),
        (line.pk, shown[:1]),
    ]:
        response = admin_client.post(page, {"codes": choice, "format": format_})
        text = b"".join(response.streaming_content).decode()
        assert [code for code in shown if code in text] == expected
    numbers = [3, 2, 1]
    assert logged() == [(str(batch.pk), f"Codes exported: {n}") for n in numbers]


def test_a_link_chooses_the_hand_out_to_export(admin_client):
    line = HandOutFactory()
    page = url("invitebatch_export", line.batch_id)
    text = admin_client.get(page, {"codes": line.pk}).text
    assert f'name="codes" value="{line.pk}"' in text
    assert text.split(f'value="{line.pk}"')[1].split(">")[0].count("checked") == 1


def test_a_sheet_of_too_many_codes_is_explained_in_the_form(admin_client, monkeypatch):
    monkeypatch.setattr("invite_code.sheet.MAX_CODES", 1)
    batch = InviteBatchFactory()
    InviteCodeFactory.create_batch(2, batch=batch)
    data = {"codes": "all", "format": "sheet"}
    page = admin_client.post(url("invitebatch_export", batch.pk), data)
    assert page.status_code == HTTPStatus.OK
    assert "at most 1 codes" in page.text
    assert logged() == []


@pytest.mark.parametrize("pk", [0, 10**30])
@pytest.mark.parametrize("page", ["hand_out", "export", "revoke"])
def test_a_batch_that_is_not_there_is_not_found(admin_client, page, pk):
    page = url(f"invitebatch_{page}", pk)
    for send in (admin_client.get, admin_client.post):
        assert send(page).status_code == HTTPStatus.NOT_FOUND


def test_links_lead_to_what_an_account_may_do(client):
    batch = InviteBatchFactory()
    page, lists = url("invitebatch_change", batch.pk), url("invitebatch_changelist")
    links = {
        "issue": (lists, url("invitebatch_issue")),
        "import": (lists, url("invitebatch_import")),
        "hand_out": (page, url("invitebatch_hand_out", batch.pk)),
        "export": (page, url("invitebatch_export", batch.pk)),
        "revoke": (page, url("invitebatch_revoke", batch.pk)),
    }
    for own in links:
        client.force_login(staff("view_invitebatch", f"{own}_invitecode"))
        shown = {
            name
            for name, (place, link) in links.items()
            if f'href="{link}"' in client.get(place).text
        }
        assert shown == {own}


def test_the_page_of_a_batch_leads_to_its_codes_and_hand_outs(admin_client, client):
    batch = InviteBatchFactory()
    page = admin_client.get(url("invitebatch_change", batch.pk)).text
    query = f"?batch__id__exact={batch.pk}"
    lists = [url("invitecode_changelist"), url("handout_changelist")]
    for link in lists:
        assert f'href="{link}{query}"' in page
        assert admin_client.get(link + query).status_code == HTTPStatus.OK
    client.force_login(staff("view_invitebatch"))
    page = client.get(url("invitebatch_change", batch.pk)).text
    assert not any(link in page for link in lists)


@pytest.mark.parametrize("is_rival", [True, False])
def test_rivals_of_an_import_are_an_error_of_the_form(
    admin_client, monkeypatch, is_rival
):
    def lose(*args, **options):
        raise OperationalError("deadlock")

    monkeypatch.setattr(batches, "import_codes", lose)
    monkeypatch.setattr(base, "is_contention", lambda error: is_rival)
    if is_rival:
        page = send_file(admin_client, b"hello")
        assert "nothing was done: try again" in page.text
    else:
        with pytest.raises(OperationalError):
            send_file(admin_client, b"hello")


@pytest.mark.parametrize("error", [OperationalError("locked"), IntegrityError])
def test_what_cannot_be_logged_is_not_done(admin_client, monkeypatch, error):
    def lose(*args, **options):
        raise error

    monkeypatch.setattr(base.IssuedElsewhere, "log_addition", lose)
    monkeypatch.setattr(base.IssuedElsewhere, "log_change", lose)
    monkeypatch.setattr(base, "is_contention", lambda error: True)
    batch = InviteBatchFactory()
    InviteCodeFactory.create_batch(2, batch=batch)
    lines = CodeFormat().generate(1)[0].encode()
    for page in (
        issue(admin_client),
        send_file(admin_client, lines),
        give(admin_client, batch),
    ):
        assert "nothing was done: try again" in page.text
    assert InviteBatch.objects.get() == batch
    assert not HandOut.objects.exists()


def test_a_batch_is_found_by_its_key(admin_client):
    batch, _ = InviteBatchFactory(key="ab" * 16), InviteBatchFactory()
    assert listed(admin_client, "invitebatch", q="ab" * 16) == {batch}
