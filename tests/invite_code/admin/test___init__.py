import re
from http import HTTPStatus
from itertools import product
from urllib.parse import quote, unquote, urlencode
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invite_code.codes import CodeFormat
from invite_code.models import HandOut, Hold, InviteBatch, InviteCode, Redemption
from tests.factories import (
    HandOutFactory,
    HoldFactory,
    InviteBatchFactory,
    InviteCodeFactory,
    RedemptionFactory,
    UserFactory,
)
from tests.invite_code.admin.pages import MODELS, NOW, form_data, moments, url

pytestmark = pytest.mark.django_db

OWN = ("issue", "hand_out", "revoke", "export", "import")

#: The kinds of user, with their permissions: those of Django for all models.
KINDS = {
    "anonymous": None,
    "no staff": {"view", "change", "delete", *OWN},
    "staff": set(),
    "viewer": {"view"},
    **{own: {"view", own} for own in OWN},
    "changer": {"change"},
    "deleter": {"view", "delete"},
    "superuser": set(),
}

#: Who sees what there is: Django lets who may change a row see it.
READERS = {"viewer", *OWN, "changer", "deleter", "superuser"}
CHANGERS, DELETERS = {"changer", "superuser"}, {"deleter", "superuser"}

#: Who may open a page, and send its form; the documentation says so.
PAGES = {
    **{(model, "changelist"): (READERS, READERS) for model in MODELS},
    **{(model, "history"): (READERS, READERS) for model in MODELS},
    **{(model, "add"): (set(), set()) for model in MODELS},
    # It leads to the page of the row, which says no if need be.
    **{(model, "old address"): ({*READERS, "staff"},) * 2 for model in MODELS},
    **{(model, "change"): (READERS, set()) for model in MODELS},
    **{(model, "delete"): (set(), set()) for model in MODELS},
    **{(model, "change"): (READERS, CHANGERS) for model in MODELS[:2]},
    **{(model, "delete"): (DELETERS, DELETERS) for model in (*MODELS[:2], "hold")},
    **{("invitebatch", own): ({own, "superuser"},) * 2 for own in OWN},
    ("invitebatch", "issuing"): ({"issue", "superuser"},) * 2,
    ("invitecode", "explain"): (READERS, READERS),
}

#: The pages by which something is changed, or logged.
CHANGING = {"change", "delete", *OWN}

#: Who may do something with rows of a list.
ACTIONS = {
    **{
        ("invitebatch", name): {"revoke", "superuser"} for name in ("revoke", "restore")
    },
    **{("invitecode", name): {"revoke", "superuser"} for name in ("revoke", "restore")},
    ("invitecode", "set_window"): CHANGERS,
    **{
        ("invitecode", f"export_{format_}"): {"export", "superuser"}
        for format_ in ("csv", "jsonl", "sheet")
    },
    **{(m, "delete_selected"): DELETERS for m in (*MODELS[:2], "hold")},
}

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")

TABLES = (InviteBatch, InviteCode, HandOut, Hold, Redemption, LogEntry)


def admins():
    """Return what the admin has for each model of the app, by its name."""
    registry = admin.site._registry.items()
    ours = [(m, a) for m, a in registry if m._meta.app_label == "invite_code"]
    return {model._meta.model_name: model_admin for model, model_admin in ours}


def addresses():
    """Return model, name and address of all pages; the address has parameters."""
    for model, model_admin in admins().items():
        for pattern in model_admin.get_urls():
            name = pattern.name or "old address"
            name = name.removeprefix(f"invite_code_{model}_")
            yield model, name, f"{url(f'{model}_changelist')}{pattern.pattern}"


ADDRESSES = [*addresses()]


def filled(address, pk, key=None):
    """Return an address with a primary key, or the key of a batch, in it."""
    values = {"pk": pk, "object_id": pk, "key": key or uuid4()}
    return re.sub(r"<\w+:(\w+)>", lambda found: str(values[found[1]]), address)


def pages(rows):
    """Return model, name and address of all pages, about some rows."""
    return [(m, name, filled(address, rows[m].pk)) for m, name, address in ADDRESSES]


def login(kind):
    client = Client()
    if kind != "anonymous":
        user = UserFactory(is_staff=kind != "no staff")
        user.is_superuser = kind == "superuser"
        user.save()
        ours = Permission.objects.filter(content_type__app_label="invite_code")
        own = {f"{name}_invitecode" for name in KINDS[kind] & set(OWN)}
        of_django = {f"{n}_{m}" for n in KINDS[kind] - set(OWN) for m in MODELS}
        user.user_permissions.set(ours.filter(codename__in=own | of_django))
        client.force_login(user)
    return client


