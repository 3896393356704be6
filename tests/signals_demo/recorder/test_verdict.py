from signals_demo.recorder.verdict import CALLED, NOT_SENT, Verdict


def test_a_verdict_is_a_text():
    assert str(Verdict("shop.f", CALLED, "it ran.")) == "shop.f: it ran."
    said = Verdict("shop.f", NOT_SENT, "nothing sent it.", "Send it.")
    assert str(said) == "shop.f: nothing sent it. Send it."
