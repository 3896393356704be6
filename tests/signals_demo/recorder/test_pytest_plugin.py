"""What the plugin does is seen in runs of pytest inside of this one."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest
from django.conf import settings

# Before pytester does, which forgets what it imports.
from signals_demo.recorder import testing

pytest_plugins = ["pytester"]

ROOT = Path(settings.BASE_DIR)
PAGE = (ROOT / "docs" / "testing-signals.md").read_text()
#: What pytest prints, as the documentation has it.
FAILURES = "".join(re.findall(r"^```\n(_.*?)^```", PAGE, re.M | re.S))
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
#: What begins with the name of a file is one.
FILES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```", PAGE, re.M | re.S))
QUESTIONS = "".join(block for block in BLOCKS if re.match(r"(with )?signals\.", block))
(TEST_CASE,) = [block for block in BLOCKS if "(SignalsMixin," in block]
(PART_OF_A_TEST,) = [block for block in BLOCKS if "recorded_signals()" in block]

SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["shop", "signals_demo.recorder"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
APPS = """
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from shop import receivers
"""
EXAMPLES = f"""
import pytest
from django.db.models.signals import post_save, pre_save
from shop.models import Book, Order, order_paid
from shop.receivers import take_from_stock, write_receipt

{TEST_CASE}

@pytest.fixture
def book(db):
    return Book.objects.create(title="Emma")

def test_questions(book, signals):
    order = Order.objects.create(book=book)
    order.pay()
{indent(QUESTIONS, " " * 4)}

def test_part_of_a_test(book):
    order = Order.objects.create(book=book)
{indent(PART_OF_A_TEST, " " * 4)}
"""
OTHERS = """
import pytest
from django.db.models.signals import post_save
from django.test import TransactionTestCase
from shop.models import Book
from signals_demo.recorder.testing import SignalsMixin

class TransactionCase(SignalsMixin, TransactionTestCase):
    def test_sync(self):
        Book.objects.create(title="Emma")
        self.signals.times(post_save, 1)

    async def test_async(self):
        await Book.objects.acreate(title="Emma")
        self.signals.times(post_save, 1)

@pytest.mark.parametrize("count", range(4))
def test_nothing_comes_from_elsewhere(signals, count, db):
    for _ in range(count):
        Book.objects.create(title="Emma")
    signals.times(post_save, count)
    assert len([*signals.recording.queries()]) == count
"""


def run(folder, *arguments, plugins=()):
    """Run pytest with a few plugins, loaded by the names of their entry points."""
    options = [f"-p{name}" for name in (*plugins, "no:cacheprovider")]
    environ = {
        **os.environ,
        "CI": "",
        "DJANGO_SETTINGS_MODULE": "settings" if "django" in plugins else "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "COLUMNS": "80",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def settled(output):
    """Return the words of each failure, but for what every run changes."""
    output = re.sub(r"( in)? [\d,.]+ (µs|ms)|^\[gw\d\].*", "", output, flags=re.M)
    failures = re.findall(
        r"^_+ (test_\w+) _+\n(.*?)(?=^[_=]{3}|\Z)", output, re.M | re.S
    )
    return {
        name: [line.split() for line in failure.splitlines() if line.strip(" ^~")]
        for name, failure in failures
    }


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What pytest prints of the documentation's project, run in two processes."""
    folder = tmp_path_factory.mktemp("project")
    files = {"settings.py": SETTINGS, "shop/__init__.py": "", "shop/apps.py": APPS}
    files |= {**FILES, "test_examples.py": EXAMPLES, "test_others.py": OTHERS}
    (folder / "shop").mkdir()
    for name, source in files.items():
        (folder / name).write_text(source)
    plugins = ["django", "signals_demo", "xdist", "randomly"]
    return run(folder, "-n2", "-Werror", "--tb=short", plugins=plugins)


def test_failures_are_as_the_documentation_shows_them(printed):
    shown = settled(FAILURES)
    assert len(shown) == 3
    assert settled(printed) == shown


def test_it_works_in_many_processes_and_in_random_order(printed):
    assert "3 failed, 9 passed" in printed
    assert "2 workers [12 items]" in printed
    assert "Using --randomly-seed" in printed


def test_it_imports_neither_django_nor_the_recorder_until_asked(tmp_path):
    (tmp_path / "test_none.py").write_text(
        "import sys\n"
        "def test_none():\n"
        "    ours = {name for name in sys.modules if name.startswith('signals_demo')}\n"
        "    assert ours == {'signals_demo', 'signals_demo.recorder',\n"
        "                    'signals_demo.recorder.pytest_plugin'}\n"
        "    assert 'django' not in sys.modules\n"
    )
    assert "1 passed" in run(tmp_path, plugins=["signals_demo"])


