"""What the apps say in Chinese.

``makemessages`` and ``compilemessages`` make the catalogs, with programs that need not
be here: what is tested is what they have left behind.
"""

import ast
import re
from gettext import GNUTranslations
from pathlib import Path
from typing import NamedTuple

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.test import modify_settings
from django.utils import translation
from django.utils.translation.template import templatize

ROOT = Path(settings.BASE_DIR)
LANGUAGE = "zh_Hans"
APPS = ("invite_code", "signals_demo", "signals_demo/recorder", "example_project")

#: Which arguments of a function are texts; a context goes before them.
TEXTS = {
    "_": ("one",),
    "gettext": ("one",),
    "gettext_lazy": ("one",),
    "gettext_noop": ("one",),
    "ngettext": ("one", "many"),
    "ngettext_lazy": ("one", "many"),
    "pgettext": ("context", "one"),
    "pgettext_lazy": ("context", "one"),
    "npgettext": ("context", "one", "many"),
    "npgettext_lazy": ("context", "one", "many"),
}
STRING = r"u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
CALL = re.compile(rf"\b(n?p?gettext|_)\(((?:{STRING}(?:, ?)?)+)")

#: What a translation may not lose: names, numbers and markup.
PLACEHOLDER = re.compile(
    r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|</?[a-z][^>]*>|`[^`]*`|https?:\S+"
)


class Text(NamedTuple):
    """A text of the sources."""

    one: str
    many: str = ""
    context: str = ""

    def key(self):
        """Return the name that a compiled catalog has for it."""
        one = f"{self.context}\x04{self.one}" if self.context else self.one
        return (one, 0) if self.many else one


def catalog(app, ending):
    return ROOT / app / "locale" / LANGUAGE / "LC_MESSAGES" / f"django.{ending}"


def entries(po):
    """Return texts and translations of a catalog, the header being that of no text."""
    found, field = {}, ""
    for block in po.split("\n\n"):
        fields = {}
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if not line.startswith('"'):
                field, _, line = line.partition(" ")
            fields[field] = fields.get(field, "") + ast.literal_eval(line)
        if fields:
            one, many = fields["msgid"], fields.get("msgid_plural", "")
            translated = fields["msgstr[0]" if many else "msgstr"]
            found[Text(one, many, fields.get("msgctxt", ""))] = translated
    return found


def translations(app):
    found = entries(catalog(app, "po").read_text())
    del found[Text("")]
    return found


def files(app, pattern):
    """Yield the files of an app, but not those of an app inside of it."""
    inner = [ROOT / each for each in APPS if each.startswith(f"{app}/")]
    for path in sorted((ROOT / app).rglob(pattern)):
        if "migrations" not in path.parts and not any(
            path.is_relative_to(each) for each in inner
        ):
            yield path


def texts_of_module(source):
    """Yield the texts that a module has translated or marked."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        values = [getattr(each, "value", None) for each in node.args]
        fields = dict(zip(TEXTS.get(name, ()), values, strict=False))
        if fields and all(isinstance(each, str) for each in fields.values()):
            yield Text(**fields)


def texts_of_template(source):
    """Yield the texts of a template, of which Django makes calls for xgettext."""
    for name, arguments, *_ in CALL.findall(templatize(source)):
        values = [ast.literal_eval(each) for each in re.findall(STRING, arguments)]
        yield Text(**dict(zip(TEXTS[name], values, strict=False)))


def texts(app):
    for path in files(app, "*.py"):
        yield from texts_of_module(path.read_text())
    for path in files(app, "*.html"):
        yield from texts_of_template(path.read_text())


def merged(found):
    """Return texts as a catalog holds them: once, whether they have a plural or not."""
    plurals = {(each.one, each.context) for each in found if each.many}
    return {
        each for each in found if each.many or (each.one, each.context) not in plurals
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('_("one " "text")', Text("one text")),
        ("f\"{_('inside')}\"", Text("inside")),
        ('translation.ngettext("%d a", "%d as", 3)', Text("%d a", "%d as")),
        ('pgettext("verb", "Hold")', Text("Hold", context="verb")),
    ],
)
def test_texts_of_modules_are_found(source, expected):
    assert list(texts_of_module(source)) == [expected]


@pytest.mark.parametrize(
    "source", ["_(text)", '_.name("text")', 'print("text")', "_()"]
)
def test_other_calls_have_no_texts(source):
    assert not list(texts_of_module(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% translate 'a \"b\"' as text %}", Text('a "b"')),
        ('{% translate "Hold" context "verb" %}', Text("Hold", context="verb")),
        ('{{ name|default:_("no it\'s not") }}', Text("no it's not")),
        (
            "{% blocktranslate trimmed %}\n  {{ n }} of\n  all{% endblocktranslate %}",
            Text("%(n)s of all"),
        ),
        (
            "{% blocktranslate count n=n %}a{% plural %}{{ n }}{% endblocktranslate %}",
            Text("a", "%(n)s"),
        ),
    ],
)
def test_texts_of_templates_are_found(source, expected):
    assert list(texts_of_template("{% load i18n %}" + source)) == [expected]


@pytest.mark.parametrize("app", APPS)
def test_catalog_holds_the_texts_of_the_sources_and_no_others(app):
    # If it does not: makemessages -l zh_Hans --no-location --no-wrap, in the app.
    assert translations(app).keys() == merged(set(texts(app)))


@pytest.mark.parametrize("app", APPS)
def test_every_text_is_translated(app):
    assert not [each for each, said in translations(app).items() if not said]
    marks = re.findall(r"^#(?:~|.*\bfuzzy\b).*", catalog(app, "po").read_text(), re.M)
    assert not marks


@pytest.mark.parametrize("app", APPS)
def test_translations_have_the_placeholders_of_their_texts(app):
    for each, said in translations(app).items():
        needed = PLACEHOLDER.findall(each.many or each.one)
        assert sorted(PLACEHOLDER.findall(said)) == sorted(needed), each


@pytest.mark.parametrize(
    "text", ["%(name)s", "%d", "{n}", "<code>", "</code>", "`if raw: return`"]
)
def test_each_kind_of_placeholder_is_missed(text):
    assert PLACEHOLDER.findall(f"a {text} b") == [text]


@pytest.mark.parametrize("app", APPS)
def test_catalog_is_compiled(app):
    with catalog(app, "mo").open("rb") as file:
        compiled = GNUTranslations(file)._catalog
    found = entries(catalog(app, "po").read_text())
    expected = {each.key(): said for each, said in found.items()}
    # Newer versions of msgfmt leave out when the template was made.
    for catalog_ in (compiled, expected):
        catalog_[""] = re.sub(r"POT-Creation-Date:.*\n", "", catalog_[""])
    # If they differ: compilemessages, in the app.
    assert compiled == expected


def catalogs_of_django():
    folder = Path(django.__file__).parent
    configs = [
        each for each in apps.get_app_configs() if each.name.startswith("django.")
    ]
    for path in (folder / "conf", *(Path(each.path) for each in configs)):
        # Some of them have no texts.
        for compiled in path.glob(f"locale/{LANGUAGE}/LC_MESSAGES/django.mo"):
            with compiled.open("rb") as file:
                yield GNUTranslations(file)._catalog


def test_what_several_catalogs_hold_means_the_same_in_each():
    # Django makes one catalog of all: ours would change what the admin says.
    known = {}
    for theirs in catalogs_of_django():
        for key, said in theirs.items():
            known.setdefault(key, set()).add(said)
    for app in APPS:
        for each, said in translations(app).items():
            assert said in known.setdefault(each.key(), {said}), (app, each)


PAGES = [
    ("/invite/", "Sign-up is by invitation", "凭邀请码注册"),
    ("/signals/", "Login and logout signals", "登录和注销信号"),
    ("/signals/post_save/", "After a row", "在 save() 插入或更新一行之后。"),
    ("/signals/live/receivers/", "All receivers", "所有接收器"),
]


@pytest.fixture
def page(client, settings):
    """Return a function that returns a page in the language of a browser."""
    settings.DEBUG = True  # The live pages are for developers.
    locale = "django.middleware.locale.LocaleMiddleware"
    # Without the latter, the language of the last request would stay.
    with (
        modify_settings(MIDDLEWARE={"append": locale}),
        translation.override(None, deactivate=True),
    ):
        yield lambda address, language: client.get(
            address, headers={"accept-language": language}
        ).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "english", "chinese"), PAGES)
@pytest.mark.parametrize("language", ["zh-CN", "zh-Hans", "zh-SG,en;q=0.5"])
def test_pages_speak_chinese(page, address, english, chinese, language):
    text = page(address, language)
    assert '<html lang="zh-hans">' in text
    assert chinese in text
    assert english not in text


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "english", "chinese"), PAGES)
@pytest.mark.parametrize("language", ["en-GB", "*"])
def test_pages_speak_english_to_others(page, address, english, chinese, language):
    text = page(address, language)
    assert '<html lang="en' in text
    assert english in text
    assert chinese not in text
