from datetime import timedelta
from http import HTTPStatus
from itertools import product

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from invite_code.admin import NAMED
from invite_code.codes import CodeFormat
from invite_code.explaining import explain
from invite_code.models import Hold, InviteBatch, InviteCode, Redemption
from invite_code.redemption import redeem
from tests.factories import (
    HoldFactory,
    InviteBatchFactory,
    InviteCodeFactory,
    RedemptionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
HOUR = timedelta(hours=1)

MODELS = ("invitebatch", "invitecode", "redemption", "hold")


@pytest.fixture(autouse=True)
def no_seeds(db):
    InviteCode.objects.all().delete()
    InviteBatch.objects.all().delete()


def url(page, *arguments):
    return reverse(f"admin:invite_code_{page}", args=arguments)


def listed(admin_client, model="invitecode", **query):
    response = admin_client.get(url(f"{model}_changelist"), query)
    assert response.status_code == HTTPStatus.OK
    return set(response.context["cl"].queryset)


def form_data(**values):
    moments = product(("valid_from", "expires_at", "revoked_at"), "01")
    data = {f"{name}_{part}": "" for name, part in moments}
    return data | {"max_uses": "1", "email": ""} | values


def asks_for_a_code(queries):
    """Return whether one of the statements names the table of codes."""
    table = connection.ops.quote_name("invite_code_invitecode")
    return any(table in query["sql"] for query in queries)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("page", ["changelist", "change", "history"])
def test_every_page_opens(admin_client, model, page):
    redemption = RedemptionFactory()
    hold = HoldFactory(code=redemption.code)
    rows = [redemption.code.batch, redemption.code, redemption, hold]
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
    moments = {"valid_from", "expires_at", "revoked_at"}
    assert set(names) == {"max_uses", "email"} | moments
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
    HoldFactory(code=RedemptionFactory().code)
    page = url(f"{model}_changelist")
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(page)
    for redemption in RedemptionFactory.create_batch(5):
        HoldFactory(code=redemption.code)
    with django_assert_num_queries(len(queries)):
        admin_client.get(page)


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


def test_a_code_is_bound_and_given_a_window(admin_client):
    code = InviteCodeFactory()
    valid_from = {"valid_from_0": "2099-12-01", "valid_from_1": "06:00"}
    expires_at = {"expires_at_0": "2099-12-31", "expires_at_1": "18:00"}
    data = form_data(email="Reader@Example.org", **valid_from, **expires_at)
    admin_client.post(url("invitecode_change", code.pk), data)
    code.refresh_from_db()
    assert code.email == "reader@example.org"
    assert (code.valid_from.day, code.expires_at.day) == (1, 31)


def test_a_code_that_would_never_be_valid_is_explained(admin_client):
    code = InviteCodeFactory()
    moment = {"valid_from_0": "2099-12-31", "valid_from_1": "18:00"}
    data = form_data(**moment, expires_at_0="2099-12-31", expires_at_1="18:00")
    response = admin_client.post(url("invitecode_change", code.pk), data)
    assert response.status_code == HTTPStatus.OK
    assert "It would expire before it is valid." in response.text


def test_a_batch_is_revoked_with_its_codes(admin_client):
    code = InviteCodeFactory()
    data = {"label": "Leaked", "revoked_at_0": "2020-01-01", "revoked_at_1": "12:00"}
    admin_client.post(url("invitebatch_change", code.batch_id), data)
    assert str(explain(code.code).refusal) == "Its batch is revoked."


def test_a_deleted_user_is_still_named(admin_client):
    user = UserFactory(username="gone")
    redemption = redeem(InviteCodeFactory().code, user)
    pk = user.pk
    user.delete()
    for page in (url("redemption_changelist"), url("redemption_change", redemption.pk)):
        text = admin_client.get(page).text
        assert "gone" in text
        assert str(pk) in text


def test_redemptions_are_found_by_a_part_of_a_name_and_by_a_whole_code(admin_client):
    found, other = (
        redeem(InviteCodeFactory().code, UserFactory(username=name))
        for name in ("jose.reader", "somebody")
    )
    for text in (
        *("jose", "READER", found.code.code),
        *(f" {found.code.code.lower()} ", CodeFormat().display(found.code.code)),
    ):
        assert listed(admin_client, "redemption", q=text) == {found}
    assert listed(admin_client, "redemption", q=found.code.code[:8]) == set()
    assert listed(admin_client, "redemption") == {found, other}


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


def test_a_hold_is_given_back_by_deleting_it(admin_client):
    code = InviteCodeFactory(held=True)
    assert explain(code.code).refusal
    hold = code.holds.get()
    page = url("hold_change", hold.pk)
    assert 'name="_save"' not in admin_client.get(page).text
    assert admin_client.post(page, {}).status_code == HTTPStatus.FORBIDDEN
    admin_client.post(url("hold_delete", hold.pk), {"post": "yes"})
    assert explain(code.code).refusal is None


def test_it_is_shown_whether_a_hold_is_live_and_not_who_may_use_it(admin_client):
    live, over = HoldFactory(), HoldFactory(expires_at=NOW - HOUR)
    for hold, icon in [(live, "icon-yes"), (over, "icon-no")]:
        for page in (
            admin_client.get(url("hold_change", hold.pk)).text,
            admin_client.get(url("hold_changelist"), {"id": hold.pk}).text,
        ):
            assert icon in page
            assert hold.key not in page


def ask(client, text, **extra):
    return client.post(url("invitecode_explain"), {"code": text}, **extra)


def told(response):
    """Return the explanation that a page shows."""
    assert response.status_code == HTTPStatus.OK
    return dict(response.context["facts"] or {})


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


def test_a_page_has_no_script_or_style_of_its_own(admin_client):
    page = ask(admin_client, InviteCodeFactory().code).text
    content = page.split('id="content-main"')[1].split("<footer")[0]
    assert "<script" not in content
    assert "style" not in content


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
