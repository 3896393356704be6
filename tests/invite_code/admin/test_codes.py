from datetime import timedelta
from http import HTTPStatus
from itertools import product

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from invite_code.admin.codes import SHOWN
from invite_code.codes import CodeFormat
from invite_code.explaining import explain
from invite_code.handing_out import hand_out
from invite_code.models import Hold, InviteCode
from tests.factories import (
    HandOutFactory,
    HoldFactory,
    InviteBatchFactory,
    InviteCodeFactory,
    RedemptionFactory,
    UserFactory,
)
from tests.invite_code.admin.pages import (
    HOUR,
    NOW,
    act,
    ask,
    asks_for_a_code,
    form_data,
    listed,
    logged,
    moments,
    staff,
    told,
    url,
)

pytestmark = pytest.mark.django_db


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
    assert not asks_for_a_code(queries)
    with CaptureQueriesContext(connection) as queries:
        assert listed(admin_client, q=code.code) == {code}
    assert asks_for_a_code(queries)


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
    "bound": ({"email": "reader@example.org"}, {"usable"}),
    "valid": ({"valid_from": NOW - HOUR}, {"usable"}),
    "not yet valid": ({"valid_from": NOW + HOUR}, {"not_yet_valid"}),
    "expiring": ({"expires_at": NOW + HOUR}, {"usable"}),
    "expired": ({"expires_at": NOW - HOUR}, {"expired"}),
    "used and expired": ({"uses": 1, "expires_at": NOW - HOUR}, {"used", "expired"}),
    "revoked": ({"revoked_at": NOW}, {"revoked"}),
    "in a revoked batch": ({"batch__revoked_at": NOW}, {"revoked"}),
    "held": ({"held": True}, {"held"}),
    "half held": ({"max_uses": 2, "held": True}, {"usable", "held"}),
    "was held": ({"held": True, "hold__expires_at": NOW - HOUR}, {"usable"}),
}


@pytest.mark.parametrize(
    "state", ["usable", "used", "held", "not_yet_valid", "expired", "revoked"]
)
def test_codes_are_filtered_by_state(admin_client, state):
    codes = {name: InviteCodeFactory(**values) for name, (values, _) in STATES.items()}
    expected = {codes[name] for name, (_, states) in STATES.items() if state in states}
    assert listed(admin_client, state=state) == expected


def test_codes_are_changed_without_reading_them_where_that_is_forbidden(
    admin_client, monkeypatch
):
    monkeypatch.setattr(connection.features, "update_can_self_select", False)
    code, held = InviteCodeFactory(), InviteCodeFactory(held=True)
    query = {"query": "?state=usable", "select_across": "1"}
    with CaptureQueriesContext(connection) as queries:
        act(admin_client, "invitecode", "revoke", code, **query)
    table = connection.ops.quote_name("invite_code_invitecode")
    updates = [q["sql"] for q in queries if q["sql"].startswith(f"UPDATE {table}")]
    assert [sql.count(f"FROM {table}") for sql in updates] == [0]
    assert not any(f"JOIN {table}" in sql for sql in updates)
    for row in (code, held):
        row.refresh_from_db()
    assert code.revoked_at
    assert not held.revoked_at


def test_the_codes_listed_as_usable_are_those_that_are_explained_so(admin_client):
    batches = InviteBatchFactory(), InviteBatchFactory(revoked_at=NOW)
    codes, holds = [], []
    moments, uses = (None, NOW - HOUR, NOW + HOUR), [(1, 0), (1, 1), (3, 2), (None, 5)]
    rows = product(batches, (None, NOW), moments, moments, uses, moments)
    for batch, revoked_at, valid_from, expires_at, (max_uses, used), held in rows:
        [code] = CodeFormat().generate(1)
        window = {"valid_from": valid_from, "expires_at": expires_at}
        limit = {"max_uses": max_uses, "uses": used, "revoked_at": revoked_at}
        codes.append(InviteCode(code=code, batch=batch, **window, **limit))
        if held:
            holds.append((code, held))
    InviteCode.objects.bulk_create(codes)
    stored = {code.code: code for code in InviteCode.objects.all()}
    Hold.objects.bulk_create(
        Hold(code=stored[code], key="a session", expires_at=until)
        for code, until in holds
    )
    usable = {row for code, row in stored.items() if not explain(code).refusal}
    assert 0 < len(usable) < len(stored) == 432
    assert listed(admin_client, state="usable") == usable


