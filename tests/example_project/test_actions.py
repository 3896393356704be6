import pytest
from django.apps import apps
from django.db.models.signals import post_init, post_save

from example_project.actions import ACTIONS
from example_project.signals import CardRefused
from invite_code.models import InviteCode
from signals_demo.recorder import record
from signals_demo.recorder.actions import actions

pytestmark = pytest.mark.django_db(transaction=True)

USER, PROFILE = "auth.User", "signals_demo.Profile"
CREATED = [
    ("pre_save", USER),
    ("post_save", USER),
    ("pre_save", PROFILE),
    ("post_save", PROFILE),
]
DELETED = [
    ("pre_delete", PROFILE),
    ("pre_delete", USER),
    ("post_delete", PROFILE),
    ("post_delete", USER),
]

#: What each action sends, without what each row in memory sends, in the order of
#: sending: what a receiver causes comes after the signal it has received.
EXPECTED = {
    "sign-up-with-a-code": [
        ("pre_save", "invite_code.InviteBatch"),
        ("post_save", "invite_code.InviteBatch"),
        ("invite_codes_issued", "invite_code.InviteBatch"),
        *CREATED,
        ("invite_code_redeemed", "invite_code.Redemption"),
        *DELETED,
        ("pre_delete", "invite_code.InviteCode"),
        ("post_delete", "invite_code.InviteCode"),
        ("pre_delete", "invite_code.InviteBatch"),
        ("post_delete", "invite_code.InviteBatch"),
    ],
    "save-a-user": [*CREATED, ("pre_save", USER), ("post_save", USER), *DELETED],
    "delete-with-cascade": [
        *CREATED,
        ("pre_save", PROFILE),
        ("post_save", PROFILE),
        *DELETED,
    ],
    "change-a-relation": [
        ("pre_save", "signals_demo.Pizza"),
        ("post_save", "signals_demo.Pizza"),
        *[
            ("pre_save", "signals_demo.Topping"),
            ("post_save", "signals_demo.Topping"),
        ]
        * 2,
        *[("m2m_changed", "signals_demo.Pizza_toppings")] * 6,
        ("pre_delete", "signals_demo.Pizza"),
        ("post_delete", "signals_demo.Pizza"),
        *[
            ("pre_delete", "signals_demo.Topping"),
            ("post_delete", "signals_demo.Topping"),
        ]
        * 2,
    ],
    "load-a-fixture": [
        ("pre_save", "signals_demo.Question"),
        ("post_save", "signals_demo.Question"),
        ("pre_save", USER),
        ("post_save", USER),
        ("pre_delete", USER),
        ("post_delete", USER),
    ],
    "log-in-asynchronously": [
        *CREATED,
        ("user_logged_in", USER),
        ("pre_save", USER),
        ("post_save", USER),
        *DELETED,
    ],
    "create-rows-in-bulk": [],
    "a-receiver-fails": [("pizza_ordered", "signals_demo.Pizza")],
    "a-failure-is-swallowed": [("pizza_ordered", "signals_demo.Pizza")],
    "a-transaction-is-rolled-back": CREATED,
    "a-receiver-saves-again": [
        ("pre_save", "signals_demo.Question"),
        ("post_save", "signals_demo.Question"),
        ("pre_save", "signals_demo.Question"),
        ("post_save", "signals_demo.Question"),
    ],
    "each-row-costs-a-query": [],
}
RAISED = {"a-receiver-fails": CardRefused}
QUIET = {"pre_init", "post_init", "connection_created"}


def by_name(slug):
    return next(each for each in ACTIONS if each.slug == slug)


def run(slug):
    """Run an action, and return what was recorded."""
    with record() as recording:
        if slug in RAISED:
            with pytest.raises(RAISED[slug]):
                by_name(slug).run()
        else:
            by_name(slug).run()
    return recording


def sent(recording):
    return [
        (emission.name, emission.sender)
        for emission in recording.emissions()
        if emission.name not in QUIET
    ]


def calls(recording, name):
    """Return the calls of a receiver, whose whole name ends like that."""
    return [
        call
        for emission in recording.emissions()
        for call in emission.calls
        if call.receiver.endswith(f".{name}")
    ]


def rows():
    """Return the primary keys of all rows of all models."""
    return {
        model._meta.label: sorted(
            map(str, model._base_manager.values_list("pk", flat=True))
        )
        for model in apps.get_models()
    }


def connected():
    return [[*signal.receivers] for signal in (post_init, post_save)]


def test_the_setting_names_them():
    assert actions() is ACTIONS


def test_all_of_them_are_tested():
    assert [each.slug for each in ACTIONS] == [*EXPECTED]


@pytest.mark.parametrize("slug", EXPECTED)
def test_an_action_can_be_repeated_and_leaves_nothing(slug):
    rows_before, connected_before = rows(), connected()
    for _ in range(2):
        assert sent(run(slug)) == EXPECTED[slug]
        assert rows() == rows_before
        assert connected() == connected_before


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.slug)
def test_an_action_says_what_it_does(action):
    assert 10 <= len(action.title) <= 40
    assert str(action.description).endswith(".")


def test_a_new_user_gets_a_profile_and_a_new_name_too():
    created, renamed = calls(run("save-a-user"), "sync_profile")
    assert [query.sql.partition(" ")[0] for query in renamed.entries] == ["UPDATE"]
    assert len(created.entries) > 1


def test_the_picture_goes_after_the_commit():
    (call,) = calls(run("delete-with-cascade"), "discard_avatar")
    (hook,) = call.entries
    assert hook.outcome == "ran"


def test_receivers_are_told_of_a_fixture():
    recording = run("load-a-fixture")
    saved = [each for each in recording.emissions() if each.name.endswith("_save")]
    assert [each.arguments["raw"] for each in saved] == [True] * 4
    (call,) = calls(recording, "sync_profile")
    assert not call.entries


def test_rows_in_bulk_come_without_slug():
    recording = run("create-rows-in-bulk")
    assert not calls(recording, "set_slug")
    assert sum(each.times for each in recording.emissions()) >= 200
    verbs = [query.sql.partition(" ")[0] for query in recording.queries()]
    assert {"INSERT", "DELETE"} <= {*verbs}


def outcomes(recording):
    (ordered,) = recording.emissions()
    return [call.outcome.partition(" example")[0] for call in ordered.calls]


def test_after_a_failure_others_are_reached_or_not():
    assert outcomes(run("a-receiver-fails")) == [
        "returned",
        "raised",
        "not reached",
        "not reached",
    ]
    assert outcomes(run("a-failure-is-swallowed")) == [
        "returned",
        "raised",
        "returned",
        "returned",
    ]


def test_what_is_rolled_back_is_marked():
    recording = run("a-transaction-is-rolled-back")
    fates = {each.fate for each in recording.emissions() if each.name == "post_save"}
    assert fates == {"rolled back"}


def test_a_receiver_is_inside_of_itself():
    recording = run("a-receiver-saves-again")
    outer, inner = calls(recording, "ask_properly")
    (again,) = [
        each for each in outer.entries if getattr(each, "name", "") == "post_save"
    ]
    assert inner in again.calls


def test_five_rows_cost_five_queries():
    assert InviteCode.objects.count() >= 5
    recording = run("each-row-costs-a-query")
    called = calls(recording, "look_up_batch")
    assert sum(call.times for call in called) == 5
    asked = [query for query in recording.queries() if "invitebatch" in query.sql]
    assert len(asked) == 5
