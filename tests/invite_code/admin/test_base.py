from http import HTTPStatus

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from invite_code.admin import base
from invite_code.admin.base import NAMED
from invite_code.handing_out import hand_out
from tests.factories import InviteBatchFactory, InviteCodeFactory, RedemptionFactory
from tests.invite_code.admin.pages import (
    MODELS,
    NOW,
    act,
    ask,
    asks_for_a_code,
    form_data,
    logged,
    moments,
    staff,
    told,
    url,
)

pytestmark = pytest.mark.django_db

TRY_AGAIN = "Others were quicker, and nothing was done: try again."


@pytest.mark.parametrize("model", ["invitebatch", "invitecode"])
def test_what_is_in_use_is_not_deleted(admin_client, model):
    redemption = RedemptionFactory()
    row = redemption.code.batch if model == "invitebatch" else redemption.code
    page = url(f"{model}_delete", row.pk)
    assert "Cannot delete" in admin_client.get(page).text
    admin_client.post(page, {"post": "yes"})
    row.refresh_from_db()


@pytest.mark.parametrize("factory", [InviteBatchFactory, InviteCodeFactory])
def test_what_is_not_in_use_can_be_deleted(admin_client, factory):
    row = factory()
    page = url(f"{row._meta.model_name}_delete", row.pk)
    assert admin_client.get(page).status_code == HTTPStatus.OK
    admin_client.post(page, {"post": "yes"})
    assert not type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", ["invitebatch", "invitecode"])
def test_few_are_named_of_what_forbids_a_deletion(admin_client, model):
    redemption = RedemptionFactory(code__max_uses=None)
    code = redemption.code
    RedemptionFactory.create_batch(NAMED, code=code)
    InviteCodeFactory.create_batch(NAMED, batch=code.batch)
    row = code.batch if model == "invitebatch" else code
    page = url(f"{model}_delete", row.pk)
    with CaptureQueriesContext(connection) as queries:
        text = admin_client.get(page).text
    kind = "Invite code" if model == "invitebatch" else "Redemption"
    [listed] = [part for part in text.split("<ul") if 'id="deleted-objects"' in part]
    assert listed.count(f"<li>{kind} ") == NAMED
    assert "<li>…</li>" in listed
    assert any(f"LIMIT {NAMED + 1}" in query["sql"] for query in queries)
    selected = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    admin_client.post(url(f"{model}_changelist"), selected)
    row.refresh_from_db()


def test_all_are_named_of_a_few_that_forbid_a_deletion(admin_client):
    redemption = RedemptionFactory()
    page = admin_client.get(url("invitecode_delete", redemption.code_id)).text
    assert f"<li>Redemption {redemption.pk}</li>" in page
    assert "…" not in page.split('id="deleted-objects"')[1]


def test_a_code_that_was_handed_out_is_not_deleted(admin_client):
    codes = InviteCodeFactory.create_batch(2, batch=InviteBatchFactory())
    line = hand_out(codes[0].batch, 2)
    page = admin_client.get(url("invitecode_delete", codes[0].pk)).text
    assert page.count(f"<li>Hand-out {line.pk}</li>") == 1
    page = act(admin_client, "invitecode", "delete_selected", *codes, post="yes").text
    assert page.count(f"<li>Hand-out {line.pk}</li>") == 1
    assert line.codes.count() == 2


def test_too_many_rows_are_not_deleted_at_once(admin_client, monkeypatch):
    monkeypatch.setattr(base, "MAX_DELETED", 2)
    batch = InviteBatchFactory()
    codes = InviteCodeFactory.create_batch(3, batch=batch)
    query = {"query": f"?batch__id__exact={batch.pk}", "select_across": "1"}
    for post in ({}, {"post": "yes"}):
        values = query | post
        response = act(
            admin_client, "invitecode", "delete_selected", codes[0], **values
        )
        page = admin_client.get(response.url).text
        assert "No more than 2 rows are deleted at once." in page
        assert batch.codes.count() == 3
    act(admin_client, "invitecode", "delete_selected", *codes[:2], post="yes")
    assert batch.codes.count() == 1


def test_only_what_was_changed_is_written(admin_client):
    code = InviteCodeFactory(max_uses=2)
    page = url("invitecode_change", code.pk)
    for data, columns in [
        (form_data(max_uses="3"), ["max_uses"]),
        (form_data(max_uses="3"), []),
    ]:
        with CaptureQueriesContext(connection) as queries:
            admin_client.post(page, data)
        table = connection.ops.quote_name("invite_code_invitecode")
        updates = [q["sql"] for q in queries if q["sql"].startswith(f"UPDATE {table}")]
        assert len(updates) == len(columns)
        for sql, column in zip(updates, columns, strict=True):
            assert f"SET {connection.ops.quote_name(column)} = 3 WHERE" in sql


