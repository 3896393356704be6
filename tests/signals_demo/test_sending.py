import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils.translation import override

from signals_demo import catalog, sending
from signals_demo.models import Question, Topping
from signals_demo.recorder import export
from signals_demo.scenarios import Scenario
from signals_demo.sending import SendingFailed, send, send_elsewhere

INSTALLED = [pytest.param(signal, id=signal.name) for signal in catalog.signals()]
POST_SAVE = catalog.get("post_save")


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("signal", INSTALLED)
def test_each_signal_is_in_the_tree_of_each_scenario(signal):
    for run in send(signal):
        assert run["problem"] == ""
        assert any(
            line.lstrip("│├└─ ").startswith(signal.name)
            for line in run["tree"].splitlines()
        ), run["tree"]


@pytest.mark.django_db(databases="__all__")
def test_nothing_is_left_behind():
    send(catalog.get("pre_save"))
    assert not Question.objects.exists()
    assert not Topping.objects.exists()
    assert settings.MIDDLEWARE


@pytest.mark.django_db(databases="__all__")
def test_the_recording_can_be_read_again():
    first, *_ = send(POST_SAVE)
    recording = export.loads(json.dumps(first["recording"]))
    assert "post_save" in [each.name for each in recording.emissions()]


@pytest.mark.django_db(databases="__all__")
def test_what_is_prepared_is_not_shown_but_where_it_is_the_point():
    (_, *_, loaded) = send(POST_SAVE)
    assert loaded["how"] == "manage.py loaddata"
    assert loaded["tree"].startswith("pre_save signals_demo.Topping(1) raw")
    for noise in ("setting_changed", "CREATE TABLE", "connection_created"):
        assert noise not in loaded["tree"]
    (connected,) = send(catalog.get("connection_created"))
    assert connected["tree"].startswith("connection_created")


@pytest.mark.django_db(databases="__all__")
def test_where_no_signal_came_all_is_shown():
    recording, _ = sending.recorded(Scenario("count", Topping.objects.count))
    assert len(recording.entries) == 1
    assert sending.shown(POST_SAVE, recording.entries) == [*recording.entries]


@pytest.mark.django_db(databases="__all__")
def test_who_did_not_run_is_told_and_why():
    saved = send(POST_SAVE)[1]
    assert saved["how"] == "topping.save()"
    why = {each["receiver"]: each["why"] for each in saved["not_run"]}
    assert "waits for auth.User" in why["signals_demo.signals.sync_profile"]
    user = send(POST_SAVE)[0]
    ran = [each["receiver"] for each in user["not_run"]]
    assert "signals_demo.signals.sync_profile" not in ran


@pytest.mark.django_db(transaction=True)
def test_missing_tables_are_told():
    with connection.schema_editor() as editor:
        editor.alter_db_table(Topping, Topping._meta.db_table, "elsewhere")
    try:
        with pytest.raises(SystemExit, match="The tables are missing"):
            send(POST_SAVE)
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Topping, "elsewhere", Topping._meta.db_table)


@pytest.fixture
def project(monkeypatch, tmp_path):
    """Have other processes use a database of their own, which has no tables yet."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "example_project.settings")
    monkeypatch.setenv("DATABASE_VENDOR", "sqlite")
    monkeypatch.setenv("DATABASE_NAME", str(tmp_path / "db.sqlite3"))


def manage(*arguments):
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, check=True, cwd=settings.BASE_DIR, capture_output=True)


@pytest.mark.usefixtures("project")
def test_another_process_sends_it_and_settings_of_this_one_stay(monkeypatch):
    manage("migrate", "-v0")
    seen = []
    run = subprocess.run

    def look(*args, **kwargs):
        before = settings.ROOT_URLCONF
        done = run(*args, **kwargs)
        seen.append((before, settings.ROOT_URLCONF))
        return done

    monkeypatch.setattr(sending.subprocess, "run", look)
    first, *_ = send_elsewhere(POST_SAVE)
    assert "signals_demo.signals.sync_profile" in first["tree"]
    assert first["problem"] == ""
    assert seen == [("example_project.urls", "example_project.urls")]


def test_the_other_process_speaks_the_language_of_the_reader(monkeypatch):
    commands = []

    def run(command, **options):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="[]")

    monkeypatch.setattr(sending.subprocess, "run", run)
    for language in ("zh-hans", None):
        with override(language):
            send_elsewhere(POST_SAVE)
    assert [command[-2:] for command in commands] == [
        ["post_save", "zh-hans"],
        ["post_save", ""],
    ]


@pytest.mark.usefixtures("project")
def test_what_the_other_process_says_last_is_why_it_failed():
    with pytest.raises(SendingFailed, match="The tables are missing"):
        send_elsewhere(POST_SAVE)


def test_an_error_of_several_lines_is_told_as_a_whole(settings_of):
    settings_of(r"raise OSError('connection refused\n\tIs it running?\n\n  Or not?')")
    told = r"OSError: connection refused\n\tIs it running\?\n\n  Or not\?$"
    with pytest.raises(SendingFailed, match=f"^{told}"):
        send_elsewhere(POST_SAVE)


NOISE = """
import atexit, os, subprocess
from example_project.settings import *