@pytest.fixture
def inner(pytester, monkeypatch):
    """Run pytest in this process, on tests that may send a signal of their own."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)  # There its summary shows all once more.

    def run(source, *options):
        start = "import threading, unittest\nimport pytest\n"
        start += "from django.dispatch import Signal\nping = Signal()\n"
        pytester.makepyfile(start + dedent(source))
        options = ["-psignals_demo", "-pno:cacheprovider", *options]
        return pytester.runpytest_inprocess(*options)

    return run


def shown(result):
    """Return what the trees that were printed begin with."""
    return re.findall(
        r"^E? *Recorded signals:\nE? *\nE? *(\w+)", str(result.stdout), re.M
    )


def test_a_failed_question_shows_the_tree_once(inner):
    result = inner(
        """
        def test_it(signals):
            ping.send("here")
            signals.not_sent(ping)
        """
    )
    result.assert_outcomes(failed=1)
    assert shown(result) == ["ping"]
    result.stdout.fnmatch_lines(
        [
            ">*signals.not_sent(ping)",
            "E*AssertionError: ping was sent 1 time.",
            "E*It came:",
            "E*  from test_a_failed_question_shows_the_tree_once.py:7",
            "E*ping here*µs",
            "test_a_failed_question_shows_the_tree_once.py:8: AssertionError",
        ]
    )
    assert Path(testing.__file__).name not in str(result.stdout)


@pytest.mark.parametrize(
    "failing",
    ["assert 1 == 2", "raise ValueError", "pytest.fail('so')", "signals.sent('pong')"],
)
def test_whatever_fails_a_test_shows_the_tree(inner, failing):
    result = inner(f"def test_it(signals):\n    ping.send(None)\n    {failing}\n")
    result.assert_outcomes(failed=1)
    assert shown(result) == ["ping"]


def test_an_exception_that_cannot_be_printed_shows_the_tree(inner):
    result = inner(
        """
        class Hostile(Exception):
            def __str__(self):
                raise RuntimeError

        def test_it(signals):
            ping.send(None)
            raise Hostile
        """
    )
    result.assert_outcomes(failed=1)
    assert shown(result) == ["ping"]


def test_a_fixture_that_fails_shows_the_tree(inner):
    result = inner(
        """
        @pytest.fixture
        def late(signals):
            ping.send(None)
            raise ValueError

        def test_it(late):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    assert shown(result) == ["ping"]


def test_what_passes_or_is_skipped_or_asks_for_nothing_shows_no_tree(inner):
    result = inner(
        """
        def test_passes(signals):
            ping.send(None)

        def test_skipped(signals):
            ping.send(None)
            pytest.skip("no reason")

        def test_fails():
            ping.send(None)
            assert 1 == 2
        """,
        "-rs",
    )
    result.assert_outcomes(passed=1, skipped=1, failed=1)
    assert shown(result) == []


def test_a_recording_is_let_go_with_its_test(inner):
    result = inner(
        """
        import gc, weakref

        def test_it(signals):
            ping.reference = weakref.ref(signals)

        def test_next():
            gc.collect()
            assert ping.reference() is None
        """
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(("marker", "times"), [("", 0), ("(everywhere=True)", 1)])
def test_other_threads_are_recorded_on_demand(inner, marker, times):
    result = inner(
        f"""
        @pytest.mark.signals{marker}
        def test_it(signals):
            thread = threading.Thread(target=ping.send, args=[None])
            thread.start()
            thread.join()
            signals.times(ping, {times})
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", ["'ping'", "everwhere=True"])
def test_a_marker_that_is_misspelled_is_an_error(inner, arguments):
    result = inner(
        f"""
        @pytest.mark.signals({arguments})
        def test_it(signals):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*TypeError: *record*() *"])


@pytest.mark.parametrize("name", ["db", "transactional_db"])
def test_the_making_of_the_database_is_not_recorded(inner, name):
    result = inner(
        f"""
        @pytest.fixture
        def {name}():
            ping.send("the database")

        @pytest.fixture
        def other():
            ping.send("other")

        def test_it(signals, other, {name}):
            (emission,) = signals.sent(ping)
            assert emission.sender == "other"
        """
    )
    result.assert_outcomes(passed=1)


def test_test_cases_of_unittest_may_ask_for_it(inner):
    result = inner(
        """
        @pytest.mark.usefixtures("signals")
        class TestIt(unittest.TestCase):
            def test_it(self):
                ping.send(None)
                self.assertTrue(False)
        """
    )
    result.assert_outcomes(failed=1)
    assert shown(result) == ["ping"]