def test_deleting_a_code_leaves_no_code_in_the_log(admin_client):
    code = InviteCodeFactory()
    data = {"action": "delete_selected", "_selected_action": code.pk, "post": "yes"}
    admin_client.post(url("invitecode_changelist"), data)
    [entry] = LogEntry.objects.all()
    assert entry.object_repr == f"Invite code {code.pk}"


ODD = {
    "NUL": "\0",
    "NUL in a code": "0" * 8 + "\0" + "0" * 8,
    "zero width": "\u200b".join("0" * 16),
    "byte order mark": "\ufeff" + "0" * 16,
    "Turkish": "\u0130\u0131\u017f\u212a" * 4,
    "full-width typo": "\uff11" * 16,
    "NFKC bomb": "\ufdfa" * 16,
    "combining": "0\u0301" * 16,
    "right to left": "\u202e" + "0" * 16,
    "emoji": "\U0001f600" * 16,
    "other digits": "\u0663" * 16,
    "replacement": "\ufffd",
    "SQL": "' OR 1=1 --",
    "LIKE": "%",
    "quote": '"unbalanced',
    "template": "{{ 7|add:7 }}{% now 'Y' %}",
    "markup": "</td><script>alert(1)</script>",
    "header": "0\r\nSet-Cookie: a=b",
    "path": "../../etc/passwd",
    "words": "a " * 5000,
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
@pytest.mark.parametrize("model", [*MODELS[:3], "explain"])
def test_odd_texts_find_nothing_and_break_nothing(admin_client, model, text):
    RedemptionFactory(username="reader", code__batch__label="Newsletter")
    with CaptureQueriesContext(connection) as queries:
        if model == "explain":
            response = ask(admin_client, text)
        else:
            response = admin_client.get(url(f"{model}_changelist"), {"q": text})
    assert response.status_code == HTTPStatus.OK
    assert "<script>alert" not in response.text
    if model == "explain":
        assert set(told(response)) <= {"Verdict"}
        assert not asks_for_a_code(queries)
    elif "\0" not in text:  # A search that Django refuses lists all rows.
        assert not response.context["cl"].queryset.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"code=%ED%A0%80", HTTPStatus.OK),
        (b"code=%FF%FE", HTTPStatus.OK),
        (b"code=" + b"x" * 2**20, HTTPStatus.OK),
        (b"code=" + b"x" * 2**22, HTTPStatus.BAD_REQUEST),
        (b"code=1&" * 2000, HTTPStatus.BAD_REQUEST),
        (b"", HTTPStatus.OK),
    ],
    ids=["surrogate", "no text", "megabyte", "megabytes", "fields", "nothing"],
)
def test_odd_bytes_break_nothing(admin_client, body, status):
    content_type = "application/x-www-form-urlencoded"
    page = url("invitecode_explain")
    with CaptureQueriesContext(connection) as queries:
        response = admin_client.post(page, body, content_type=content_type)
    assert response.status_code == status
    assert not asks_for_a_code(queries)


def test_a_page_has_no_script_or_style_of_its_own(admin_client):
    page = ask(admin_client, InviteCodeFactory().code).text
    content = page.split('id="content-main"')[1].split("<footer")[0]
    assert "<script" not in content
    assert "style" not in content


@pytest.mark.parametrize(
    "pk", ["", "abc", "1; DROP", "-1", "1.5", "\0", "9" * 19, "\u0663"]
)
@pytest.mark.parametrize("model", ["invitebatch", "invitecode", "hold"])
def test_what_is_no_row_cannot_be_selected(admin_client, model, pk):
    data = {"action": "delete_selected", "_selected_action": ["1", pk]}
    response = admin_client.post(url(f"{model}_changelist"), data)
    assert response.status_code == HTTPStatus.BAD_REQUEST


def test_rows_that_are_not_there_can_be_selected(admin_client):
    code = InviteCodeFactory()
    data = {"action": "revoke", "_selected_action": [code.pk, "9" * 18]}
    admin_client.post(url("invitecode_changelist"), data)
    code.refresh_from_db()
    assert code.revoked_at


def test_an_action_without_rows_is_explained(admin_client):
    code = InviteCodeFactory()
    response = act(admin_client, "invitecode", "revoke", index="0")
    assert "Items must be selected" in admin_client.get(response.url).text
    code.refresh_from_db()
    assert code.revoked_at is None


def lose(*args, **options):
    error = OperationalError("database is locked")
    error.__cause__ = Exception(1213, "deadlock")
    raise error


