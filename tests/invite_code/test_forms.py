from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import IntegrityError, OperationalError, connection
from django.db.models.signals import post_save, pre_save
from django.db.transaction import atomic
from django.test.utils import isolate_apps
from django.utils import timezone

from invite_code import forms as module
from invite_code import gate, redemption
from invite_code.errors import Revoked
from invite_code.forms import (
    InviteCodeField,
    InviteCodeForm,
    InviteCodeFormMixin,
    SignupForm,
)
from invite_code.models import Hold, InviteCode, Redemption
from tests.factories import (
    InviteCodeFactory,
    UserFactory,
)

User = get_user_model()

PASSWORD = "correct horse battery"

#: What the database has to say against a code; a function makes each.
REFUSED = {
    "unknown": partial(InviteCodeFactory.build, batch=None),
    "expired": lambda: InviteCodeFactory(expires_at=timezone.now()),
    "not yet valid": lambda: InviteCodeFactory(
        valid_from=timezone.now() + timedelta(hours=1)
    ),
    "revoked": lambda: InviteCodeFactory(revoked_at=timezone.now()),
    "revoked batch": lambda: InviteCodeFactory(batch__revoked_at=timezone.now()),
    "used": lambda: InviteCodeFactory(uses=1),
    "used up": lambda: InviteCodeFactory(uses=3, max_uses=3),
    "held": lambda: InviteCodeFactory(held=True),
    "for somebody else": lambda: InviteCodeFactory(email="bob@example.org"),
}


@pytest.fixture(autouse=True)
def cache_of_its_own(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": uuid4().hex,
        }
    }


@pytest.fixture
def code(db):
    return InviteCodeFactory()


@pytest.fixture
def hashed(monkeypatch):
    """What passwords were hashed since the test began."""
    calls = []
    encode = MD5PasswordHasher.encode

    def counting(self, password, salt):
        calls.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    return calls


@pytest.fixture
def visit(rf, db):
    """A request with a session."""
    request = rf.post("/")
    request.session = SessionStore()
    return request


def data(code, **changes):
    return {
        "username": "alice",
        "email": "alice@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "invite_code": getattr(code, "code", code),
        **changes,
    }


def errors(form):
    return {
        field: [error.code for error in found]
        for field, found in form.errors.as_data().items()
    }


def is_live(code):
    """Return whether a code that was never used lets in somebody else, now."""
    code = InviteCode.objects.get(pk=code.pk)
    return code.uses == 0 and not code.holds.exists() and not code.redemptions.exists()


@contextmanager
def on(signal, receiver):
    signal.connect(receiver, sender=User)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=User)


@pytest.mark.parametrize("spelling", [str.lower, " {} ".format, "{}\n".format])
def test_the_field_normalizes(spelling):
    code = InviteCodeFactory.build(batch=None).code
    assert InviteCodeField().clean(spelling(code)) == code


@pytest.mark.parametrize("text", ["x", "0" * 15 + "1", "\0", "\ud800", "é" * 16])
def test_the_field_tells_a_typo_as_a_typo(text):
    with pytest.raises(forms.ValidationError) as error:
        InviteCodeField().clean(text)
    assert error.value.code == "malformed"
    assert error.value.message == module.MISTYPED


@pytest.mark.parametrize("text", ["", None, " ", "\t\n\u3000"])
def test_the_field_is_required_unless_it_says_otherwise(text):
    with pytest.raises(forms.ValidationError) as error:
        InviteCodeField().clean(text)
    assert error.value.code == "required"
    assert InviteCodeField(required=False).clean(text) == ""


def test_the_field_takes_the_arguments_of_a_char_field():
    messages = {"malformed": "Hm"}
    field = InviteCodeField(label="Key", help_text="Ask.", error_messages=messages)
    assert (field.label, field.help_text) == ("Key", "Ask.")
    with pytest.raises(forms.ValidationError, match="Hm"):
        field.clean("x")


def test_browsers_do_not_mend_what_is_typed():
    html = str(SignupForm()["invite_code"])
    for attribute in (
        'autocomplete="off"',
        'autocapitalize="characters"',
        'spellcheck="false"',
    ):
        assert attribute in html