print("printed")
os.write(1, b"written")
subprocess.run(["echo", "of a child"], check=True)
atexit.register(print, "at the end")
"""


@pytest.fixture
def settings_of(project, monkeypatch, tmp_path):
    """Return what has other processes read settings that run some code."""

    def settings_of(code):
        (tmp_path / "noisy.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "noisy")

    return settings_of


def test_what_a_project_and_its_children_write_is_not_the_answer(settings_of):
    manage("migrate", "-v0")
    settings_of(NOISE)
    first, *_ = send_elsewhere(POST_SAVE)
    assert "signals_demo.signals.sync_profile" in first["tree"]


STARTING = """
import subprocess, sys
from pathlib import Path
from example_project.settings import *

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(Path(__file__).parent / "pid").write_text(str(child.pid))
"""


def test_what_a_project_starts_need_not_end(settings_of, monkeypatch, tmp_path):
    manage("migrate", "-v0")
    settings_of(STARTING)
    monkeypatch.setattr(sending, "TIMEOUT", 30)
    try:
        assert send_elsewhere(POST_SAVE)
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_ends_without_a_word_is_told(settings_of, code):
    settings_of(f"import os; os._exit({code})")
    with pytest.raises(SendingFailed, match=f"exit code {code}, and did not say why"):
        send_elsewhere(POST_SAVE)


def test_a_process_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(sending, "TIMEOUT", 0.01)
    with pytest.raises(SendingFailed, match="took too long"):
        send_elsewhere(POST_SAVE)


def test_a_python_that_cannot_be_started_is_why_it_failed(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SendingFailed, match="/nowhere/python"):
        send_elsewhere(POST_SAVE)


@pytest.mark.parametrize("name", [None, ""])
def test_so_is_a_python_without_a_name(monkeypatch, name):
    monkeypatch.setattr(sys, "executable", name)
    with pytest.raises(SendingFailed):
        send_elsewhere(POST_SAVE)


def test_of_the_path_that_is_passed_on_which_python_itself_reads(monkeypatch):
    environs = []

    def run(command, env, **options):
        environs.append(env)
        return subprocess.CompletedProcess(command, 0, stdout="[]")

    monkeypatch.setattr(sending.subprocess, "run", run)
    monkeypatch.setattr(sys, "path", ["", "/one", Path("/ignored"), "/two"])
    send_elsewhere(POST_SAVE)
    assert environs[0]["PYTHONPATH"] == os.pathsep.join(["/one", "/two"])


def test_one_signal_is_sent_at_a_time(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def wait(name):
        begun.set()
        go_on.wait(10)
        return []

    monkeypatch.setattr(sending, "_run_worker", wait)
    thread = threading.Thread(target=send_elsewhere, args=[POST_SAVE])
    thread.start()
    begun.wait(10)
    try:
        with pytest.raises(SendingFailed, match="in a moment"):
            send_elsewhere(POST_SAVE)
    finally:
        go_on.set()
        thread.join()
    assert send_elsewhere(POST_SAVE) == []


def test_after_a_failure_another_may_be_sent(monkeypatch):
    def fail(name):
        raise SendingFailed(name)

    monkeypatch.setattr(sending, "_run_worker", fail)
    for _ in range(2):
        with pytest.raises(SendingFailed, match="post_save"):
            send_elsewhere(POST_SAVE)
