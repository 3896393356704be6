"""Addresses for questions."""

from django.utils.text import slugify

from signals_demo.models import Question


def set_slug(question: Question) -> None:
    """Make a slug of the text, unless there is one: addresses do not change."""
    if not question.slug:
        slug = slugify(question.question_text, allow_unicode=True)
        # Unicode's normal form can be longer than the text.
        question.slug = slug[: Question._meta.get_field("slug").max_length]
