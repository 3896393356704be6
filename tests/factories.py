"""Factories of the objects the tests need."""

from datetime import timedelta

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone

from invite_code import models as invite_code
from invite_code.codes import CodeFormat
from signals_demo import models as signals_demo


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence("user{}".format)
    password = factory.django.Password("correct horse")


class QuestionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = signals_demo.Question

    question_text = factory.Sequence("What is number {}?".format)


class ToppingFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = signals_demo.Topping

    name = factory.Sequence("topping {}".format)


class PizzaFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = signals_demo.Pizza

    name = factory.Sequence("pizza {}".format)


class InviteBatchFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = invite_code.InviteBatch

    label = factory.Sequence("batch {}".format)


class HandOutFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = invite_code.HandOut

    batch = factory.SubFactory(InviteBatchFactory)
    recipient = factory.Sequence("recipient {}".format)
    count = 1


class InviteCodeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = invite_code.InviteCode
        skip_postgeneration_save = True

    class Params:
        held = factory.Trait(  # by somebody else, for an hour
            hold=factory.RelatedFactory(
                "tests.factories.HoldFactory", factory_related_name="code"
            )
        )

    batch = factory.SubFactory(InviteBatchFactory)
    code = factory.LazyFunction(lambda: CodeFormat().generate(1)[0])


class RedemptionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = invite_code.Redemption

    code = factory.SubFactory(InviteCodeFactory)
    user = factory.SubFactory(UserFactory)


class HoldFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = invite_code.Hold

    code = factory.SubFactory(InviteCodeFactory)
    key = factory.Sequence("session {}".format)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))
