from http import HTTPStatus
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.forms import modelform_factory
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import override

from invite_code.admin.forms import (
    BulkWindowForm,
    ExplainForm,
    ExportForm,
    HandOutForm,
    ImportForm,
    InviteCodeForm,
    IssueForm,
)
from invite_code.models import MAX_INTEGER, InviteCode
from tests.factories import HandOutFactory, InviteBatchFactory, InviteCodeFactory
from tests.invite_code.admin.pages import form_data, moments, url

pytestmark = pytest.mark.django_db

START = {"valid_from_0": "2099-12-31", "valid_from_1": "18:00"}
EXPIRY = {"expires_at_0": "2099-12-31", "expires_at_1": "18:00"}


def issue_data(**values):
    terms = {"label": "Spring", "max_uses": "1", "email": ""}
    return moments(count="3", key=uuid4().hex, **terms) | values


@pytest.mark.parametrize(
    ("max_uses", "message"),
    [
        ("0", "at least one person"),
        ("-1", "greater than or equal to"),
        ("two", "whole number"),
    ],
)
def test_an_impossible_number_of_uses_is_explained(admin_client, max_uses, message):
    code = InviteCodeFactory()
    page = url("invitecode_change", code.pk)
    response = admin_client.post(page, form_data(max_uses=max_uses))
    assert response.status_code == HTTPStatus.OK
    assert message in response.text


def test_fewer_uses_than_there_were_are_explained(admin_client):
    code = InviteCodeFactory(max_uses=5, uses=3)
    page = url("invitecode_change", code.pk)
    response = admin_client.post(page, form_data(max_uses="2"))
    assert response.status_code == HTTPStatus.OK
    assert "already used more often" in response.text


def test_a_code_that_would_never_be_valid_is_explained(admin_client):
    code = InviteCodeFactory()
    moment = {"valid_from_0": "2099-12-31", "valid_from_1": "18:00"}
    data = form_data(**moment, expires_at_0="2099-12-31", expires_at_1="18:00")
    response = admin_client.post(url("invitecode_change", code.pk), data)
    assert response.status_code == HTTPStatus.OK
    assert "The expiry must come after the start." in response.text


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"count": "0"}, "count"),
        ({"count": str(MAX_INTEGER + 1)}, "count"),
        ({"count": ""}, "count"),
        ({"label": "x" * 201}, "label"),
        ({"label": "\0"}, "label"),
        ({"max_uses": "0"}, "max_uses"),
        ({"email": "nobody"}, "email"),
        ({"email": f"{'x' * 60}@{'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 60}"}, "email"),
        ({"key": "seed"}, "key"),
        ({"key": ""}, "key"),
        ({"valid_from_0": "2099-02-30", "valid_from_1": "18:00"}, "valid_from"),
        ({"valid_from_0": "2099-12-31"}, "valid_from"),
        (START | EXPIRY, "__all__"),
    ],
)
def test_what_cannot_be_issued_is_told_beside_its_field(values, field):
    assert IssueForm(issue_data()).is_valid()
    assert set(IssueForm(issue_data(**values)).errors) == {field}


def test_terms_are_those_of_issue():
    form = IssueForm(issue_data(max_uses="", email="Reader@Example.org", **EXPIRY))
    assert form.is_valid()
    terms = form.terms()
    assert terms.pop("expires_at").hour == 18
    assert terms == {
        "label": "Spring",
        "max_uses": None,
        "valid_from": None,
        "email": "Reader@Example.org",
    }


@pytest.mark.parametrize("form", [IssueForm, HandOutForm])
def test_each_form_that_gives_has_a_key_of_its_own(form):
    first, second = (UUID(str(form()["key"].value())) for _ in range(2))
    assert first != second