@pytest.fixture
def rows():
    """A row of each model that nothing keeps from being deleted, as far as that is."""
    redemption = RedemptionFactory()
    line = HandOutFactory()
    InviteCodeFactory(batch=line.batch)
    code = InviteCodeFactory(batch__revoked_at=NOW, hand_out=None)
    rows = (InviteBatchFactory(), code, redemption, HoldFactory(code=code), line)
    return dict(zip(MODELS, rows, strict=True))


def everything():
    """Return all rows of all tables."""
    return [list(table.objects.order_by("pk").values_list()) for table in TABLES]


def said_no(response, kind):
    if kind in {"anonymous", "no staff"}:
        return response.status_code == HTTPStatus.FOUND and "/login/" in response.url
    return response.status_code == HTTPStatus.FORBIDDEN


def said_yes(response):
    if response.status_code == HTTPStatus.FOUND:
        return "/login/" not in response.url
    return response.status_code == HTTPStatus.OK


def right_data(rows):
    """Return what the forms ask for, by page."""
    window = moments(valid_from_0="2020-01-01", valid_from_1="12:00")
    terms = window | {"label": "x", "max_uses": "1", "email": ""}
    [code] = CodeFormat().generate(1)
    file = SimpleUploadedFile("codes.txt", code.encode())
    return {
        "change": form_data(label="Changed", max_uses="7"),
        "delete": {"post": "yes"},
        "issue": terms | {"count": "2", "key": str(uuid4())},
        "import": terms | {"file": file},
        "hand_out": {"count": "1", "recipient": "Ada", "key": str(uuid4())},
        "export": {"codes": "all", "format": "csv"},
        "revoke": {"revoke": "1"},
        "explain": {"code": rows["invitecode"].code},
    }


def forged(rows):
    """Return fields that would change a row, if forms had them."""
    other = InviteBatchFactory()
    line = HandOutFactory(batch=rows["invitecode"].batch)
    parts = product(("revoked_at", "created_at", "redeemed_at"), "01")
    past = {
        f"{name}_{part}": ("2001-01-01", "12:00")[int(part)] for name, part in parts
    }
    return past | {
        "code": "0" * 16,
        "display": "0" * 16,
        "uses": "9",
        "batch": other.pk,
        "hand_out": line.pk,
        "key": "seed",
        "pk": "1",
        "id": "1",
        "user": "",
        "user_pk": "1",
        "username": "eve",
        "code_count": "9",
        "revoked_at": "2001-01-01 12:00",
        "is_superuser": "on",
        "using": "other",
    }


def kept():
    """Return what no form may change of the rows there are."""
    names = ("pk", "code", "uses", "batch", "revoked_at", "created_at")
    return {
        *InviteCode.objects.values_list(*names),
        *InviteBatch.objects.values_list("pk", "key", "created_at"),
        *HandOut.objects.values_list(),
        *Hold.objects.values_list(),
        *Redemption.objects.values_list(),
    }


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("page", ["changelist", "change", "history"])
def test_every_page_opens(admin_client, rows, model, page):
    arguments = [] if page == "changelist" else [rows[model].pk]
    response = admin_client.get(url(f"{model}_{page}", *arguments))
    assert response.status_code == HTTPStatus.OK


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_by_hand(admin_client, model):
    for send in (admin_client.get, admin_client.post):
        assert send(url(f"{model}_add")).status_code == HTTPStatus.FORBIDDEN
    response = admin_client.get(url(f"{model}_changelist"))
    assert not response.context["has_add_permission"]
    assert url(f"{model}_add") not in response.text


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(
    admin_client, django_assert_num_queries, model
):
    HoldFactory(code=RedemptionFactory().code)
    HandOutFactory()
    page = url(f"{model}_changelist")
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(page)
    for redemption in RedemptionFactory.create_batch(5):
        HoldFactory(code=redemption.code)
        HandOutFactory()
    with django_assert_num_queries(len(queries)):
        admin_client.get(page)


def test_the_documented_pages_are_those_there_are():
    assert {(model, name) for model, name, _ in ADDRESSES} == set(PAGES)
    assert set(admins()) == set(MODELS)


def test_the_documented_actions_are_those_there_are(rf):
    request = rf.get("/")
    request.user = UserFactory(is_superuser=True)
    actions = {
        (model, action)
        for model, model_admin in admins().items()
        for action in model_admin.get_actions(request)
    }
    assert actions == set(ACTIONS)


