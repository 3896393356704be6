import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient

from example_project.urls import urlpatterns as all_patterns
from invite_code import exporting
from invite_code.admin.exports import exported
from invite_code.errors import InviteCodeError
from invite_code.models import InviteCode
from tests.factories import InviteBatchFactory, InviteCodeFactory
from tests.invite_code.admin.pages import act, url

pytestmark = pytest.mark.django_db

#: A site without the pages of invite_code.
urlpatterns = [pattern for pattern in all_patterns if str(pattern.pattern) != "invite/"]


@pytest.fixture
def codes(monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK_SIZE", 1)
    return InviteCodeFactory.create_batch(3, batch=InviteBatchFactory())


@pytest.mark.parametrize(
    ("format_", "content_type", "name"),
    [
        ("csv", "text/csv; charset=utf-8", "invite-codes.csv"),
        ("jsonl", "application/jsonl; charset=utf-8", "invite-codes.jsonl"),
        ("sheet", "text/html; charset=utf-8", None),
    ],
)
def test_a_file_is_named_and_kept_by_nobody(
    admin_client, codes, format_, content_type, name
):
    response = act(admin_client, "invitecode", f"export_{format_}", *codes)
    assert response["Content-Type"] == content_type
    disposition = name and f'attachment; filename="{name}"'
    assert response.get("Content-Disposition") == disposition
    assert "no-store" in response["Cache-Control"]
    response.close()


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_codes_are_read_while_they_are_sent(
    admin_client, codes, monkeypatch, format_, django_assert_num_queries
):
    monkeypatch.setattr(exporting, "CHUNKS_AHEAD", 1)
    response = act(admin_client, "invitecode", f"export_{format_}", *codes)
    parts = iter(response)
    if format_ == "csv":
        with django_assert_num_queries(0):
            assert next(parts).startswith(b"code,batch")
    for _ in codes:
        with django_assert_num_queries(3):  # Primary keys, codes, batches.
            assert next(parts).count(b"\n") == 1
    assert list(parts) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("format_", ["csv", "sheet"])
def test_under_asgi_a_file_is_sent_in_parts_too(codes, format_):
    user = get_user_model().objects.create_superuser("ada")
    data = {"codes": "all", "format": format_}
    page = url("invitebatch_export", codes[0].batch_id)

    async def read():
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.post(page, data)
        assert response.is_async
        return [part async for part in response]

    parts = async_to_sync(read)()
    assert len(parts) == {"csv": 4, "sheet": 5}[format_]
    assert parts[1].count(b"\n") > 0


def test_the_link_of_a_sheet_leads_to_the_sign_up_page_of_the_site(
    admin_client, codes, settings
):
    settings.ALLOWED_HOSTS = ["invite.example.org"]
    data = {"codes": "all", "format": "sheet"}
    page = url("invitebatch_export", codes[0].batch_id)
    response = admin_client.post(page, data, headers={"host": "invite.example.org"})
    text = b"".join(response.streaming_content).decode()
    assert 'href="http://invite.example.org/invite/signup/?code=' in text


@pytest.mark.urls(__name__)
def test_without_a_sign_up_page_there_is_no_sheet(rf, codes, admin_client):
    with pytest.raises(InviteCodeError, match="does not include the sign-up page"):
        exported(rf.get("/"), InviteCode.objects.all(), "sheet")
    response = act(admin_client, "invitecode", "export_sheet", *codes)
    page = admin_client.get(response.url).text
    assert "does not include the sign-up page" in page
