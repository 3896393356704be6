from datetime import timedelta
from http import HTTPStatus

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from invite_code.codes import CodeFormat
from invite_code.models import InviteBatch, InviteCode, Redemption
from tests.factories import InviteBatchFactory, InviteCodeFactory, RedemptionFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()
HOUR = timedelta(hours=1)

MODELS = ("invitebatch", "invitecode", "redemption")


@pytest.fixture(autouse=True)
def no_seeds(db):
    InviteCode.objects.all().delete()
    InviteBatch.objects.all().delete()


def url(page, *arguments):
    return reverse(f"admin:invite_code_{page}", args=arguments)


def listed(admin_client, **query):
    response = admin_client.get(url("invitecode_changelist"), query)
    assert response.status_code == HTTPStatus.OK
    return set(response.context["cl"].result_list)


def form_data(**values):
    data = {"max_uses": "1", "expires_at_0": "", "expires_at_1": ""}
    return data | {"revoked_at_0": "", "revoked_at_1": ""} | values


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("page", ["changelist", "change", "history"])
def test_every_page_opens(admin_client, model, page):
    redemption = RedemptionFactory()
    rows = [redemption.code.batch, redemption.code, redemption]
    row = dict(zip(MODELS, rows, strict=True))[model]
    response = admin_client.get(
        url(f"{model}_{page}", *[row.pk][page == "changelist" :])
    )
    assert response.status_code == HTTPStatus.OK


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


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_by_hand(admin_client, model):
    for send in (admin_client.get, admin_client.post):
        assert send(url(f"{model}_add")).status_code == HTTPStatus.FORBIDDEN
    response = admin_client.get(url(f"{model}_changelist"))
    assert not response.context["has_add_permission"]
    assert url(f"{model}_add") not in response.text


def test_a_code_is_shown_in_groups_in_the_list_and_on_its_page(admin_client):
    code = InviteCodeFactory()
    shown = CodeFormat().display(code.code)
    assert shown in admin_client.get(url("invitecode_changelist")).text
    assert shown in admin_client.get(url("invitecode_change", code.pk)).text


@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.lower,
        CodeFormat().display,
        " {} ".format,
        " ".join,
        lambda code: code.replace("0", "o").replace("1", "l"),
    ],
    ids=["stored", "lower", "display", "spaces around", "spaces", "look-alikes"],
)
def test_a_code_is_found_by_every_spelling_of_it(admin_client, spell):
    code, other = InviteCodeFactory.create_batch(2)
    assert listed(admin_client) == {code, other}
    assert listed(admin_client, q=spell(code.code)) == {code}


def test_a_part_of_a_code_finds_nothing(admin_client):
    code = InviteCodeFactory()
    assert listed(admin_client, q=code.code[:8]) == set()


def test_a_code_is_found_among_those_of_a_state_or_batch(admin_client):
    code = InviteCodeFactory()
    found = {"q": code.code}
    assert listed(admin_client, **found, state="usable") == {code}
    assert listed(admin_client, **found, state="revoked") == set()
    assert listed(admin_client, **found, batch__id__exact=code.batch_id) == {code}


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "K1S0-ABCD-EFGH-JKM0",
        "%",
        "' OR 1=1 --",
        '"unbalanced',
        "\U0001f600",
        "\u202e",
        "x" * 5000,
        "-",
    ],
)
def test_a_search_for_what_is_no_code_does_not_ask_the_database(admin_client, text):
    code = InviteCodeFactory()
    with CaptureQueriesContext(connection) as queries:
        assert listed(admin_client, q=text) == set()
    table = connection.ops.quote_name("invite_code_invitecode")
    assert not any(table in query["sql"] for query in queries)
    with CaptureQueriesContext(connection) as queries:
        assert listed(admin_client, q=code.code) == {code}
    assert any(table in query["sql"] for query in queries)


@pytest.mark.parametrize("query", ["q=%00", "q=%ED%A0%80", "q=%FF", "q=", "q=+"])
def test_odd_searches_are_answered(admin_client, query):
    InviteCodeFactory()
    response = admin_client.get(f"{url('invitecode_changelist')}?{query}")
    assert response.status_code == HTTPStatus.OK


