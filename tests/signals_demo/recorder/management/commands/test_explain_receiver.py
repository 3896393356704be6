from io import BytesIO, StringIO, TextIOWrapper

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import post_save

from signals_demo.models import Pizza, Topping

pytestmark = pytest.mark.django_db(databases="__all__")

HERE = __name__


def listen(sender, **kwargs):
    pass


def größer(sender, **kwargs):
    pass


@pytest.fixture
def fixture_file(tmp_path):
    path = tmp_path / "toppings.json"
    path.write_text('[{"model": "signals_demo.topping", "fields": {"name": "ham"}}]')
    return path


def explain(receiver, *command, stdout=None, **options):
    stdout = stdout or StringIO()
    call_command("explain_receiver", receiver, "--", *command, stdout=stdout, **options)
    return stdout


def test_a_receiver_that_ran_is_told_so(connect, fixture_file):
    connect(listen, post_save, sender=Topping)
    stdout = explain(f"{HERE}.listen", "loaddata", fixture_file, force_color=True)
    said = f"{HERE}.listen: it ran once, for post_save."
    assert "\x1b[" in stdout.getvalue()
    assert said in stdout.getvalue()


def test_one_that_did_not_is_told_why_and_what_to_do(fixture_file):
    stdout = explain(f"{HERE}.listen", "loaddata", fixture_file, no_color=True)
    assert stdout.getvalue() == (
        f"{HERE}.listen: it exists, but nothing has connected it to a signal.\n"
        "Put @receiver(...) above it, or call connect() in AppConfig.ready().\n"
    )


def test_there_may_be_no_hint(connect, fixture_file):
    connect(listen, post_save, sender=Pizza)
    stdout = explain(f"{HERE}.listen", "loaddata", fixture_file, no_color=True)
    assert stdout.getvalue().count("\n") == 1


def test_a_command_that_fails_is_explained_too(connect):
    connect(listen, post_save)
    stdout = StringIO()
    with pytest.raises(CommandError, match="No fixture named"):
        explain(f"{HERE}.listen", "loaddata", "no_such", stdout=stdout)
    assert "nothing sent post_save" in stdout.getvalue()


def test_an_unknown_command_is_an_error_and_nothing_else():
    stdout = StringIO()
    with pytest.raises(CommandError, match=r"Did you mean migrate\?"):
        explain(f"{HERE}.listen", "migrat", stdout=stdout)
    assert stdout.getvalue() == ""


def test_the_dashes_may_be_left_in_by_argparse():
    stdout = StringIO()
    call_command(
        "explain_receiver", "x.y", "--verbosity=1", "--", "check", stdout=stdout
    )
    assert "there is no such module." in stdout.getvalue()


def test_without_a_command_there_is_nothing_to_explain():
    with pytest.raises(CommandError, match="required: -- command"):
        call_command("explain_receiver", "x.y")


def test_names_are_shown_as_the_terminal_can():
    stdout = TextIOWrapper(BytesIO(), encoding="ascii")
    explain(f"{HERE}.größer", "check", stdout=stdout)
    stdout.flush()
    assert b"gr\\xf6\\xdfer: it exists" in stdout.buffer.getvalue()
