from django.template import Context, Engine

from signals_demo import rendering


def test_templates_that_no_test_renders_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "rendered", set())
    (tmp_path / "inner").mkdir()
    for name in ("page.html", "inner/part.html", "unseen.html"):
        (tmp_path / name).write_text("")
    (tmp_path / "page.html").write_text("{% include 'inner/part.html' %}")
    engine = Engine(dirs=[tmp_path])
    engine.get_template("page.html").render(Context())
    assert rendering.unrendered(tmp_path) == ["unseen.html"]


def test_a_template_without_a_name_is_not_recorded(monkeypatch):
    monkeypatch.setattr(rendering, "rendered", set())
    Engine().from_string("").render(Context())
    assert rendering.rendered == set()
