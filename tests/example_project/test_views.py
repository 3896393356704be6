import pytest

from signals_demo import catalog


@pytest.mark.django_db
def test_home_counts_codes_and_lists_signals(client):
    page = client.get("/").content.decode()
    assert "There are 2000 invite codes" in page
    assert all(f">{signal.name}</a>" in page for signal in catalog.signals())


@pytest.mark.django_db
def test_home_runs_no_inline_script_or_style(client):
    page = client.get("/").content.decode()
    assert "<script" not in page
    assert "style=" not in page
    assert "<style" not in page
