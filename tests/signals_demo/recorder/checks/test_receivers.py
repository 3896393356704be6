import sys
from functools import partial, wraps
from types import ModuleType, SimpleNamespace

import pytest
from django.core.signals import setting_changed
from django.db.models.signals import post_delete, post_init, post_save, pre_save
from django.dispatch import Signal, receiver

from signals_demo.models import Pizza, Topping
from signals_demo.recorder.checks.receivers import (
    asynchronous,
    called_twice,
    decorated_in_vain,
    without_keywords,
    without_name,
)

HERE = __name__
order_paid = Signal()
order_sent = Signal()


def tell():
    order_sent.send_robust(None)


def listen(sender, **kwargs):
    pass


async def listen_later(sender, **kwargs):
    pass


def narrow(sender, signal):
    pass


@wraps(listen)
def narrow_around(sender, signal):
    pass


@wraps(narrow)
def wide_around(sender, **kwargs):
    pass


class Listener:
    def __call__(self, sender, **kwargs):
        pass

    def hear(self, sender, **kwargs):
        pass

    def narrow(self, sender):
        pass


listener = Listener()


def make(model=None, taken=None):
    def made(sender, model=model, **kwargs):
        return taken

    return made


def logged(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Logged:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


@pytest.mark.parametrize("each", [narrow, listener.narrow, partial(narrow, signal=1)])
def test_E001_a_receiver_takes_keywords(connect, ids, each):
    connect(each, order_paid)
    ((found, obj),) = ids(without_keywords)
    assert found == "signals_demo.E001"
    assert "narrow" in obj


@pytest.mark.parametrize("each", [narrow_around, wide_around])
def test_E001_a_wrapper_and_what_it_wraps_do(connect, ids, each):
    connect(each, order_paid)
    assert [found for found, _obj in ids(without_keywords)] == ["signals_demo.E001"]


@pytest.mark.parametrize(
    "each", [listen, listen_later, listener, listener.hear, partial(listen), dir]
)
def test_E001_it_is_fine(connect, ids, each):
    connect(each, order_paid, weak=False)
    assert ids(without_keywords) == []


def test_E001_an_annotation_may_have_no_value(connect, ids):
    # As those have that are imported for type checkers alone, from Python 3.14 on.
    class Annotated(Listener):
        @property
        def __signature__(self):
            raise NameError("name 'HttpRequest' is not defined")

    connect(Annotated(), order_paid)
    assert ids(without_keywords) == []


def test_E001_it_is_told_who_fails_and_when(connect, judged, settings):
    connect(wide_around, order_paid)
    (found,) = judged(without_keywords)
    assert found.msg.startswith(
        "What it wraps does not accept keyword arguments (**kwargs): connect() of "
        "order_paid refuses it for that while DEBUG is on"
    )
    assert order_paid.send(None, number=1) == [(wide_around, None)]
    settings.DEBUG = True
    with pytest.raises(ValueError, match="must accept keyword arguments"):
        order_paid.connect(wide_around)
    settings.DEBUG = False
    connect(narrow_around, order_sent)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        order_sent.send(None, number=1)
    assert "order_sent fails as soon as" in judged(without_keywords)[1].msg


def test_E001_reading_a_signature_keeps_nothing_alive(settings, connect, ids):
    def local(sender, **kwargs):
        pass

    order_paid.connect(local)
    assert ids(without_keywords) == []
    del local
    assert not order_paid.has_listeners()


@pytest.fixture
def imported_twice():
    """Return one function of a module that was imported by two names."""
    code = compile("def f(sender, **kwargs): pass", "/shop/signals.py", "exec")
    found = []
    for name in ("shop.signals", "project.shop.signals"):
        module = ModuleType(name)
        exec(code, vars(module))
        found.append(module.f)
    return found


def empty_cell():
    def made(sender, **kwargs):
        return later

    if made is None:
        later = 1
    return made


def holding_itself():
    def made(sender, **kwargs):
        return made

    return made


def made_on_one_line():
    return [lambda sender, **kwargs: 1, lambda sender, **kwargs: 2]


same = make()
TWICE = {
    "uids": [(listen, {"dispatch_uid": "a"}), (listen, {"dispatch_uid": "b"})],
    "all and one": [(listen, {}), (listen, {"sender": Topping})],
    "made twice": [(make(1, "x"), {}), (make(1, "x"), {})],
    "partials": [(partial(listen, a=1), {}), (partial(listen, a=1), {})],
    "decorated": [(logged(same), {}), (logged(same), {})],
    "made and decorated": [(logged(make()), {}), (logged(make()), {})],
    "methods": [(listener.hear, {}), (listener.hear, {"sender": Topping})],
}
ONCE = {
    "two senders": [(listen, {"sender": Pizza}), (listen, {"sender": Topping})],
    "defaults": [(make(1), {}), (make(2), {})],
    "taken along": [(make(taken="x"), {}), (make(taken="y"), {})],
    "objects": [(make(taken=Listener()), {}), (make(taken=Listener()), {})],
    "partials": [(partial(listen, a=1), {}), (partial(listen, a=2), {})],
    "functions of partials": [(partial(make(1)), {}), (partial(make(2)), {})],
    "decorated": [(logged(listen), {}), (logged(narrow), {})],
    "one line": [(each, {}) for each in made_on_one_line()],
    "methods": [(Listener().hear, {}), (Listener().hear, {})],
    "instances": [(Listener(), {}), (Listener(), {})],
    "empty": [(empty_cell(), {}), (empty_cell(), {})],
    "kinds": [(make(taken=1), {}), (make(taken=True), {})],
    "too deep to say": [(holding_itself(), {}), (holding_itself(), {})],
    "lengths": [(make(taken=(1,)), {}), (make(taken=(1, 2)), {})],
}


@pytest.mark.parametrize("case", TWICE)
def test_W003_a_receiver_is_called_once(connect, ids, case):
    for each, options in TWICE[case]:
        connect(each, post_save, **options)
    ((found, obj),) = ids(called_twice)
    assert found == "signals_demo.W003"
    assert HERE in obj


@pytest.mark.parametrize("case", ONCE)
def test_W003_it_is_fine(connect, ids, case):
    for each, options in ONCE[case]:
        connect(each, post_save, **options)
    assert ids(called_twice) == []


@pytest.mark.parametrize("senders", [(None, Topping), (Topping, None), (None, None)])
def test_W003_it_is_said_for_whom(connect, judged, senders):
    for uid, sender in zip("ab", senders, strict=True):
        connect(listen, post_save, sender=sender, dispatch_uid=uid)
    (found,) = judged(called_twice)
    name = "signals_demo.Topping" if Topping in senders else "any sender"
    assert f"post_save of {name} calls it more than once" in found.msg


def test_W003_signals_are_not_mixed_up(connect, ids):
    connect(listen, post_save, pre_save)
    assert ids(called_twice) == []


def test_W003_a_module_of_two_names_is_found(connect, judged, imported_twice):
    for each in imported_twice:
        connect(each, post_save, sender=Topping)
    (found,) = judged(called_twice)
    assert found.obj == "builtins.f" or found.obj.endswith("shop.signals.f")
    assert "post_save of signals_demo.Topping calls it more than once" in found.msg


@pytest.fixture
def module(monkeypatch):
    """Return what puts a decorated receiver into a module of its own."""
    new = ModuleType("shop.signals")
    monkeypatch.setitem(sys.modules, new.__name__, new)

    def define(inner, outer):
        inner.__module__, inner.__qualname__ = new.__name__, "update_stock"
        new.update_stock = outer
        return new

    return define


def wrapped(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "decorator",
    [logged, wrapped, Logged, partial, lambda function: logged(Logged(function))],
    ids=["closure", "wraps", "object", "partial", "two"],
)
def test_W005_the_receiver_decorator_is_the_outermost(
    connect, judged, module, decorator
):
    inner = make()
    module(inner, decorator(inner))
    connect(inner, post_save, post_delete)
    (found,) = judged(decorated_in_vain)
    assert (found.id, found.obj) == ("signals_demo.W005", "shop.signals.update_stock")
    assert "post_delete and post_save calls the function without it" in found.msg


def test_W005_one_below_it_is_fine(connect, judged, module):
    inner = make()
    outer = logged(inner)
    module(outer, outer)
    connect(outer, post_save)
    assert judged(decorated_in_vain) == []


@pytest.mark.parametrize("outer", [None, listen, Listener, "text", logged(listen)])
def test_W005_nor_is_what_else_has_its_name(connect, judged, module, outer):
    inner = make()
    module(inner, outer)
    connect(inner, post_save)
    connect(listener, post_save)
    assert judged(decorated_in_vain) == []


@pytest.mark.parametrize(
    "holder",
    [SimpleNamespace, lambda hear: type("Listener", (), {"hear": hear})],
    ids=["object", "class"],
)
def test_W005_nor_is_what_holds_it_otherwise(connect, judged, module, holder):
    inner = make()
    module(inner, holder(hear=inner))
    connect(inner, post_save)
    assert judged(decorated_in_vain) == []


def test_W005_a_decorator_that_holds_itself_does_no_harm(connect, judged, module):
    inner, outer = make(), Logged(None)
    outer.function = outer
    module(inner, outer)
    connect(inner, post_save)
    assert judged(decorated_in_vain) == []


def test_W005_no_code_of_what_stands_there_runs(connect, judged, module):
    class Unbound:
        def __call__(self, **kwargs):
            pass

        @property
        def __dict__(self):
            raise RuntimeError("outside of a request")

    inner = make()
    module(inner, Unbound())
    connect(inner, post_save)
    assert judged(decorated_in_vain) == []


def test_W005_as_django_does_it(judged, module):
    @logged
    @receiver(post_save)
    def update_stock(sender, **kwargs):
        pass

    (inner,) = (cell.cell_contents for cell in update_stock.__closure__)
    module(inner, update_stock)
    assert [each.id for each in judged(decorated_in_vain)] == ["signals_demo.W005"]
    post_save.disconnect(inner)


@pytest.mark.parametrize("each", [partial(listen), listener])
@pytest.mark.parametrize("signal", [order_sent, setting_changed])
def test_W010_what_has_no_name_is_not_sent_robustly(connect, judged, each, signal):
    connect(each, signal)
    (found,) = judged(without_name)
    assert found.id == "signals_demo.W010"
    with pytest.raises(AttributeError, match="__qualname__"):
        signal._log_robust_failure(each, ValueError())


@pytest.mark.parametrize(
    ("each", "signal"),
    [
        (listen, order_sent),
        (listener.hear, order_sent),
        (listener, order_paid),
        (partial(listen), post_save),
    ],
)
def test_W010_it_is_fine(connect, ids, each, signal):
    connect(each, signal)
    connect(each, signal, dispatch_uid="again")
    assert ids(without_name) == []


def test_I002_what_comes_often_finds_no_asynchronous_receiver(connect, ids):
    connect(listen_later, post_init)
    assert ids(asynchronous) == [("signals_demo.I002", f"{HERE}.listen_later")]


def test_I002_others_may(connect, ids):
    connect(listen_later, order_paid)
    connect(listen, post_init)
    assert ids(asynchronous) == []
