import pytest

from signals_demo import questions
from signals_demo.models import Question


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("What's new?", "whats-new"),
        ("Wie heißt Käse?", "wie-heißt-käse"),
        ("何ですか", "何ですか"),
        ("\ufdfa" * 200, "صلى-الله-عليه-وسلم" * 12),
    ],
)
def test_a_slug_is_made_of_the_text(text, slug):
    question = Question(question_text=text)
    questions.set_slug(question)
    assert question.slug == slug[:200]


def test_a_slug_stays_when_the_text_changes():
    question = Question(question_text="Why?", slug="what")
    questions.set_slug(question)
    assert question.slug == "what"