def test_a_code_makes_a_user(
    code, redeemed, hashed, django_capture_on_commit_callbacks
):
    form = SignupForm(data(code, invite_code=f" {code.code.lower()} "))
    assert form.is_valid()
    assert hashed == []
    with django_capture_on_commit_callbacks(execute=True):
        user = form.save()
    assert hashed == [PASSWORD]
    assert User.objects.get() == user
    assert (user.username, user.email) == ("alice", "alice@example.org")
    assert user.check_password(PASSWORD)
    [redemption] = code.redemptions.all()
    assert (redemption.user, redemption.username) == (user, "alice")
    assert InviteCode.objects.get(pk=code.pk).uses == 1
    assert not Hold.objects.exists()
    assert [sent["redemption"] for sent in redeemed] == [redemption]


def test_a_valid_form_keeps_a_use_until_it_is_saved(code):
    form = SignupForm(data(code))
    assert form.is_valid()
    hold = Hold.objects.get()
    assert form.hold == hold
    assert hold.expires_at <= timezone.now() + module.FORM_TTL
    assert errors(SignupForm(data(code, username="bob"))) == {
        "invite_code": ["refused"]
    }
    form.save()
    assert not Hold.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"password2": "another"}, {"password2": ["password_mismatch"]}),
        ({"username": ""}, {"username": ["required"]}),
        ({"username": "bob"}, {"username": ["unique"]}),
        ({"email": "alice"}, {"email": ["invalid"]}),
        ({"password1": "", "password2": ""}, {"password1": ["required"]}),
    ],
)
def test_the_code_is_judged_when_all_else_is_valid(
    code, rf, settings, statements, wrong, told
):
    UserFactory(username="bob")
    settings.CACHES = {"default": {"BACKEND": "no.such.Cache"}}
    with statements() as sent:
        found = errors(SignupForm(data(code, **wrong), request=rf.post("/")))
    assert {field: found[field] for field in told} == told
    assert "invite_code" not in found
    assert not any("invite_code" in sql for sql in sent)
    assert is_live(code)


def test_a_typo_asks_neither_the_codes_nor_the_cache(settings, statements, rf, db):
    settings.CACHES = {"default": {"BACKEND": "no.such.Cache"}}
    for request in (None, rf.post("/")):
        with statements() as sent:
            found = errors(SignupForm(data("O" * 15), request=request))
        assert found == {"invite_code": ["malformed"]}
        assert not any("invite_code" in sql for sql in sent)


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_a_refused_code_makes_nobody(db, make, hashed):
    code = make()
    form = SignupForm(data(code))
    assert errors(form) == {"invite_code": ["refused"]}
    assert form.errors["invite_code"] == [module.REFUSED]
    assert hashed == []
    assert form.hold is None
    assert not User.objects.exists()
    stored = InviteCode.objects.filter(code=code.code)
    assert {code.uses for code in stored} <= {code.uses}


def test_refusals_ask_the_same_of_the_database(db, statements):
    asked = {}
    for reason, make in REFUSED.items():
        form = SignupForm(data(make()))
        with statements() as sent:
            form.is_valid()
        asked[reason] = [sql.split()[0] for sql in sent]
    del asked["held"]  # Holds are looked at when the code is known to be usable.
    assert set(map(tuple, asked.values())) == {tuple(asked["unknown"])}


def test_a_code_for_an_address_takes_it_in_any_case(db):
    code = InviteCodeFactory(email="alice@example.org")
    form = SignupForm(data(code, email="Alice@Example.org"))
    assert form.is_valid()
    assert form.save().email == "Alice@example.org"


@pytest.mark.parametrize("bound", ["", "alice@example.org"])
def test_without_an_address_a_code_for_one_is_refused_before_hashing(db, hashed, bound):
    form = SignupForm(data(InviteCodeFactory(email=bound), email=""))
    form.fields["email"].required = False
    assert form.is_valid() == (not bound)
    assert hashed == []


def test_guesses_are_limited_by_the_request(visit, settings, code):
    settings.INVITE_CODE_CLIENT_LIMIT = "2/day"
    unknown = InviteCodeFactory.build(batch=None)
    for _ in range(2):
        form = SignupForm(data(unknown), request=visit)
        assert errors(form) == {"invite_code": ["refused"]}
        assert form.retry_after is None
    form = SignupForm(data(code), request=visit)
    assert errors(form) == {"invite_code": ["throttled"]}
    assert 0 < form.retry_after <= 86400
    assert is_live(code)
    assert SignupForm(data(code)).is_valid()


