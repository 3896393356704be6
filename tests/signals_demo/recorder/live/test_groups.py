import asyncio
from threading import Thread

import pytest
from asgiref.sync import sync_to_async
from django.core.signals import request_finished, request_started
from django.dispatch import Signal

from signals_demo.recorder.live.draining import DrainedRecording
from signals_demo.recorder.live.groups import MAX_DEPTH
from signals_demo.recorder.recording import hooked, whole_process

paid = Signal()


@pytest.fixture(autouse=True)
def no_receivers():
    # They would close the connection of the test.
    kept = request_started.receivers, request_finished.receivers
    request_started.receivers, request_finished.receivers = [], []
    yield
    request_started.receivers, request_finished.receivers = kept


@pytest.fixture
def recording():
    recording = DrainedRecording(100, 100_000, lambda label: label.endswith("/own/"))
    with hooked(), whole_process(recording):
        yield recording


def begin(path):
    request_started.send(None, environ={"REQUEST_METHOD": "GET", "PATH_INFO": path})


def labels(recording):
    return [
        (entry.name, group.label if group else None)
        for entry, group in recording.drain(0)
    ]


def test_what_a_request_does_is_known_by_its_signals(recording):
    paid.send(None)
    begin("/a/")
    paid.send(None)
    request_finished.send(None)
    paid.send(None)
    assert labels(recording) == [
        ("paid", None),
        ("request_started", "GET /a/"),
        ("paid", "GET /a/"),
        ("request_finished", "GET /a/"),
        ("paid", None),
    ]


def test_requests_at_the_same_time_are_told_apart_in_threads(recording):
    begin("/a/")
    thread = Thread(target=lambda: (begin("/b/"), paid.send("b")))
    thread.start()
    thread.join()
    paid.send("a")
    request_finished.send(None)
    assert [label for name, label in labels(recording) if name == "paid"] == [
        "GET /b/",
        "GET /a/",
    ]


def test_requests_at_the_same_time_are_told_apart_in_tasks(recording):
    async def handle(path):
        scope = {"method": "GET", "path": path}
        await request_started.asend(None, scope=scope)
        await asyncio.sleep(0.01)
        await asyncio.create_task(paid.asend(path))
        await sync_to_async(paid.send)(path)
        await request_finished.asend(None)

    async def serve():
        await asyncio.gather(*map(handle, ["/a/", "/b/", "/c/"]))

    asyncio.run(serve())
    sent = [
        (entry.sender, group.label)
        for entry, group in recording.drain(0)
        if entry.name == "paid"
    ]
    assert sorted(sent) == [(f"/{each}/", f"GET /{each}/") for each in "aabbcc"]


def test_a_request_inside_of_another_ends_where_it_began(recording):
    begin("/outer/")
    begin("/inner/")
    request_finished.send(None)
    paid.send(None)
    request_finished.send(None)
    assert ("paid", "GET /outer/") in labels(recording)


def test_requests_that_never_end_are_not_kept_inside_of_one_another(recording):
    for _ in range(3 * MAX_DEPTH):
        begin("/")
        assert recording.inbox.current().depth <= MAX_DEPTH
    for _ in range(MAX_DEPTH + 1):
        request_finished.send(None)


def test_what_is_inside_of_a_receiver_has_no_group_of_its_own(recording, connect):
    def call_itself(**kwargs):
        begin("/inner/")

    connect(call_itself, paid)
    paid.send(None)
    assert labels(recording) == [("paid", None)]


def test_groups_are_hidden_by_their_address(recording):
    begin("/own/")
    assert recording.inbox.current().hidden
    request_finished.send(None)
    begin("/own/other/")
    assert not recording.inbox.current().hidden
    request_finished.send(None)


def test_a_group_can_be_made(recording):
    begin("/own/")
    with recording.inbox.group("An action"):
        paid.send(None)
        assert recording.inbox.current().as_data()["label"] == "An action"
        assert not recording.inbox.current().hidden
    assert recording.inbox.current().hidden
    request_finished.send(None)
    assert ("paid", "An action") in labels(recording)


def test_the_rest_of_a_request_can_be_hidden(recording):
    recording.inbox.hide()
    paid.send("rest")
    request_finished.send(None)
    paid.send("after")
    begin("/a/")
    recording.inbox.hide()
    request_finished.send(None)
    hidden = [group is not None and group.hidden for _, group in recording.drain(0)]
    assert hidden == [True, True, False, True, True]


def test_what_began_before_the_recording_is_in_no_group(recording):
    begin("/a/")
    other = DrainedRecording(100, 100_000, lambda label: False)
    with whole_process(other):
        paid.send(None)
        request_finished.send(None)
    assert labels(other) == [("paid", None), ("request_finished", None)]