def test_the_states_are_counted(admin_client):
    for values, _ in STATES.values():
        InviteCodeFactory(**values)
    page = admin_client.get(url("invitecode_changelist"), {"_facets": "True"}).text
    for state in ("Usable", "Used", "Held", "Not yet valid", "Expired", "Revoked"):
        name = state.lower().replace(" ", "_")
        count = sum(name in states for _, states in STATES.values())
        assert f"{state} ({count})" in page


@pytest.mark.parametrize("query", [{}, {"state": "unheard of"}])
def test_without_a_state_all_codes_are_listed(admin_client, query):
    codes = {InviteCodeFactory(**values) for values, _ in STATES.values()}
    assert listed(admin_client, **query) == codes


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


def test_what_is_read_only_stays_as_it_is(admin_client):
    code = InviteCodeFactory()
    other = InviteBatchFactory()
    page = url("invitecode_change", code.pk)
    names = admin_client.get(page).context["adminform"].form.fields
    assert set(names) == {"max_uses", "email", "valid_from", "expires_at"}
    forged = {"code": "0" * 16, "display": "0" * 16, "uses": "1", "batch": other.pk}
    forged |= {"revoked_at_0": "2020-01-01", "revoked_at_1": "12:00"}
    forged |= {"hand_out": HandOutFactory(batch=code.batch).pk, "pk": "1", "id": "1"}
    admin_client.post(page, form_data(max_uses="5", **forged))
    changed = InviteCode.objects.get(pk=code.pk)
    assert changed.max_uses == 5
    assert (changed.code, changed.uses, changed.batch) == (code.code, 0, code.batch)
    assert (changed.hand_out, changed.revoked_at) == (None, None)


def test_a_code_is_bound_and_given_a_window(admin_client):
    code = InviteCodeFactory()
    valid_from = {"valid_from_0": "2099-12-01", "valid_from_1": "06:00"}
    expires_at = {"expires_at_0": "2099-12-31", "expires_at_1": "18:00"}
    data = form_data(email="Reader@Example.org", **valid_from, **expires_at)
    admin_client.post(url("invitecode_change", code.pk), data)
    code.refresh_from_db()
    assert code.email == "reader@example.org"
    assert (code.valid_from.day, code.expires_at.day) == (1, 31)


def test_the_page_of_a_code_leads_to_its_redemptions_and_holds(admin_client):
    redemption, _ = RedemptionFactory.create_batch(2)
    hold, _ = HoldFactory(code=redemption.code), HoldFactory()
    with CaptureQueriesContext(connection) as queries:
        page = admin_client.get(url("invitecode_change", redemption.code_id)).text
    for model, row in [("redemption", redemption), ("hold", hold)]:
        query = f"?code__id__exact={redemption.code_id}"
        assert f'href="{url(f"{model}_changelist")}{query}"' in page
        found = listed(admin_client, model, code__id__exact=redemption.code_id)
        assert found == {row}
        table = connection.ops.quote_name(row._meta.db_table)
        assert not any(f"FROM {table}" in query["sql"] for query in queries)


def test_a_code_is_explained_from_its_page(admin_client):
    code = InviteCodeFactory(batch__label="Newsletter", max_uses=3, held=True)
    page = url("invitecode_explain", code.pk)
    assert f'href="{page}"' in admin_client.get(url("invitecode_change", code.pk)).text
    response = admin_client.get(page)
    for fact in (
        ("Code", CodeFormat().display(code.code)),
        ("Verdict", "It would be redeemed."),
        ("Batch", f"Newsletter (primary key {code.batch_id})"),
        ("Uses", "0 of 3"),
        ("Live holds", "1"),
    ):
        assert f'<th scope="row">{fact[0]}</th><td>{fact[1]}</td>' in response.text
    assert "<form method" not in response.text
    assert f'href="{url("invitecode_change", code.pk)}"' in response.text


def test_a_code_is_explained_that_is_typed_in_any_spelling(admin_client):
    page = url("invitecode_explain")
    assert f'href="{page}"' in admin_client.get(url("invitecode_changelist")).text
    empty = admin_client.get(page)
    assert told(empty) == {}
    assert 'autocomplete="off"' in empty.text
    assert 'maxlength="256"' in empty.text
    code = InviteCodeFactory(revoked_at=NOW)
    for spelling in (code.code.lower(), f" {CodeFormat().display(code.code)}"):
        response = ask(admin_client, spelling)
        assert told(response)["Verdict"] == "Refused. The code is revoked."
        assert f'href="{url("invitecode_change", code.pk)}"' in response.text


