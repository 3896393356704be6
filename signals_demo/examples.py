"""Scenarios in which the reference receivers run, where those of the signal miss them.

What makes Django send a signal need not concern the model that a receiver listens to.
"""

from signals_demo.builtin import BuiltinSignal
from signals_demo.models import Profile, Question
from signals_demo.scenarios import SCENARIOS, Scenario, new_user


def rename_keyword() -> None:
    """Make a question by the keyword of earlier days."""
    Question(text="What's new?")  # type: ignore[misc]  # a receiver renames it


def read_profile() -> None:
    """Make a profile that is never saved."""
    Profile(display_name="Ada")


def ask() -> None:
    """Save a question."""
    Question.objects.create(question_text="What's new?")


def sign_up() -> None:
    """Save a user."""
    new_user()


def leave() -> None:
    """Delete the profile of a user."""
    new_user().signals_demo_profile.delete()


#: For signals whose own scenarios no receiver of ours hears, one that it does.
EXAMPLES: dict[str, Scenario] = {
    "pre_init": Scenario("Question(text=...)", rename_keyword),
    "post_init": Scenario("Profile(...)", read_profile),
    "pre_save": Scenario("Question.objects.create(...)", ask),
    "post_save": Scenario("User(...).save()", sign_up),
    "post_delete": Scenario("profile.delete()", leave),
}


def scenarios_of(signal: BuiltinSignal) -> list[Scenario]:
    """Return what makes Django send a signal, what our receivers hear first."""
    scenarios = SCENARIOS.get(signal.name, [])
    example = EXAMPLES.get(signal.name)
    return [example, *scenarios] if example else scenarios