@pytest.mark.parametrize(
    ("model", "name", "place"),
    [
        ("invitebatch", "revoke", "batches.retry"),
        ("invitebatch", "restore", "batches.retry"),
        ("invitecode", "revoke", "codes.revoking.revoke"),
        ("invitecode", "restore", "codes.revoking.restore"),
        ("invitecode", "set_window", "codes.retry"),
    ],
)
def test_rivals_of_an_action_are_told(admin_client, monkeypatch, model, name, place):
    code = InviteCodeFactory()
    row = code if model == "invitecode" else code.batch
    monkeypatch.setattr(f"invite_code.admin.{place}", lose)
    window = moments(apply="1", set_valid_from="on")
    response = act(admin_client, model, name, row, **window)
    page = admin_client.get(response.url)
    assert [str(message) for message in page.context["messages"]] == [TRY_AGAIN]
    assert logged() == []


def test_rivals_of_the_page_that_revokes_are_told(admin_client, monkeypatch):
    page = url("invitebatch_revoke", InviteBatchFactory().pk)
    monkeypatch.setattr("invite_code.admin.batches.retry", lose)
    response = admin_client.post(page, {"revoke": "1"})
    assert TRY_AGAIN in admin_client.get(response.url).text


def test_rivals_of_a_form_are_told(admin_client, monkeypatch):
    code = InviteCodeFactory()
    page = url("invitecode_change", code.pk)
    monkeypatch.setattr("invite_code.models.InviteCode.save", lose)
    response = admin_client.post(page, form_data(max_uses="3"))
    assert TRY_AGAIN in admin_client.get(response.url).text
    assert response.url == page


def protect(code):
    raise ProtectedError("Redeemed just now.", {code})


@pytest.mark.parametrize("fail", [lose, protect])
def test_rivals_of_a_deletion_are_told(admin_client, monkeypatch, fail):
    page = url("invitecode_delete", InviteCodeFactory().pk)
    monkeypatch.setattr("invite_code.models.InviteCode.delete", fail)
    response = admin_client.post(page, {"post": "yes"})
    assert TRY_AGAIN in admin_client.get(response.url).text
    assert response.url == page
    assert logged() == []


def test_what_is_found_invalid_late_is_told(admin_client, monkeypatch):
    def refuse(code, **options):
        raise ValidationError({"email": ["Ada is known."], "uses": ["Too many."]})

    page = url("invitecode_change", InviteCodeFactory().pk)
    monkeypatch.setattr("invite_code.models.InviteCode.save", refuse)
    response = admin_client.post(page, form_data(max_uses="3"))
    assert "Ada is known. Too many." in admin_client.get(response.url).text


@pytest.mark.parametrize("page", ["change", "delete"])
def test_a_page_that_cannot_be_shown_does_not_lead_to_itself(
    admin_client, monkeypatch, page
):
    page = url(f"invitecode_{page}", InviteCodeFactory().pk)
    monkeypatch.setattr("invite_code.admin.codes.InviteCodeAdmin.get_object", lose)
    with pytest.raises(OperationalError):
        admin_client.get(page)


@pytest.mark.parametrize("model", ["invitebatch", "invitecode"])
@pytest.mark.parametrize(("name", "moment"), [("revoke", None), ("restore", NOW)])
def test_an_action_that_cannot_be_logged_does_nothing(
    admin_client, monkeypatch, model, name, moment
):
    code = InviteCodeFactory(revoked_at=moment, batch__revoked_at=moment)
    row = code if model == "invitecode" else code.batch
    monkeypatch.setattr(base.IssuedElsewhere, "log_change", lose)
    response = act(admin_client, model, name, row)
    assert TRY_AGAIN in admin_client.get(response.url).text
    row.refresh_from_db()
    assert row.revoked_at == moment


def test_another_error_of_the_database_is_no_message(admin_client, monkeypatch):
    def fail(*args, **options):
        raise OperationalError("The server is gone.")

    monkeypatch.setattr("invite_code.admin.batches.retry", fail)
    with pytest.raises(OperationalError, match="gone"):
        act(admin_client, "invitebatch", "revoke", InviteBatchFactory())


@pytest.mark.parametrize("own", ["issue", "hand_out", "revoke", "export", "import"])
def test_a_permission_of_its_own_allows_nothing_else(client, own):
    client.force_login(staff(f"{own}_invitecode"))
    batch = InviteBatchFactory()
    pages = {
        "issue": url("invitebatch_issue"),
        "hand_out": url("invitebatch_hand_out", batch.pk),
        "revoke": url("invitebatch_revoke", batch.pk),
        "export": url("invitebatch_export", batch.pk),
        "import": url("invitebatch_import"),
    }
    opened = {
        name for name, page in pages.items() if client.get(page).status_code == 200
    }
    assert opened == {own}


def test_a_year_that_no_database_has_is_no_error(admin_client):
    page = url("redemption_changelist")
    response = admin_client.get(page, {"redeemed_at__year": "9" * 30})
    assert (response.status_code, response.url) == (HTTPStatus.FOUND, f"{page}?e=1")
