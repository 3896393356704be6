"""Each odd input gets its verdict at every door, and none of them breaks anything."""

import io
import json
import sys
from contextlib import suppress
from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

import pytest
from django import forms
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.transaction import atomic, set_rollback
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invite_code.errors import Malformed, Unknown
from invite_code.explaining import explain
from invite_code.forms import InviteCodeField
from invite_code.models import InviteBatch, InviteCode
from invite_code.redemption import hold, redeem
from tests.factories import InviteCodeFactory
from tests.robustness.odd_inputs import (
    ACCEPTED,
    CODE,
    FORM_VERDICTS,
    NAMES,
    VERDICTS,
)

pytestmark = pytest.mark.django_db

ENTER, SIGNUP = "/invite/", "/invite/signup/"

#: What Django reads of a form at most: ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
MOST_BYTES = 2_621_440

PASSWORD = "correct horse battery"

#: The verdicts by the words that doors have for them.
WORDS = {
    "required": "malformed",
    "malformed": "malformed",
    "unknown": "refused",
    "refused": "refused",
    None: "accepted",
}

#: What an address may hold and still come through a server, and more.
ADDRESSABLE = [text for text in VERDICTS if len(text) <= 70_000]

SIGNING_UP = {
    "username": "alice",
    "email": "alice@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture(autouse=True)
def code(settings):
    settings.INVITE_CODE_CLIENT_LIMIT = settings.INVITE_CODE_TOTAL_LIMIT = ""
    return InviteCodeFactory(code=CODE, max_uses=None)


def verdicts(door, texts=VERDICTS):
    """Return what a door says to each text, none of which leaves anything behind.

    Asserts that what is no code is not looked up.
    """
    found = {}
    for text in texts:
        with atomic(), CaptureQueriesContext(connection) as queries:
            found[text] = door(text)
            set_rollback(True)
        if found[text] == "malformed":
            asked = [query["sql"] for query in queries]
            table = InviteCode._meta.db_table
            assert not any(table in sql for sql in asked), NAMES[text]
    return found


def differences(found, expected):
    """Return the names of the texts for which the verdicts differ, and how."""
    return {
        NAMES[text]: (verdict, expected[text])
        for text, verdict in found.items()
        if verdict != expected[text]
    }


def by_service(service, text):
    try:
        service(text)
    except Malformed:
        return "malformed"
    except Unknown:
        return "refused"
    return "accepted"


def by_field(text):
    try:
        code = InviteCodeField().clean(text)
    except forms.ValidationError:
        return "malformed"
    return "accepted" if code == CODE else "refused"


def as_bytes(text):
    """Return what a client sends for a text, which need not be a browser."""
    return text.encode("utf-8", "surrogatepass")


def url_encoded(fields):
    body = urlencode({name: as_bytes(text) for name, text in fields.items()})
    return body.encode(), "application/x-www-form-urlencoded"


def multipart(fields):
    parts = (
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + as_bytes(text)
        + b"\r\n"
        for name, text in fields.items()
    )
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def post(page, encode, fields):
    body, content_type = encode(fields)
    response = Client().generic("POST", page, body, content_type)
    assert response.status_code < 500
    return response, len(body)


def by_page(page, encode, text):
    response, size = post(page, encode, {**SIGNING_UP, "invite_code": text})
    if response.status_code == 302:
        return "accepted"
    if response.status_code == 400:
        assert size > MOST_BYTES
        return "malformed"
    assert response.status_code == 200
    [told] = response.context["form"].errors.as_data().values()
    return WORDS[told[0].code]


def by_command(monkeypatch, text):
    stdin = io.TextIOWrapper(io.BytesIO(as_bytes(text)))
    monkeypatch.setattr(sys, "stdin", stdin)  # For "-", which is no code either.
    out = io.StringIO()
    with suppress(SystemExit):
        call_command("explain_invite_code", "--json", "--", text, stdout=out)
    return WORDS[json.loads(out.getvalue())["reason"]]


def test_there_are_enough_of_them():
    assert len(VERDICTS) >= 150
    assert set(VERDICTS.values()) == {"accepted", "refused", "malformed"}


def test_each_of_them_is_another():
    assert len(VERDICTS) == len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize(
    "service",
    [
        lambda text: redeem(text, None),
        lambda text: hold(text, "somebody", timedelta(minutes=1)),
    ],
    ids=["redeem", "hold"],
)
def test_the_service(service):
    assert not differences(verdicts(partial(by_service, service)), VERDICTS)


def test_the_explanation():
    def door(text):
        refusal = explain(text).refusal
        return WORDS[refusal.reason] if refusal else "accepted"

    assert not differences(verdicts(door), VERDICTS)


def test_the_field():
    assert not differences(verdicts(by_field), FORM_VERDICTS)


@pytest.mark.parametrize("encode", [url_encoded, multipart])
@pytest.mark.parametrize("page", [ENTER, SIGNUP])
def test_the_pages(page, encode):
    assert not differences(verdicts(partial(by_page, page, encode)), FORM_VERDICTS)


@pytest.mark.parametrize("page", [ENTER, SIGNUP])
def test_the_link_asks_nothing_of_the_database(page, django_assert_num_queries):
    for text in ADDRESSABLE:
        query = urlencode({"code": as_bytes(text), "next": as_bytes(text)})
        with django_assert_num_queries(0):
            assert Client().get(f"{page}?{query}").status_code == 200, NAMES[text]


@pytest.mark.parametrize("field", ["username", "email", "password1", "next"])
def test_the_other_fields(field, code):
    for text in VERDICTS:
        with atomic():
            fields = {**SIGNING_UP, "invite_code": CODE, field: text}
            response, size = post(SIGNUP, url_encoded, fields)
            assert response.status_code in {200, 302} or size > MOST_BYTES, NAMES[text]
            set_rollback(True)


def test_the_explaining_command(monkeypatch):
    found = verdicts(partial(by_command, monkeypatch))
    assert not differences(found, VERDICTS)


def test_the_label_of_a_batch(capsys):
    """Any text is stored as it is, or refused in a sentence."""
    stored = 0
    for text in VERDICTS:
        with atomic():
            try:
                call_command("issue_invite_codes", "1", f"--label={text}")
            except CommandError as error:
                str(error).encode()
            else:
                assert InviteBatch.objects.latest("pk").label == text, NAMES[text]
                stored += 1
            set_rollback(True)
    capsys.readouterr()
    assert stored > len(ACCEPTED)


def searched(admin_client, page, text):
    """Return what a list of the admin answers to a search."""
    query = urlencode({"q": as_bytes(text)})
    response = admin_client.get(f"/admin/invite_code/{page}/?{query}")
    assert response.status_code in {200, 302}, NAMES[text]
    return response


@pytest.mark.parametrize("page", ["invitebatch", "redemption"])
def test_the_searches_of_the_admin(admin_client, page):
    for text in ADDRESSABLE:
        searched(admin_client, page, text)


def test_the_search_for_a_code_in_the_admin(admin_client, code):
    for text in ADDRESSABLE:
        with CaptureQueriesContext(connection) as queries:
            response = searched(admin_client, "invitecode", text)
        if not text.strip() or "\0" in text:  # Of NUL, Django says so; all are listed.
            continue
        found = list(response.context["cl"].result_list)
        assert found == [code] * (VERDICTS[text] == "accepted"), NAMES[text]
        looked_up = any(
            "WHERE" in q["sql"] and InviteCode._meta.db_table in q["sql"]
            for q in queries
        )
        assert looked_up == (VERDICTS[text] != "malformed"), NAMES[text]
