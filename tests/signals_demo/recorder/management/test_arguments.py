import pytest
from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser

from signals_demo.recorder.management import arguments

OPTIONS = {"no_color": False, "force_color": False}


def parsed(*words, required=False, receiver=False):
    parser = CommandParser(prog="record", called_from_command_line=True)
    if receiver:
        parser.add_argument("receiver")
    parser.add_argument("--format")
    arguments.add_command(parser, required=required)
    return parser.parse_args(words)


@pytest.mark.parametrize("options", [[], ["--format", "json"]])
def test_what_stands_behind_the_dashes_is_the_command(options):
    words = ["--", "loaddata", "x.json", "--format", "yaml"]
    assert parsed(*options, *words).command == words[1:]


@pytest.mark.parametrize("options", [[], ["--format", "json"]])
def test_options_may_stand_between_a_receiver_and_the_command(options):
    words = ["shop.f", *options, "--", "loaddata", "x.json", "--format", "yaml"]
    found = parsed(*words, required=True, receiver=True)
    assert found.receiver == "shop.f"
    assert [each for each in found.command if each != "--"] == words[-4:]


def test_a_command_may_be_left_out_or_not(capsys):
    assert parsed().command == []
    with pytest.raises(SystemExit):
        parsed(required=True)
    assert "arguments are required: -- command" in capsys.readouterr().err


def test_a_command_is_found_by_its_name():
    found = arguments.find(["check", "--deploy"])
    assert found.__module__ == "django.core.management.commands.check"


def test_a_command_that_is_loaded_is_used(monkeypatch):
    command = BaseCommand()
    monkeypatch.setattr(arguments, "get_commands", lambda: {"mine": command})
    assert arguments.find(["mine"]) is command


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("migrat", r"^There is no command 'migrat' to run\. Did you mean migrate\?$"),
        ("xyzzy", r"^There is no command 'xyzzy' to run\.$"),
    ],
)
def test_an_unknown_command_is_an_error_with_a_hint(name, message):
    with pytest.raises(CommandError, match=message):
        arguments.find([name])


class Spy(BaseCommand):
    requires_system_checks = "__all__"

    def add_arguments(self, parser):
        parser.add_argument("words", nargs="*")

    def handle(self, **options):
        self.options = options

    def check(self, **options):
        self.checked = True


class Unchecked(Spy):
    requires_system_checks = ()


@pytest.mark.parametrize("kind", [Spy, Unchecked])
def test_it_runs_as_manage_py_would(monkeypatch, kind):
    command = kind()
    monkeypatch.setattr(arguments, "get_commands", lambda: {"spy": command})
    arguments.run(["spy", "a", "--verbosity", "2"], OPTIONS | {"no_color": True})
    assert command.options["words"] == ["a"]
    assert command.options["verbosity"] == 2
    assert (command.options["no_color"], command.options["force_color"]) == (
        True,
        False,
    )
    assert hasattr(command, "checked") is (kind is Spy)


def test_checks_may_be_skipped(monkeypatch):
    command = Spy()
    monkeypatch.setattr(arguments, "get_commands", lambda: {"spy": command})
    arguments.run(["spy", "--skip-checks"], OPTIONS)
    assert not hasattr(command, "checked")