def test_what_is_not_stored_is_explained_without_a_link(admin_client):
    response = ask(admin_client, CodeFormat().generate(1)[0])
    assert told(response)["Verdict"] == "Refused. There is no such code."
    assert "/change/" not in response.text.split('id="content-main"')[1]


def test_a_label_is_shown_as_it_is_and_not_as_markup(admin_client):
    code = InviteCodeFactory(batch__label="</td><script>alert(1)</script>")
    page = admin_client.get(url("invitecode_explain", code.pk)).text
    assert "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt; (primary key" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("text", ["", " "])
def test_a_form_that_is_sent_empty_is_explained(admin_client, text):
    response = ask(admin_client, text)
    assert told(response) == {}
    assert "This field is required." in response.text
    assert "<title>Error:" in response.text


def test_a_code_in_the_address_is_not_looked_at(admin_client):
    code = InviteCodeFactory()
    page = admin_client.get(url("invitecode_explain"), {"code": code.code})
    assert told(page) == {}
    assert code.code not in page.text


def test_an_explanation_is_kept_by_no_cache_and_in_no_log(admin_client, caplog):
    code = InviteCodeFactory()
    with caplog.at_level("DEBUG"):
        response = ask(admin_client, code.code)
    assert "no-store" in response["Cache-Control"]
    assert not LogEntry.objects.exists()
    logged = [entry for entry in caplog.records if entry.name != "django.db.backends"]
    assert not any(code.code in entry.getMessage() for entry in logged)
    assert response.wsgi_request.sensitive_post_parameters == ("code",)


def test_a_code_is_only_explained_to_who_may_see_it(client):
    code = InviteCodeFactory()
    pages = [url("invitecode_explain"), url("invitecode_explain", code.pk)]
    user = UserFactory(is_staff=True)
    for page in pages:
        assert client.get(page).url.startswith("/admin/login/")
    client.force_login(user)
    for page in pages:
        for send in (client.get, client.post):
            assert send(page, {"code": code.code}).status_code == HTTPStatus.FORBIDDEN
    user.user_permissions.add(Permission.objects.get(codename="view_invitecode"))
    for page in pages:
        assert client.get(page).status_code == HTTPStatus.OK
    links = client.get(url("invitecode_change", code.pk)).text
    assert pages[1] in links
    assert "code__id__exact" not in links


@pytest.mark.parametrize("pk", [0, 10**30])
def test_a_code_that_is_not_there_is_not_found(admin_client, pk):
    page = url("invitecode_explain", pk)
    assert admin_client.get(page).status_code == HTTPStatus.NOT_FOUND


def test_codes_are_filtered_by_whether_somebody_was_given_them(admin_client):
    given, kept = InviteCodeFactory(), InviteCodeFactory()
    line = hand_out(given.batch, 1, to="Ada")
    assert listed(admin_client, hand_out__isempty="0") == {given}
    assert listed(admin_client, hand_out__isempty="1") == {kept}
    assert listed(admin_client, hand_out__id__exact=line.pk) == {given}


def test_the_newest_redemptions_are_shown_beside_a_code(admin_client):
    code = InviteCodeFactory(max_uses=None)
    first, *newest = RedemptionFactory.create_batch(
        SHOWN + 1, code=code, user=None, username="reader"
    )
    page = admin_client.get(url("invitecode_change", code.pk)).text
    shown = [row for row in newest if url("redemption_change", row.pk) in page]
    assert shown == newest
    assert url("redemption_change", first.pk) not in page
    assert "-DELETE" not in page


def test_who_may_not_see_redemptions_sees_none_beside_a_code(client):
    redemption = RedemptionFactory(username="ada.reader")
    client.force_login(staff("view_invitecode"))
    page = client.get(url("invitecode_change", redemption.code_id))
    assert page.status_code == HTTPStatus.OK
    assert "ada.reader" not in page.text