def test_good_codes_and_typos_are_not_guesses(visit, settings):
    settings.INVITE_CODE_CLIENT_LIMIT = "1/day"
    for i in range(3):
        form = SignupForm(
            data(InviteCodeFactory(), username=f"user{i}"),
            request=visit,
        )
        assert form.is_valid()
        assert not SignupForm(data("typo"), request=visit).is_valid()


@pytest.mark.parametrize(
    "field", ["is_staff", "is_superuser", "is_active", "id", "max_uses", "uses", "hold"]
)
def test_no_other_field_is_taken(code, field):
    form = SignupForm(data(code, **{field: "7"}))
    assert set(form.fields) == {
        *("username", "email", "password1", "password2", "invite_code")
    }
    assert form.is_valid()
    user = form.save()
    assert (user.is_staff, user.is_superuser, user.is_active) == (False, False, True)
    assert user.pk != 7
    stored = InviteCode.objects.get(pk=code.pk)
    assert (stored.max_uses, stored.uses) == (1, 1)


def test_somebody_who_takes_the_user_name_first_is_told_as_an_error(code):
    form = SignupForm(data(code))
    assert form.is_valid()
    rival = UserFactory(username="alice")
    assert form.sign_up() is None
    assert errors(form) == {"username": ["unique"]}
    assert User.objects.get() == rival
    assert is_live(code)
    assert form.instance.pk is None
    assert SignupForm(data(code, username="alice2")).sign_up()


def test_another_integrity_error_is_raised(code):
    def receiver(**kwargs):
        raise IntegrityError("Some other constraint.")

    form = SignupForm(data(code))
    with on(post_save, receiver), pytest.raises(IntegrityError, match="Some other"):
        form.sign_up()
    assert is_live(code)


@pytest.mark.parametrize("signal", [pre_save, post_save])
def test_a_receiver_that_raises_undoes_it_all(code, redeemed, signal):
    def receiver(**kwargs):
        raise ZeroDivisionError

    form = SignupForm(data(code))
    with on(signal, receiver), pytest.raises(ZeroDivisionError):
        form.save()
    assert not User.objects.exists()
    assert is_live(code)
    assert redeemed == []
    assert (form.instance.pk, form.instance._state.adding) == (None, True)
    assert form.save() == User.objects.get()


def test_an_error_after_redeeming_undoes_it_all(code, monkeypatch):
    redeem = InviteCodeFormMixin.redeem

    def redeem_and_fail(self, user):
        redeem(self, user)
        raise ZeroDivisionError

    form = SignupForm(data(code))
    monkeypatch.setattr(InviteCodeFormMixin, "redeem", redeem_and_fail)
    with pytest.raises(ZeroDivisionError):
        form.save()
    assert not User.objects.exists()
    assert is_live(code)


def test_a_code_revoked_since_it_was_judged_is_refused(code):
    form = SignupForm(data(code))
    assert form.is_valid()
    InviteCode.objects.update(revoked_at=timezone.now())
    with pytest.raises(Revoked):
        form.save()
    assert form.sign_up() is None
    assert errors(form) == {"invite_code": ["refused"]}
    assert not User.objects.exists()
    assert not Hold.objects.exists()


def locked(*args, **kwargs):
    """Raise the error of a database that has too much to do."""
    raise OperationalError("Lock wait timeout exceeded") from Exception(1205)


@pytest.mark.parametrize("broken", ["hold", "redeem"])
def test_contention_is_told_as_such(code, monkeypatch, broken):
    monkeypatch.setattr(redemption, broken, locked)
    form = SignupForm(data(code))
    assert not (form.is_valid() and form.sign_up())
    assert errors(form) == {NON_FIELD_ERRORS: ["busy"]}
    assert not User.objects.exists()
    assert is_live(code)


def test_contention_before_the_code_is_judged_is_told_too(code, monkeypatch):
    monkeypatch.setattr(SignupForm, "clean_username", locked)
    assert errors(SignupForm(data(code))) == {NON_FIELD_ERRORS: ["busy"]}