def test_what_is_used_meanwhile_is_an_error_of_the_form(admin_client, monkeypatch):
    code = InviteCodeFactory(max_uses=5)
    clean = InviteCodeForm.clean_max_uses

    def use_and_clean(form):
        InviteCode.objects.filter(pk=code.pk).update(uses=3)
        return clean(form)

    monkeypatch.setattr(InviteCodeForm, "clean_max_uses", use_and_clean)
    page = url("invitecode_change", code.pk)
    with CaptureQueriesContext(connection) as queries:
        response = admin_client.post(page, form_data(max_uses="2"))
    assert "already used more often" in response.text
    locks = any("FOR UPDATE" in query["sql"] for query in queries)
    assert locks == connection.features.has_select_for_update
    response = admin_client.post(page, form_data(max_uses="3"))
    assert response.status_code == HTTPStatus.FOUND


@pytest.mark.parametrize("form", [IssueForm, BulkWindowForm])
def test_moments_that_no_database_has_are_told(form):
    ticks = {"set_valid_from": "1", "set_expires_at": "1"}
    with override("America/New_York"):
        data = issue_data(**ticks, expires_at_0="9999-12-31", expires_at_1="23:59")
        assert form(data).errors == {"__all__": ["Such a moment cannot be stored."]}


def test_moments_without_a_zone_are_stored_as_they_are(settings):
    settings.USE_TZ = False
    data = issue_data(expires_at_0="9999-12-31", expires_at_1="23:59")
    assert not IssueForm(data).errors


@pytest.mark.django_db(transaction=True)
def test_a_maximum_is_looked_up_outside_of_a_transaction_too():
    code = InviteCodeFactory(max_uses=5, uses=3)
    form = modelform_factory(InviteCode, InviteCodeForm, fields=["max_uses"])
    assert "max_uses" in form({"max_uses": "2"}, instance=code).errors
    assert form({"max_uses": "3"}, instance=code).is_valid()


def test_an_import_needs_a_file():
    file = {"file": SimpleUploadedFile("codes.txt", b"0")}
    assert ImportForm(issue_data(), file).is_valid()
    assert set(ImportForm(issue_data()).errors) == {"file"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"count": "-1"}, "count"),
        ({"count": "a few"}, "count"),
        ({"recipient": ""}, "recipient"),
        ({"recipient": "x" * 201}, "recipient"),
        ({"key": "mine"}, "key"),
    ],
)
def test_a_hand_out_needs_a_number_and_a_recipient(values, field):
    right = {"count": "1", "recipient": "Ada", "key": str(uuid4())}
    assert HandOutForm(right).is_valid()
    assert set(HandOutForm(right | values).errors) == {field}


def test_an_export_is_of_all_or_unused_codes_or_of_a_hand_out_of_the_batch():
    line, other = HandOutFactory.create_batch(2)
    forms = {
        codes: ExportForm({"codes": codes, "format": "csv"}, batch=line.batch)
        for codes in ("all", "unused", str(line.pk), str(other.pk), "", "0")
    }
    right = [codes for codes, form in forms.items() if form.is_valid()]
    assert right == ["all", "unused", str(line.pk)]
    form = ExportForm({"codes": "all", "format": "pickle"}, batch=InviteBatchFactory())
    assert set(form.errors) == {"format"}


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        ({"set_valid_from": "1"}, {"valid_from": None}),
        (EXPIRY | {"set_valid_from": "1"}, {"valid_from": None}),
        (START | EXPIRY | {"set_expires_at": "1"}, {"expires_at": 18}),
        ({}, None),
        (START | EXPIRY, None),
        (START | EXPIRY | {"set_valid_from": "1", "set_expires_at": "1"}, None),
        ({"set_valid_from": "1", "valid_from_0": "soon", "valid_from_1": "1"}, None),
    ],
)
def test_of_a_window_only_that_is_changed_that_is_ticked(values, changes):
    form = BulkWindowForm(moments(**values))
    assert form.is_valid() == (changes is not None)
    if changes is not None:
        assert {n: m and m.hour for n, m in form.changes().items()} == changes


def test_a_wrong_moment_that_is_ticked_is_the_only_error():
    values = {"set_valid_from": "1", "valid_from_0": "soon", "valid_from_1": "1"}
    assert set(BulkWindowForm(moments(**values)).errors) == {"valid_from"}


def test_a_text_that_is_longer_than_any_code_is_not_taken():
    assert ExplainForm({"code": "x" * 256}).is_valid()
    assert set(ExplainForm({"code": "x" * 257}).errors) == {"code"}
