"""What tests of several models of the admin ask for."""

from datetime import timedelta
from http import HTTPStatus
from itertools import product

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from tests.factories import UserFactory

NOW = timezone.now()
HOUR = timedelta(hours=1)

MODELS = ("invitebatch", "invitecode", "redemption", "hold", "handout")


def url(page, *arguments):
    return reverse(f"admin:invite_code_{page}", args=arguments)


def listed(admin_client, model="invitecode", **query):
    response = admin_client.get(url(f"{model}_changelist"), query)
    assert response.status_code == HTTPStatus.OK
    return set(response.context["cl"].queryset)


def moments(**values):
    """Return what forms send for two moments, both empty but for some values."""
    parts = product(("valid_from", "expires_at"), "01")
    return {f"{name}_{part}": "" for name, part in parts} | values


def form_data(**values):
    """Return what the form of a code sends."""
    return moments() | {"max_uses": "1", "email": ""} | values


def act(client, model, action, *rows, query="", **values):
    """Return what a list answers that is to do something with some rows."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    page = f"{url(f'{model}_changelist')}{query}"
    return client.post(page, data | values)


def staff(*permissions):
    """Return a new user of the admin who has some permissions of the app."""
    user = UserFactory(is_staff=True)
    of_app = Permission.objects.filter(content_type__app_label="invite_code")
    user.user_permissions.set(of_app.filter(codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    return user


def logged():
    """Return what was logged, each with the primary key of its object."""
    entries = LogEntry.objects.order_by("pk")
    return [(entry.object_id, entry.get_change_message()) for entry in entries]


def asks_for_a_code(queries):
    """Return whether one of the statements names the table of codes."""
    table = connection.ops.quote_name("invite_code_invitecode")
    return any(table in query["sql"] for query in queries)


def ask(client, text, **extra):
    return client.post(url("invitecode_explain"), {"code": text}, **extra)


def told(response):
    """Return the explanation that a page shows."""
    assert response.status_code == HTTPStatus.OK
    return dict(response.context["facts"] or {})
