"""Run Django's own tests with a recording active, and compare with a run without.

    python -m tests.robustness.django_suites [--short] [--all] [LABEL ...]

The tests are those of the installed Django's source distribution, which pip fetches.
What tests/requirements/py3.txt names is installed into an environment of their own. One
test is known to differ: it counts stack frames.

Exits 1 if anything else differs.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

import django

#: What tells hooks apart, in less than half a minute.
SHORT = ["signals", "dispatch", "m2m_signals", "delete", "many_to_many"]
#: All that has to do with signals, and what hooks of others have broken.
LONG = [
    *SHORT,
    "migrate_signals",
    "auth_tests.test_signals",
    "asgi",
    "handlers",
    "wsgi",
    "utils_tests.test_autoreload",
    "test_utils",
    "test_client",
    "test_client_regress",
    "settings_tests",
    "delete_regress",
    "schema",
    "transactions",
    "transaction_hooks",
    "backends",
    *(["tasks"] if django.VERSION >= (6, 0) else []),
]
#: Counts the frames between it and the code that it warns of.
KNOWN = {"test_complex_override_warning"}
#: Need system libraries, or are not needed.
LEFT_OUT = re.compile(r"pylibmc|pywatchman|black|redis|pymemcache|selenium|docutils")

SETTINGS = """
from test_sqlite import *
from signals_demo.recorder import record

recording = record(everywhere=True)
recording.__enter__()
"""


class Unavailable(Exception):
    """The tests, or what they need, cannot be had."""


def run(*command: str, folder: Path, **env: str) -> str:
    """Return what a command prints, whatever its exit code."""
    result = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.stdout


def make_environment(folder: Path) -> tuple[str, Path]:
    """Return the interpreter of a new environment, and the folder of the tests.

    Raises:
        Unavailable: pip finds no source distribution, or no package.
    """
    version = django.get_version()
    venv.create(folder / "env", with_pip=True, symlinks=True)
    python = str(folder / "env" / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    source = [*pip, "download", "--no-deps", "--no-binary=:all:", f"django=={version}"]
    done = subprocess.run(source, cwd=folder, capture_output=True, text=True)
    found = [*folder.glob("[dD]jango-*.tar.gz")]
    if not found:
        raise Unavailable(f"pip finds no source of Django {version}: {done.stderr}")
    with tarfile.open(found[0]) as archive:
        # Python 3.11.2, as Debian has it, takes no filter as an argument.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    (root,) = folder.glob("[dD]jango-*/")
    required = (root / "tests" / "requirements" / "py3.txt").read_text().splitlines()
    wanted = [line for line in required if line and not LEFT_OUT.search(line)]
    (folder / "required.txt").write_text("\n".join(wanted))
    install = [*pip, "install", "-r", "required.txt", f"django=={version}"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(done.stderr)
    return python, root / "tests"


def outcome(output: str) -> tuple[str, set[str]]:
    """Return how many tests ran, and the names of those that failed."""
    ran = re.search(r"^Ran (\d+) tests?", output, re.M)
    failed = set(re.findall(r"^(?:FAIL|ERROR): (\S+)", output, re.M))
    return ran[1] if ran else f"none:\n{output[-3000:]}", failed


def main() -> int:
    """Run both, and say what differs."""
    parser = argparse.ArgumentParser(description="Run Django's tests with a recording.")
    parser.add_argument("labels", nargs="*")
    parser.add_argument("--short", action="store_true", help="a few of them only")
    parser.add_argument("--all", action="store_true", help="Django's whole suite")
    options = parser.parse_args()
    labels = options.labels or (SHORT if options.short else LONG)
    with TemporaryDirectory() as name:
        folder = Path(name)
        try:
            python, tests = make_environment(folder)
        except Unavailable as error:
            print(error)
            return 2
        (folder / "recorded.py").write_text(SETTINGS)
        path = f"{folder}:{Path(__file__).parents[2]}"
        arguments = [python, "runtests.py", "--parallel=1", "--noinput"]
        arguments += [] if options.all else labels
        results = []
        for settings_module in ("test_sqlite", "recorded"):
            output = run(
                *arguments,
                f"--settings={settings_module}",
                folder=tests,
                PYTHONPATH=path,
                HOME=name,
                LANG="C.UTF-8",
            )
            ran, failed = outcome(output)
            results.append((ran, failed))
            print(f"{settings_module:12} {ran} tests, failed: {sorted(failed)}")
    (ran, failed), (ran_too, failed_too) = results
    same = ran == ran_too and ran.isdigit() and failed == failed_too - KNOWN
    print(f"Django {django.get_version()}: {'the same' if same else 'DIFFERENT'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
