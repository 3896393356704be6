"""A provider that vouches for whom a test likes, without the network."""

import json

from allauth.account.models import EmailAddress
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.base import ProviderAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.oauth2.views import (
    OAuth2Adapter,
    OAuth2CallbackView,
    OAuth2LoginView,
)

APP = {"client_id": "client", "secret": "secret"}


class FakeClient(OAuth2Client):
    def get_access_token(self, code, pkce_code_verifier=None):
        return {"access_token": code}


class FakeAdapter(OAuth2Adapter):
    provider_id = "fake"
    client_class = FakeClient
    authorize_url = "https://fake.example/authorize"
    access_token_url = "https://fake.example/token"

    def complete_login(self, request, app, token, **kwargs):
        person = json.loads(token.token)
        return self.get_provider().sociallogin_from_response(request, person)


class FakeProvider(OAuth2Provider):
    id = "fake"
    name = "Fake"
    account_class = ProviderAccount
    oauth2_adapter_class = FakeAdapter
    supports_token_authentication = True

    def extract_uid(self, data):
        return data["uid"]

    def extract_common_fields(self, data):
        return {"username": data["uid"], "email": data["email"]}

    def extract_email_addresses(self, data):
        return [EmailAddress(email=data["email"], verified=True, primary=True)]

    def verify_token(self, request, token):
        return self.sociallogin_from_response(request, json.loads(token["id_token"]))


registry.load()
registry.register(FakeProvider)

oauth2_login = OAuth2LoginView.adapter_view(FakeAdapter)
oauth2_callback = OAuth2CallbackView.adapter_view(FakeAdapter)
