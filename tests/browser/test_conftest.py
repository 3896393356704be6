import pytest

pytestmark = pytest.mark.django_db(transaction=True)


def test_errors_of_all_pages_are_heard(page, complaints):
    page.goto("/login/")
    other = page.context.new_page()
    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('It is thrown.'); })")
    with other.expect_console_message():
        other.evaluate("console.error('It is written.')")
    assert complaints == ["It is thrown.", "It is written."]
    complaints.clear()