def send(client, method, page, data):
    """Return what a page answers; a file was read to its end."""
    if method == "POST":
        response = client.post(page, data)
    else:
        response = client.generic(method, page)
    if response.streaming:
        response.getvalue()
    return response


def post_raw(client, page, body):
    form = "application/x-www-form-urlencoded"
    return client.post(page, body, content_type=form)


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_open_pages_and_send_their_forms(kind, rows):
    # Nor does anything change by another method than POST, or by a forged field.
    client, batch, fields = login(kind), rows["handout"].batch, forged(rows)
    before, fixed = everything(), kept()
    for (model, name, address), method in product(ADDRESSES, METHODS):
        own = model == "invitebatch" and name in OWN
        page = filled(address, batch.pk if own else rows[model].pk)
        may = kind in PAGES[model, name][method == "POST"]
        with transaction.atomic():
            data = fields | right_data(rows).get(name, {})
            response = send(client, method, page, data)
            told = f"{kind}: {method} {page}: {response.status_code}"
            assert said_yes(response) if may else said_no(response, kind), told
            changes = may and method == "POST" and name in CHANGING
            assert (everything() != before) == changes, told
            assert fixed <= kept() or (may and name == "delete"), told
            transaction.set_rollback(True)


@pytest.fixture
def chosen(rows):
    """What a list sends that is to do something with rows, by model."""
    chosen = {model: [row.pk] for model, row in rows.items()}
    # Some are revoked already, so that restoring changes something.
    chosen["invitebatch"].append(InviteBatchFactory(revoked_at=NOW).pk)
    chosen["invitecode"].append(InviteCodeFactory(revoked_at=NOW).pk)
    expiry = {"expires_at_0": "2099-12-31", "expires_at_1": "18:00"}
    data = moments(set_expires_at="1", apply="1", post="yes", **expiry)
    return {model: data | {"_selected_action": pks} for model, pks in chosen.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_do_something_with_rows_of_a_list(kind, chosen):
    client, before = login(kind), everything()
    for model, name in product(MODELS, {name for _, name in ACTIONS}):
        page = url(f"{model}_changelist")
        with transaction.atomic():
            response = send(client, "POST", page, chosen[model] | {"action": name})
            told = f"{kind}: {name} of {model}: {response.status_code}"
            # An action that is not offered is none.
            reads = kind in READERS
            assert said_yes(response) if reads else said_no(response, kind), told
            may = kind in ACTIONS.get((model, name), ())
            assert response.streaming == (may and name.startswith("export")), told
            assert (everything() != before) == may, told
            transaction.set_rollback(True)


@pytest.mark.parametrize("method", set(METHODS) - {"POST"})
def test_nothing_is_done_with_rows_but_by_post(method, chosen):
    client, before = login("superuser"), everything()
    for model, name in ACTIONS:
        asked = urlencode(chosen[model] | {"action": name}, doseq=True)
        page, form = url(f"{model}_changelist"), "application/x-www-form-urlencoded"
        for address, body in [(f"{page}?{asked}", ""), (page, asked)]:
            response = client.generic(method, address, body, content_type=form)
            assert said_yes(response)
    assert everything() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_another_site_sends_is_refused(method, rows):
    client, before = login("superuser"), everything()
    client.handler.enforce_csrf_checks = True
    for model, name, page in pages(rows):
        data = {"action": "revoke", "_selected_action": [rows[model].pk]}
        response = send(client, method, page, data | right_data(rows).get(name, {}))
        assert response.status_code == HTTPStatus.FORBIDDEN, page
        assert "CSRF" in response.text
    assert everything() == before


ODD = {
    "NUL": b"%00",
    "surrogate": b"%ED%A0%80",
    "huge": b"9" * 30,
    "digits": b"9" * 5000,
    "negative": b"-1",
    "not a number": b"NaN",
    "other digits": "\u0663".encode(),
    "year 1": b"0001-01-01",
    "no date": b"2099-02-30",
    "last year": b"9999-12-31",
    "long": b"x" * 100_000,
    "markup": "\U0001f600</td><script>alert(1)</script>".encode(),
    "lines": b"a%0D%0ASet-Cookie:b",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_texts_in_a_form_break_nothing(admin_client, rows, odd):
    window = {"set_valid_from": "1", "_selected_action": rows["invitecode"].pk}
    forms = right_data(rows) | {
        "changelist": moments(action="set_window", apply="1", **window)
    }
    for _, name, page in pages(rows):
        fields = {k: v for k, v in forms.get(name, {}).items() if k != "file"}
        for field in fields:
            rest = urlencode({k: v for k, v in fields.items() if k != field})
            body = f"{rest}&{field}=".encode() + odd
            with transaction.atomic():
                response = post_raw(admin_client, page, body)
                assert response.status_code < 500, (page, field)
                assert response.streaming or b"<script>alert" not in response.content
                transaction.set_rollback(True)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_parts_of_an_address_break_no_page(admin_client, odd):
    part = quote(unquote(odd.decode()))
    for _, _, address in ADDRESSES:
        if "<" in address:
            page = filled(address, part, part)
            assert admin_client.post(page).status_code < 500


#: What lists are asked for, all of them and each.
QUERIES = {
    **dict.fromkeys(MODELS, ("id__in", "p", "o", "_facets", "_to_field", "all")),
    "invitebatch": ("q", "p", "o", "created_at__year", "created_at__day", "key"),
    "invitecode": (
        "q",
        "p",
        "state",
        "batch__id__exact",
        "hand_out__isempty",
    ),
    "redemption": ("q", "code__id__exact", "redeemed_at__month", "user__id__exact"),
    "hold": ("q", "p", "code__id__exact", "expires_at__gte", "expires_at__year"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_queries_break_no_page(admin_client, rows, odd):
    for model, name, page in pages(rows):
        if name in {"changelist", "export"}:
            for field in QUERIES[model] if name == "changelist" else ["codes"]:
                response = admin_client.get(f"{page}?{field}={odd[:5000].decode()}")
                assert response.status_code < 500, (page, field)


def test_too_much_is_refused(admin_client, rows):
    before = everything()
    for model, name, page in pages(rows):
        for body in (b"label=" + b"x" * 2**22, b"count=1&" * 2000):
            response = post_raw(admin_client, page, body)
            if name in CHANGING and PAGES[model, name][1]:
                assert response.status_code == HTTPStatus.BAD_REQUEST, page
            assert response.status_code < 500
    assert everything() == before


def test_no_page_is_kept_by_a_cache(admin_client, rows):
    for model, name, page in pages(rows):
        response = admin_client.get(page)
        if PAGES[model, name][0] and name != "old address":
            assert "no-store" in response["Cache-Control"], page


def test_every_page_opens_without_time_zones(admin_client, settings, rows):
    settings.USE_TZ = False
    for model, name, page in pages(rows):
        if PAGES[model, name][0]:
            assert said_yes(admin_client.get(page)), page


class Replica:
    """Reads from one database what is written to another one."""

    def db_for_read(self, model, **hints):
        return "default" if model._meta.app_label == "invite_code" else None

    def db_for_write(self, model, **hints):
        return "other" if model._meta.app_label == "invite_code" else None

    def allow_relation(self, *rows, **hints):
        return True


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize(
    ("page", "data"),
    [
        ("invitebatch_issue", {}),
        ("invitebatch_import", {}),
        ("invitebatch_hand_out", {}),
        ("invitebatch_revoke", {}),
        ("invitebatch_change", {"label": "Changed"}),
        ("invitecode_change", {"max_uses": "7"}),
        ("invitebatch_changelist", {"action": "revoke"}),
        ("invitecode_changelist", {"action": "revoke"}),
        ("invitecode_changelist", {"action": "set_window", "set_valid_from": "1"}),
    ],
)
def test_what_is_written_goes_where_the_router_says(admin_client, settings, page, data):
    batch = InviteBatchFactory(pk=10_000)  # Which no sequence has come to.
    code = InviteCodeFactory(pk=10_000, batch=batch, valid_from=NOW)
    for row in (batch, code):
        row.save(using="other", force_insert=True)
    rows, name = {"invitecode": code}, page.partition("_")[2]
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]

    def stored(using):
        models = (InviteBatch, InviteCode, HandOut)
        return [list(m.objects.using(using).order_by("pk").values()) for m in models]

    before, elsewhere = stored("other"), stored("default")
    data = {"_selected_action": [10_000], "apply": "1"} | data
    sent = right_data(rows).get(name, moments()) | data
    pk = [] if name in {"issue", "import", "changelist"} else [10_000]
    response = admin_client.post(url(page, *pk), sent)
    assert said_yes(response)
    assert stored("other") != before
    assert stored("default") == elsewhere
    assert LogEntry.objects.count() == 1