@pytest.mark.parametrize("total", ["0", "1", "1000", "x", ""])
def test_forged_rows_beside_a_code_are_not_looked_at(admin_client, total):
    redemption = RedemptionFactory(username="ada")
    sent = {"TOTAL_FORMS": total, "INITIAL_FORMS": total, "0-id": redemption.pk}
    sent |= {"0-username": "eve", "0-DELETE": "on", "0-code": redemption.code_id}
    forged = {f"redemptions-{name}": value for name, value in sent.items()}
    page = url("invitecode_change", redemption.code_id)
    response = admin_client.post(page, form_data(max_uses="7", **forged))
    assert response.status_code == HTTPStatus.FOUND
    redemption.refresh_from_db()
    assert (redemption.username, redemption.code.max_uses) == ("ada", 7)


def test_codes_are_revoked_and_restored(admin_client):
    one, other = InviteCodeFactory(), InviteCodeFactory()
    before = NOW - HOUR
    third = InviteCodeFactory(batch=one.batch, revoked_at=before)
    act(admin_client, "invitecode", "revoke", one, third)
    revoked = dict(InviteCode.objects.values_list("pk", "revoked_at"))
    assert revoked[one.pk] > before
    assert (revoked[other.pk], revoked[third.pk]) == (None, before)
    assert logged() == [(str(one.batch_id), "Codes revoked: 1")]
    response = act(admin_client, "invitecode", "restore", one, other, third)
    assert "Codes restored: 2" in admin_client.get(response.url).text
    assert not InviteCode.objects.exclude(revoked_at=None).exists()
    assert logged()[1:] == [(str(one.batch_id), "Codes restored: 2")]


def test_what_changes_nothing_is_not_logged(admin_client):
    code = InviteCodeFactory()
    act(admin_client, "invitecode", "restore", code)
    assert logged() == []


def test_each_batch_has_the_number_of_its_codes_in_the_log(admin_client):
    codes = [*InviteCodeFactory.create_batch(2, batch=InviteBatchFactory())]
    codes.append(InviteCodeFactory())
    act(admin_client, "invitecode", "revoke", *codes)
    assert sorted(logged()) == sorted(
        [
            (str(codes[0].batch_id), "Codes revoked: 2"),
            (str(codes[2].batch_id), "Codes revoked: 1"),
        ]
    )


@pytest.mark.parametrize(
    "query", ["?state=usable", "?state=usable&batch__id__exact={}"]
)
@pytest.mark.parametrize("action", ["revoke", "set_window"])
def test_what_takes_codes_out_of_a_filter_is_logged_and_counted(
    admin_client, action, query
):
    batch = InviteBatchFactory()
    chosen = InviteCodeFactory.create_batch(2, batch=batch)
    left = InviteCodeFactory(batch=batch, held=True)
    data = moments(set_expires_at="1", expires_at_0="2001-01-01", expires_at_1="00:00")
    data |= {"select_across": "1", "apply": "1"}
    query = query.format(batch.pk)
    response = act(admin_client, "invitecode", action, chosen[0], query=query, **data)
    assert response.status_code == HTTPStatus.FOUND
    assert not listed(admin_client, state="usable")
    changed = InviteCode.objects.exclude(revoked_at=None, expires_at=None)
    assert set(changed) == {*chosen}
    assert left not in changed
    [(pk, message)] = logged()
    assert (pk, message.endswith(": 2")) == (str(batch.pk), True)


def test_a_search_is_acted_on_alone(admin_client):
    code, other = InviteCodeFactory.create_batch(2)
    query = f"?q={code.code.lower()}"
    act(admin_client, "invitecode", "revoke", other, query=query, select_across="1")
    code.refresh_from_db()
    other.refresh_from_db()
    assert code.revoked_at
    assert other.revoked_at is None


EXPIRY = {"expires_at_0": "2099-12-31", "expires_at_1": "18:00"}


