import os
import threading
from pathlib import Path

import pytest
from django.utils.autoreload import StatReloader

from signals_demo import reloading


@pytest.fixture
def folder(tmp_path, settings):
    """A watched folder with something to start with, and something to read."""
    settings.SIGNALS_DEMO_WATCH_DIRS = [tmp_path]
    for name in ("rates.yaml", "notes.md"):
        (tmp_path / name).touch()
    return tmp_path.resolve()


@pytest.fixture
def reloader(monkeypatch):
    """A reloader that has started, and stopped before its first look."""
    monkeypatch.setattr(StatReloader, "SLEEP_TIME", 0)
    reloader = StatReloader()
    reloader.stop()
    reloader.run(threading.current_thread())
    return reloader


def change(reloader, file):
    """Let the reloader see a change of a file."""
    ticker = reloader.tick()
    next(ticker)
    os.utime(file, (2**32, 2**32))
    next(ticker)


def test_the_folders_of_the_setting_are_watched(folder, reloader):
    assert reloader.directory_globs[folder] == {"**/*"}


def test_the_folders_of_an_old_setting_are_not(folder, settings):
    assert reloading.watched_dirs() == (folder,)
    settings.SIGNALS_DEMO_WATCH_DIRS = [folder / "inner"]
    assert reloading.watched_dirs() == (folder / "inner",)
    settings.SECRET_KEY = "another"
    assert reloading.watched_dirs.cache_info().currsize == 1


def test_a_changed_file_restarts_the_server(folder, reloader):
    with pytest.raises(SystemExit):
        change(reloader, folder / "rates.yaml")


def test_changed_documentation_does_not(folder, reloader):
    change(reloader, folder / "notes.md")


def test_documentation_saved_by_renaming_does_not(folder, reloader):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "notes.md").touch()
    ticker = reloader.tick()
    next(ticker)
    (inner / "draft").touch()
    (inner / "draft").replace(inner / "notes.md")
    os.utime(inner, (2**32, 2**32))
    next(ticker)


def test_documentation_that_others_watch_is_theirs(folder, reloader, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "notes.md"
    elsewhere.touch()
    reloader.watch_dir(elsewhere.parent, "*")
    with pytest.raises(SystemExit):
        change(reloader, elsewhere)


@pytest.mark.parametrize("name", ["notes.md", "inner/notes.rst", "notes.txt"])
def test_text_for_people_needs_no_restart(name, folder):
    assert reloading.needs_no_restart(folder / name)


def test_a_folder_may_be_a_string(folder, settings):
    settings.SIGNALS_DEMO_WATCH_DIRS = [str(folder)]
    assert reloading.watched_dirs() == (Path(folder),)