def test_another_error_of_the_database_is_raised(code, monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError("The disk is full.")

    monkeypatch.setattr(redemption, "hold", fail)
    with pytest.raises(OperationalError, match="disk"):
        SignupForm(data(code)).is_valid()


def test_a_hold_that_cannot_be_released_hides_no_error(code, monkeypatch):
    def receiver(**kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(redemption, "release", locked)
    form = SignupForm(data(code))
    with on(post_save, receiver), pytest.raises(ZeroDivisionError):
        form.save()
    assert not User.objects.exists()


class FormThatKeepsNothing(SignupForm):
    def judge(self, code):
        pass


def test_a_form_that_keeps_nothing_is_judged_when_it_is_saved(code):
    used = InviteCodeFactory(uses=1)
    form = FormThatKeepsNothing(data(used))
    assert form.is_valid()
    assert form.sign_up() is None
    assert errors(form) == {"invite_code": ["refused"]}
    assert not User.objects.exists()
    assert FormThatKeepsNothing(data(code)).sign_up()


@pytest.mark.django_db(transaction=True)
def test_a_lost_transaction_is_tried_again_as_if_for_the_first_time(code, monkeypatch):
    redeem = InviteCodeFormMixin.redeem
    tries = []

    def receiver(instance, **kwargs):
        tries.append((instance.pk, instance._state.adding))

    def lose_once(self, user):
        if len(tries) == 1:
            locked()
        return redeem(self, user)

    monkeypatch.setattr(InviteCodeFormMixin, "redeem", lose_once)
    form = SignupForm(data(code))
    assert form.is_valid()
    with on(pre_save, receiver):
        user = form.save()
    assert tries == [(None, True), (None, True)]
    assert User.objects.get() == user
    assert code.redemptions.get().user == user


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_failed_leaves_no_number_of_another_user(code, monkeypatch):
    commit, rivals = connection._commit, []

    def fail_once():
        if rivals:
            return commit()
        connection._rollback()
        rivals.append(User.objects.create_user("rival"))
        connection._commit()
        locked()

    form = SignupForm(data(code))
    assert form.is_valid()
    monkeypatch.setattr(connection, "_commit", fail_once)
    user = form.save()
    assert user.pk != rivals[0].pk
    assert [each.username for each in User.objects.order_by("pk")] == [
        "rival",
        user.username,
    ]


@isolate_apps("invite_code")
def test_a_user_in_two_tables_is_made_new_in_both():
    class Member(User):
        class Meta:
            app_label = "invite_code"

    member = Member()
    new = module._keys(member)
    member.id = member.user_ptr_id = 1
    member._state.adding = False
    module._make_new(member, new)
    assert (member.id, member.user_ptr_id, member._state.adding) == (None, None, True)


def test_a_form_saved_without_being_asked_whether_it_is_valid_is_validated(code):
    assert SignupForm(data(code)).save().pk
    with pytest.raises(ValueError, match="didn't validate"):
        SignupForm(data(code, username="bob")).save()
    assert User.objects.count() == 1


def test_a_form_never_saved_keeps_a_use_for_a_minute(code, monkeypatch):
    assert SignupForm(data(code)).is_valid()
    later = timezone.now() + module.FORM_TTL
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert SignupForm(data(code)).is_valid()


def test_without_commit_the_caller_saves_and_redeems(code):
    form = SignupForm(data(code))
    user = form.save(commit=False)
    assert not User.objects.exists()
    assert not Redemption.objects.exists()
    user.first_name = "Alice"
    with atomic():
        user.save()
        redeemed = form.redeem(user)
    assert redeemed.user == user
    assert InviteCode.objects.get(pk=code.pk).uses == 1
    assert not Hold.objects.exists()


def test_a_session_that_passed_the_gate_signs_up_with_the_use_it_has(code, visit):
    gate.admit(visit, code.code)
    assert errors(SignupForm(data(code))) == {"invite_code": ["refused"]}
    assert SignupForm(data(code), request=visit).sign_up()
    assert not Hold.objects.exists()


def held_until(code):
    """Return until when the uses of a code are kept."""
    holds = Hold.objects.filter(code=code, expires_at__gt=timezone.now())
    return list(holds.values_list("expires_at", flat=True))


def test_a_form_leaves_the_gate_open_for_as_long_as_it_is(code, visit):
    until = gate.admit(visit, code.code).expires_at
    form = SignupForm(data(code), request=visit)
    assert form.is_valid()
    assert gate.hold_of(visit) == form.hold
    assert abs(form.hold.expires_at - until) < timedelta(seconds=1)


def test_a_form_keeps_a_use_for_a_minute_although_the_gate_closes(code, visit):
    gate.admit(visit, code.code)
    Hold.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    assert SignupForm(data(code), request=visit).is_valid()
    (until,) = held_until(code)
    assert until > timezone.now() + module.FORM_TTL / 2


@pytest.mark.parametrize(
    "fail", [lambda: UserFactory(username="alice"), lambda: None], ids=["name", "busy"]
)
def test_a_sign_up_that_fails_leaves_the_gate_open(code, visit, monkeypatch, fail):
    gate.admit(visit, code.code)
    form = SignupForm(data(code), request=visit)
    assert form.is_valid()
    if not fail():
        monkeypatch.setattr(redemption, "redeem", locked)
    assert form.sign_up() is None
    assert gate.is_open(visit)
    monkeypatch.undo()
    assert SignupForm(data(code, username="bob"), request=visit).sign_up()
    assert not gate.is_open(visit)


def test_a_form_with_another_code_leaves_the_gate_as_it_was(code, visit):
    kept, other = gate.admit(visit, code.code), InviteCodeFactory()
    form = SignupForm(data(other), request=visit)
    assert form.is_valid()
    assert gate.hold_of(visit) == kept
    assert form.sign_up()
    assert gate.hold_of(visit) == kept
    assert other.redemptions.exists()
    assert not other.holds.exists()


def test_a_form_that_was_valid_but_not_saved_may_be_sent_again(code, visit, rf):
    assert SignupForm(data(code), request=visit).is_valid()
    again = rf.post("/")
    again.session = visit.session
    form = SignupForm(data(code, username="bob"), request=again)
    assert form.is_valid()
    assert len(held_until(code)) == 1
    assert SignupForm(data(code), request=rf.post("/")).errors  # Of somebody else.
    assert form.sign_up().username == "bob"


def test_who_fails_after_a_form_that_was_not_saved_leaves_the_code_live(code, visit):
    assert SignupForm(data(code), request=visit).is_valid()
    form = SignupForm(data(code), request=visit)
    assert form.is_valid()
    UserFactory(username="alice")
    assert form.sign_up() is None
    assert is_live(code)


class ContactForm(InviteCodeFormMixin, forms.ModelForm):
    class Meta:
        model = User
        fields = ("username", "email", "groups")


def test_the_mixin_goes_before_any_form_of_a_user(code):
    group = Group.objects.create(name="Testers")
    form = ContactForm(
        {"username": "carol", "groups": [group.pk], "invite_code": code.code}
    )
    assert form.is_valid()
    user = form.save()
    assert User.objects.get().username == "carol"
    assert user.groups.get() == group
    assert code.redemptions.get().user == user


def test_many_to_many_fields_are_saved_in_the_same_transaction(code, monkeypatch):
    def fail(self):
        raise ZeroDivisionError

    monkeypatch.setattr(ContactForm, "_save_m2m", fail)
    form = ContactForm({"username": "carol", "invite_code": code.code})
    with pytest.raises(ZeroDivisionError):
        form.save()
    assert not User.objects.exists()
    assert is_live(code)


def test_a_form_of_a_code_opens_the_gate(code, visit):
    form = InviteCodeForm({"invite_code": code.code}, request=visit)
    assert form.is_valid()
    assert gate.is_open(visit)
    assert Hold.objects.get().code == code


def test_a_form_of_a_code_takes_a_request():
    with pytest.raises(TypeError, match="request"):
        InviteCodeForm({"invite_code": "x"})


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_a_form_of_a_code_tells_no_reason(visit, make):
    bound = make()
    form = InviteCodeForm({"invite_code": bound.code}, request=visit)
    if bound.email:  # Whose it is, the door behind the gate will ask.
        assert form.is_valid()
        return
    assert errors(form) == {"invite_code": ["refused"]}
    assert not gate.is_open(visit)


def test_an_empty_form_judges_nothing(statements, db):
    with statements() as sent:
        assert not SignupForm().is_valid()
        assert SignupForm().errors == {}
    assert sent == []


def test_a_form_that_does_not_say_how_to_judge_says_so(db, code):
    with pytest.raises(NotImplementedError):
        module.JudgingForm({"invite_code": code.code}).is_valid()