def test_the_window_of_many_codes_is_asked_for_and_changed(admin_client):
    codes = InviteCodeFactory.create_batch(2, valid_from=NOW, expires_at=NOW + HOUR)
    other = InviteCodeFactory(expires_at=NOW)
    page = act(admin_client, "invitecode", "set_window", *codes)
    assert "2 codes get a new window" in page.text
    assert page.context["selected"] == [str(code.pk) for code in codes]
    data = moments(set_expires_at="on", apply="1", **EXPIRY)
    response = act(admin_client, "invitecode", "set_window", *codes, **data)
    assert "Codes with a new window: 2" in admin_client.get(response.url).text
    for code in codes:
        code.refresh_from_db()
        assert (code.valid_from, code.expires_at.year) == (NOW, 2099)
    other.refresh_from_db()
    assert other.expires_at == NOW
    message = "Codes with a new window: 1"
    assert sorted(logged()) == sorted((str(code.batch_id), message) for code in codes)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ({"valid_from": NOW + timedelta(days=365_000 // 5)}, EXPIRY),
        ({"expires_at": NOW}, {"valid_from_0": "2099-12-31", "valid_from_1": "18:00"}),
    ],
)
def test_a_window_in_which_a_code_is_never_valid_is_refused(admin_client, code, data):
    code, other = InviteCodeFactory(**code), InviteCodeFactory()
    [name] = {key.rpartition("_")[0] for key in data}
    data = moments(apply="1", **data) | {f"set_{name}": "on"}
    response = act(admin_client, "invitecode", "set_window", code, other, **data)
    assert response.status_code == HTTPStatus.OK
    assert "Codes that would expire before they are valid: 1" in response.text
    assert not LogEntry.objects.exists()
    other.refresh_from_db()
    assert getattr(other, name) is None
    data |= {"set_valid_from": "on", "set_expires_at": "on"}
    response = act(admin_client, "invitecode", "set_window", code, other, **data)
    assert response.status_code == HTTPStatus.FOUND


def test_a_window_is_taken_away_whatever_the_rest_of_it(admin_client):
    code = InviteCodeFactory(valid_from=NOW, expires_at=NOW + HOUR)
    data = moments(apply="1", set_valid_from="on")
    act(admin_client, "invitecode", "set_window", code, **data)
    data = moments(apply="1", set_expires_at="on")
    act(admin_client, "invitecode", "set_window", code, **data)
    code.refresh_from_db()
    assert (code.valid_from, code.expires_at) == (None, None)


def test_a_window_of_which_nothing_is_ticked_is_explained(admin_client):
    code = InviteCodeFactory()
    data = moments(apply="1", **EXPIRY)
    response = act(admin_client, "invitecode", "set_window", code, **data)
    assert "Tick what is to be changed." in response.text
    code.refresh_from_db()
    assert code.expires_at is None


@pytest.mark.parametrize("format_", ["csv", "jsonl", "sheet"])
def test_selected_codes_are_exported_and_that_is_logged(admin_client, format_):
    codes = [*InviteCodeFactory.create_batch(2, batch=InviteBatchFactory())]
    codes.append(InviteCodeFactory())
    other = InviteCodeFactory()
    response = act(admin_client, "invitecode", f"export_{format_}", *codes)
    assert response.streaming
    text = b"".join(response.streaming_content).decode()
    shown = CodeFormat().display
    assert all(shown(code.code) in text for code in codes)
    assert shown(other.code) not in text
    assert sorted(logged()) == sorted(
        [
            (str(codes[0].batch_id), "Codes exported: 2"),
            (str(codes[2].batch_id), "Codes exported: 1"),
        ]
    )


def test_all_codes_of_a_filter_are_exported(admin_client):
    codes = InviteCodeFactory.create_batch(3, batch=InviteBatchFactory())
    query, across = f"?batch__id__exact={codes[0].batch_id}", {"select_across": "1"}
    InviteCodeFactory()
    chosen = {"query": query, **across}
    response = act(admin_client, "invitecode", "export_csv", codes[0], **chosen)
    assert len(b"".join(response.streaming_content).splitlines()) == 4
    assert logged() == [(str(codes[0].batch_id), "Codes exported: 3")]


def test_a_sheet_of_too_many_codes_is_explained_and_not_logged(
    admin_client, monkeypatch
):
    monkeypatch.setattr("invite_code.sheet.MAX_CODES", 1)
    codes = InviteCodeFactory.create_batch(2)
    response = act(admin_client, "invitecode", "export_sheet", *codes)
    assert "at most 1 codes" in admin_client.get(response.url).text
    assert not LogEntry.objects.exists()


def test_no_code_is_written_to_a_log(admin_client, caplog):
    code = InviteCodeFactory()
    window = moments(apply="1", set_expires_at="on", **EXPIRY)
    with caplog.at_level("DEBUG"):
        for action in ("revoke", "restore", "set_window", "export_csv", "export_jsonl"):
            act(admin_client, "invitecode", action, code, **window)
    assert len(logged()) == 5
    texts = [f"{pk} {message}" for pk, message in logged()]
    texts += [r.getMessage() for r in caplog.records if r.name != "django.db.backends"]
    assert not any(code.code in text.upper().replace("-", "") for text in texts)