STATES = {
    "new": ({}, {"usable"}),
    "half used": ({"max_uses": 2, "uses": 1}, {"usable", "used"}),
    "used up": ({"max_uses": 2, "uses": 2}, {"used"}),
    "unlimited": ({"max_uses": None, "uses": 9}, {"usable", "used"}),
    "expiring": ({"expires_at": NOW + HOUR}, {"usable"}),
    "expired": ({"expires_at": NOW - HOUR}, {"expired"}),
    "used and expired": ({"uses": 1, "expires_at": NOW - HOUR}, {"used", "expired"}),
    "revoked": ({"revoked_at": NOW}, {"revoked"}),
}


@pytest.mark.parametrize("state", ["usable", "used", "expired", "revoked"])
def test_codes_are_filtered_by_state(admin_client, state):
    codes = {name: InviteCodeFactory(**values) for name, (values, _) in STATES.items()}
    expected = {codes[name] for name, (_, states) in STATES.items() if state in states}
    assert listed(admin_client, state=state) == expected


@pytest.mark.parametrize("query", [{}, {"state": "unheard of"}])
def test_without_a_state_all_codes_are_listed(admin_client, query):
    codes = {InviteCodeFactory(**values) for values, _ in STATES.values()}
    assert listed(admin_client, **query) == codes


def test_a_batch_shows_how_many_codes_it_has(admin_client):
    batch = InviteBatchFactory(label="Newsletter")
    InviteCodeFactory.create_batch(3, batch=batch)
    page = admin_client.get(url("invitebatch_changelist"), {"q": "news"}).text
    assert "Newsletter" in page
    assert '<td class="field-code_count">3</td>' in page


def test_a_batch_gets_another_label_and_keeps_its_key(admin_client):
    batch = InviteBatchFactory(key="seed")
    page = url("invitebatch_change", batch.pk)
    assert '<div class="readonly">seed</div>' in admin_client.get(page).text
    admin_client.post(page, {"label": "First of all", "key": "other"})
    batch.refresh_from_db()
    assert (batch.label, batch.key) == ("First of all", "seed")


def test_an_expiry_is_set_and_the_log_holds_no_code(admin_client):
    code = InviteCodeFactory()
    data = form_data(expires_at_0="2099-12-31", expires_at_1="18:00:00", max_uses="")
    response = admin_client.post(url("invitecode_change", code.pk), data, follow=True)
    assert response.status_code == HTTPStatus.OK
    code.refresh_from_db()
    assert (code.expires_at.year, code.max_uses) == (2099, None)
    [entry] = LogEntry.objects.all()
    texts = " ".join(map(str, [entry, entry.object_repr, entry.change_message]))
    assert "Expires at" in texts or "expires_at" in texts
    assert code.code not in texts.upper().replace("-", "")


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


def test_what_is_read_only_stays_as_it_is(admin_client):
    code = InviteCodeFactory()
    other = InviteBatchFactory()
    page = url("invitecode_change", code.pk)
    names = admin_client.get(page).context["adminform"].form.fields
    assert set(names) == {"max_uses", "expires_at", "revoked_at"}
    forged = {"code": "0" * 16, "display": "0" * 16, "uses": "1", "batch": other.pk}
    admin_client.post(page, form_data(max_uses="5", **forged))
    changed = InviteCode.objects.get(pk=code.pk)
    assert changed.max_uses == 5
    assert (changed.code, changed.uses, changed.batch) == (code.code, 0, code.batch)


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


def test_redemptions_are_for_reading_only(admin_client):
    redemption = RedemptionFactory()
    page = url("redemption_change", redemption.pk)
    assert 'name="_save"' not in admin_client.get(page).text
    for forbidden in (page, url("redemption_delete", redemption.pk)):
        answer = admin_client.post(forbidden, {"post": "yes", "user": ""})
        assert answer.status_code == HTTPStatus.FORBIDDEN
    data = {"action": "delete_selected", "_selected_action": redemption.pk}
    admin_client.post(url("redemption_changelist"), data | {"post": "yes"})
    assert Redemption.objects.get() == redemption


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(
    admin_client, django_assert_num_queries, model
):
    RedemptionFactory()
    page = url(f"{model}_changelist")
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(page)
    RedemptionFactory.create_batch(5)
    with django_assert_num_queries(len(queries)):
        admin_client.get(page)
