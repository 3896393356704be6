"""What holds for the repository as a whole."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from zipfile import ZipFile

import pytest
from django.conf import settings
from django.core.management import call_command

from invite_code.codes import CodeFormat

ROOT = Path(settings.BASE_DIR)
PACKAGES = ("invite_code", "signals_demo")
DOCS = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))

#: Modules that hold data and text: they may import nothing of ours but one another.
PURE = {"invite_code.codes", "invite_code.errors"}


def modules(package):
    """Return the paths of the modules of a package that have code."""
    return [
        path
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts and path.stat().st_size
    ]


def imports(path):
    """Return the dotted names a module imports, relative ones made absolute."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*base, *filter(None, [node.module])])


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("invite_code", ("signals_demo", "example_project", "tests")),
        ("signals_demo", ("invite_code", "example_project", "tests")),
    ],
)
def test_apps_know_nothing_of_each_other(package, forbidden):
    for path in modules(package):
        foreign = [name for name in imports(path) if name.split(".")[0] in forbidden]
        assert not foreign, path


def test_the_recorder_knows_nothing_of_the_app_around_it():
    for path in modules("signals_demo/recorder"):
        ours = [name for name in imports(path) if name.startswith("signals_demo")]
        assert all(name.startswith("signals_demo.recorder") for name in ours), path


def test_pure_modules_import_only_each_other_and_the_standard_library():
    for path in modules("invite_code"):
        if dotted(path) in PURE:
            roots = set(imports(path))
            ours = {name for name in roots if name.split(".")[0] in PACKAGES}
            assert ours <= PURE, path
            assert not any(name.split(".")[0] == "django" for name in roots), path


@pytest.mark.parametrize("package", PACKAGES)
def test_settings_are_read_in_conf_alone(package):
    prefix = f"{package.upper()}_"
    for path in modules(package):
        reads = re.findall(rf"settings(?:\.|, ?[\"'])({prefix}\w*)", path.read_text())
        assert not reads or path.name == "conf.py", path


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_its_test_module(package):
    for path in modules(package):
        inside = path.relative_to(ROOT)
        assert (ROOT / "tests" / inside.parent / f"test_{path.name}").exists(), inside


def test_every_test_module_tests_a_module():
    for package in PACKAGES:
        for path in (ROOT / "tests" / package).rglob("test_*.py"):
            inside = path.relative_to(ROOT / "tests")
            tested = ROOT / inside.parent / path.name.removeprefix("test_")
            assert tested.exists(), inside


def check_ids():
    for package in PACKAGES:
        for path in modules(package):
            yield from re.findall(rf'id="({package}\.[EWI]\d+)"', path.read_text())


def settings_names():
    for package in (*PACKAGES, "signals_demo/recorder"):
        source = (ROOT / package / "conf.py").read_text()
        yield from re.findall(r"def ([A-Z]\w+)", source)


def commands():
    for package in (*PACKAGES, "signals_demo/recorder", "example_project"):
        for path in (ROOT / package / "management" / "commands").glob("[a-z]*.py"):
            yield path.stem


def own_signals():
    for package in PACKAGES:
        source = (ROOT / package / "signals.py").read_text()
        yield from re.findall(r"^(\w+) = Signal\(\)", source, re.M)


@pytest.mark.parametrize(
    "name", [*set(check_ids()), *settings_names(), *commands(), *own_signals()]
)
def test_documentation_has_an_entry_for(name):
    assert re.search(rf"^(#+|\|) `{re.escape(name)}`", DOCS, re.M)


def test_each_check_id_stands_for_one_error():
    ids = list(check_ids())
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.django_db
def test_migrations_are_complete():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_codes_in_the_readme_are_codes():
    readme = (ROOT / "README.md").read_text()
    codes = re.findall(r"`(\w{4}-\w{4}-\w{4}-\w{4})`", readme)
    spellings = re.findall(r'redeem\("(.*?)"', readme)
    assert {CodeFormat().normalize(text) for text in codes + spellings} == {
        codes[0].replace("-", "")
    }


def python_m(*arguments, **options):
    """Run a module with the Python and the packages of this test run."""
    # The build backend looks for its own program on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {**os.environ, "PATH": path} | options.pop("environ", {})
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        check=True,
        capture_output=True,
        env=environ,
        text=True,
        **options,
    )


def build_wheel(source, folder):
    python_m(
        *("pip", "wheel", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, source),
    )
    (wheel,) = folder.glob("django_signals_demo-*.whl")
    return wheel


@pytest.fixture
def source(tmp_path):
    """Return a copy of the checkout without what is not committed."""
    folder = tmp_path / "source"
    ignored = ignore_patterns(".*", "*.sqlite3", "__pycache__", "media")
    copytree(ROOT, folder, ignore=ignored)
    return folder


def test_wheel_holds_all_that_the_apps_need(source, tmp_path):
    files = {
        f"{package}/{name}"
        for package in PACKAGES
        for name in (
            "py.typed",
            "migrations/0001_initial.py",
            # Kinds of file of which there may be none yet.
            f"templates/{package}/page.html",
            f"static/{package}/page.css",
            "locale/zh_Hans/LC_MESSAGES/django.mo",
        )
    }
    for path in map(source.joinpath, files):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    names = ZipFile(build_wheel(source, tmp_path)).namelist()
    assert files <= set(names)
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == set(PACKAGES)


def test_wheel_works_in_an_empty_project(source, tmp_path):
    site, project = tmp_path / "site", tmp_path / "project"
    wheel = build_wheel(source, tmp_path)
    python_m("pip", "install", "--no-deps", "--target", site, wheel)
    project.mkdir()
    python_m("django", "startproject", "shop", project)
    settings_file = project / "shop" / "settings.py"
    with settings_file.open("a") as file:
        file.write('INSTALLED_APPS += ["invite_code", "signals_demo"]\n')
    environ = {"PYTHONPATH": str(site), "DJANGO_SETTINGS_MODULE": "shop.settings"}
    migrated = python_m("django", "migrate", cwd=project, environ=environ)
    assert "Seeded 2000 invite codes in 'default'." in migrated.stdout
    exercised = python_m("django", "exercise_signals", cwd=project, environ=environ)
    assert "signals came as the catalog says." in exercised.stdout
