"""What the explorer offers to do: a click each, and a tree to look at.

Each tidies up after itself, by ``delete()`` and its signals, which end the tree.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth import alogin, get_user_model
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import ModelSignal, post_init, post_save
from django.utils.crypto import get_random_string
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from example_project.signals import pizza_ordered
from invite_code.issuing import issue
from invite_code.models import InviteCode
from invite_code.redemption import redeem
from signals_demo.models import Pizza, Question, Topping
from signals_demo.recorder.actions import Action
from signals_demo.scenarios import request_of

#: The actions, in the order of the page.
ACTIONS: list[Action] = []

Run = Callable[[], None]
Text = str | Promise


def action(title: Text, description: Text) -> Callable[[Run], Run]:
    """Make the decorated function an action, whose name becomes its address."""

    def register(run: Run) -> Run:
        slug = run.__name__.replace("_", "-")
        ACTIONS.append(Action(slug, title, description, run))
        return run

    return register


def new_name() -> str:
    """Return a name that nobody has yet."""
    return f"guest-{get_random_string(8).lower()}"


def new_user(**fields: Any) -> Any:
    """Save a user without a password, which would take long, and return it."""
    return get_user_model().objects.create_user(new_name(), **fields)


@contextmanager
def guest() -> Iterator[Any]:
    """Provide a user as long as it is needed."""
    user = new_user()
    try:
        yield user
    finally:
        user.delete()


@contextmanager
def invitation() -> Iterator[InviteCode]:
    """Provide an invite code as long as it is needed."""
    batch = issue(1, label="Explorer")
    code = InviteCode.objects.get(batch=batch)
    try:
        yield code
    finally:
        code.redemptions.all().delete()
        code.delete()
        batch.delete()


@contextmanager
def connected(
    signal: ModelSignal, receiver: Callable[..., None], sender: Any
) -> Iterator[None]:
    """Connect a receiver that nobody should have, for a moment."""
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


# What goes well


@action(
    _("Sign up with a code"),
    _("A code is issued and redeemed, and the new user gets a profile."),
)
def sign_up_with_a_code() -> None:
    """Let a new user in by a new invite code."""
    with invitation() as code:
        with transaction.atomic():
            user = new_user()
            redeem(code.code, user)
        user.delete()


@action(
    _("Save a user"),
    _("The user gets a new name, and a receiver renames the profile."),
)
def save_a_user() -> None:
    """Rename a user."""
    with guest() as user:
        user.username = new_name()
        user.save()


@action(
    _("Delete with cascade"),
    _("The profile goes too, and its picture after the commit."),
)
def delete_with_cascade() -> None:
    """Delete a user whose profile names a file."""
    user = new_user()
    profile = user.signals_demo_profile
    profile.avatar = f"avatars/{user.username}.png"  # There is no such file.
    profile.save()
    user.delete()


@action(
    _("Change a many-to-many relation"),
    _("add(), remove() and clear() send m2m_changed twice each."),
)
def change_a_relation() -> None:
    """Put toppings on a pizza, and take them off."""
    pizza = Pizza.objects.create(name="napoli")
    toppings = [Topping.objects.create(name=name) for name in ("basil", "capers")]
    pizza.toppings.add(*toppings)
    pizza.toppings.remove(toppings[0])
    pizza.toppings.clear()
    for each in (pizza, *toppings):
        each.delete()


@action(
    _("Load a fixture"),
    _("loaddata saves with raw=True; good receivers then stand back."),
)
def load_a_fixture() -> None:
    """Load a question and a user from a file."""
    name = new_name()
    rows = [
        {"model": "signals_demo.question", "fields": {"question_text": name}},
        {"model": "auth.user", "fields": {"username": name, "password": "!"}},
    ]
    try:
        with TemporaryDirectory() as directory:
            fixture = Path(directory, "guests.json")
            fixture.write_text(json.dumps(rows), encoding="utf-8")
            call_command("loaddata", fixture, verbosity=0)
    finally:
        Question.objects.filter(question_text=name).delete()
        get_user_model().objects.filter(username=name).delete()


@action(
    _("Log in asynchronously"),
    _("alogin() sends by asend(), which runs receivers in a thread."),
)
def log_in_asynchronously() -> None:
    """Log a user in from a coroutine."""
    backend = "django.contrib.auth.backends.ModelBackend"
    with guest() as user:
        async_to_sync(alogin)(request_of(user), user, backend=backend)


# What surprises people


@action(
    _("Create 100 rows in bulk"),
    _("bulk_create() sends no pre_save: these questions get no slug."),
)
def create_rows_in_bulk() -> None:
    """Save 100 questions, of which no receiver hears."""
    text = new_name()
    Question.objects.bulk_create(Question(question_text=text) for _at in range(100))
    Question.objects.filter(question_text=text).delete()


@action(
    _("A receiver fails"),
    _("send() stops there: later receivers are not reached."),
)
def a_receiver_fails() -> None:
    """Order a pizza, and hear that the card was refused."""
    pizza_ordered.send(sender=Pizza, number=1)


@action(
    _("A failure is swallowed"),
    _("send_robust() goes on, and whoever sends does not notice."),
)
def a_failure_is_swallowed() -> None:
    """Order a pizza, and hear nothing of the card that was refused."""
    pizza_ordered.send_robust(sender=Pizza, number=2)


class ChangedMind(Exception):
    """What ends a transaction."""


@action(
    _("A transaction is rolled back"),
    _("Receivers have run, and then nothing of it has happened."),
)
def a_transaction_is_rolled_back() -> None:
    """Save a user, and think better of it."""
    with suppress(ChangedMind), transaction.atomic():
        new_user()
        raise ChangedMind


def ask_properly(sender: Any, *, instance: Question, **kwargs: Any) -> None:
    """Save once more, which sends post_save once more."""
    if not instance.question_text.endswith("?"):
        instance.question_text += "?"
        instance.save()


@action(
    _("A receiver saves again"),
    _("A receiver of post_save that saves is called by its own save."),
)
def a_receiver_saves_again() -> None:
    """Save a question that a receiver of post_save changes."""
    with connected(post_save, ask_properly, Question):
        question = Question.objects.create(question_text="What's up")
    question.delete()


def look_up_batch(sender: Any, *, instance: InviteCode, **kwargs: Any) -> None:
    """Ask the database for each row that was read from it."""
    str(instance.batch)


@action(
    _("Each row costs a query"),
    _("A receiver of post_init asks for more with each row read."),
)
def each_row_costs_a_query() -> None:
    """Read five codes, and look up the batch of each."""
    with connected(post_init, look_up_batch, InviteCode):
        list(InviteCode.objects.order_by("pk")[:5])
