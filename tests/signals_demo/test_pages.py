import ast
import inspect

import pytest
from django.dispatch import Signal

from signals_demo import catalog, pages, signals
from signals_demo.builtin import Dated
from signals_demo.recorder import inventory

#: Django's own, those of the three versions and the one that is history.
EVERY = [pytest.param(signal, id=signal.name) for signal in catalog.SIGNALS]
#: Those of the installed Django.
INSTALLED = [pytest.param(signal, id=signal.name) for signal in catalog.signals()]


@pytest.mark.parametrize("signal", EVERY)
def test_arguments_of_each_version_are_those_of_the_catalog(signal):
    told = pages.details(signal)["arguments"]
    for version in ((5, 2), (6, 0), (6, 1)):
        names = [
            each["name"]
            for each in told
            if each["versions"][f"{version[0]}.{version[1]}"]
        ]
        sent = signal.arguments_in(version) if signal.is_in(version) else ()
        assert names == [argument.name for argument in sent]


@pytest.mark.parametrize("signal", EVERY)
def test_send_sites_of_each_version_are_those_of_the_catalog(signal):
    told = pages.details(signal)["sent_by"]
    for version in ((5, 2), (6, 0), (6, 1)):
        sites = [
            (each["function"], each["method"])
            for each in told
            if each["versions"][pages.label(version)]
        ]
        known = signal.sent_by_in(version) if signal.is_in(version) else ()
        assert sites == [(site.function, site.method) for site in known]


def test_versions_without_the_signal_have_no_argument_of_it():
    told = pages.details(catalog.get("task_started"))
    every = [told, *told["arguments"], *told["sent_by"]]
    expected = {"5.2": False, "6.0": True, "6.1": True}
    assert [each["versions"] for each in every] == [expected] * 3


def test_what_came_and_went_is_told_of_the_versions_between():
    dated = Dated(since=(6, 0), removed=(6, 1))
    told = pages.versions(catalog.get("post_save"), dated)
    assert told == {"5.2": False, "6.0": True, "6.1": False}


@pytest.mark.parametrize("signal", INSTALLED)
def test_the_import_line_imports_the_signal(signal):
    names = {}
    exec(pages.details(signal)["import"], names)
    assert isinstance(names[signal.name], Signal)
    assert names[signal.name] is signal.load()


def test_pages_lead_from_one_to_the_next():
    each, seen = pages.details(catalog.SIGNALS[0]), []
    assert each["previous"] is None
    while each["next"]:
        seen.append(each["name"])
        after = pages.details(catalog.get(each["next"]))
        assert after["previous"] == each["name"]
        each = after
    assert len(seen) == len(catalog.SIGNALS) - 1


@pytest.mark.parametrize("signal", INSTALLED)
def test_each_signal_has_a_reference_receiver_with_its_source(signal):
    found = pages.references(signal)
    assert found
    for each in found:
        (function,) = ast.parse(each["source"]).body
        assert each["name"].endswith(f".{function.name}")
        assert ast.get_docstring(function)


def test_without_its_source_there_is_no_reference(monkeypatch):
    def fail(code):
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsourcelines", fail)
    assert pages.references(catalog.get("post_save")) == []


def test_references_are_all_receivers_of_the_module():
    told = {
        each["name"] for entry in catalog.signals() for each in pages.references(entry)
    }
    functions = inspect.getmembers(signals, inspect.isfunction)
    module = {
        f"{signals.__name__}.{name}"
        for name, function in functions
        if function.__module__ == signals.__name__
    }
    assert told == module | {"signals_demo.subclasses.sync_subclass"}


@pytest.fixture
def stranger():
    def stranger(sender, **kwargs):
        pass

    signal = catalog.get("post_save").load()
    signal.connect(stranger)
    yield f"{__name__}.stranger.<locals>.stranger"
    signal.disconnect(stranger)


def test_strangers_are_told_but_not_as_references(stranger):
    entry = catalog.get("post_save")
    assert stranger in [each["name"] for each in pages.receivers(entry)[entry.path]]
    assert stranger not in [each["name"] for each in pages.references(entry)]


@pytest.mark.usefixtures("stranger")
def test_the_index_counts_the_living_receivers():
    post_save = catalog.get("post_save")
    before = pages.living(post_save, pages.receivers(post_save))
    listeners = pages.receivers(post_save)
    listeners[post_save.path][0]["alive"] = False
    assert pages.living(post_save, listeners) == before - 1
    alive = [each for each in inventory.connections() if each.signal == post_save.path]
    assert before == len(alive)


def test_the_index_tells_nothing_of_the_process_unless_given():
    groups = pages.index(None)["groups"]
    assert {each["receivers"] for group in groups for each in group["signals"]} == {
        None
    }
    groups = pages.index({})["groups"]
    assert {each["receivers"] for group in groups for each in group["signals"]} == {0}


def test_the_index_has_every_signal_once_in_the_order_of_the_catalog():
    names = [
        each["name"]
        for group in pages.index(None)["groups"]
        for each in group["signals"]
    ]
    assert names == [signal.name for signal in catalog.SIGNALS]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("postsave", "post_save"),
        ("POST_SAVE", "post_save"),
        ("post-delete", "post_delete"),
        ("user_login", "user_logged_in"),
        ("m2m", "m2m_changed"),
    ],
)
def test_a_wrong_name_brings_those_it_is_near_to(name, meant):
    data = pages.unknown(name)
    assert meant in [each["name"] for each in data["near"]]
    assert data["name"] == name


def test_a_name_like_none_brings_none():
    assert pages.unknown("xyz")["near"] == []


def test_texts_of_the_catalog_are_translated(monkeypatch):
    monkeypatch.setattr(pages, "gettext", lambda text: f"<{text}>" if text else 1 / 0)
    page = pages.details(catalog.get("request_started"))
    (first, _) = page["arguments"]
    texts = [page["group"], page["when"], page["sender"], *page["pitfalls"]]
    for text in [*texts, first["what"], first["sometimes"]]:
        assert text.startswith("<")
    assert page["name"] == "request_started"
    title = pages.index(None)["groups"][0]["title"]
    assert title == "<Model signals>"


def test_every_text_of_the_catalog_is_marked_for_translation():
    tree = ast.parse(inspect.getsource(catalog))
    marked = {
        ast.literal_eval(call.args[0])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "_"
    }
    for signal in catalog.SIGNALS:
        texts = {signal.group, signal.when, signal.sender, *signal.pitfalls}
        for argument in signal.arguments:
            texts |= {argument.what, argument.sometimes}
        assert texts - {""} <= marked
