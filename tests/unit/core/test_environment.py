"""Tests of the names of environment variables: clients, commands and the service read the same ones."""

import pytest

from petmood.core.environment import API_URL_VARIABLE, BUNDLE_VARIABLE, DEFAULT_API_URL, TOKEN_VARIABLE
from petmood.serving.settings import read_settings


def test_the_service_demands_the_token_that_clients_send(monkeypatch: pytest.MonkeyPatch) -> None:
    word = "3f9ac2d871be40556ad1"
    monkeypatch.setenv(TOKEN_VARIABLE, word)
    token = read_settings().token
    assert token is not None
    assert token.get_secret_value() == word


def test_the_names_are_those_of_the_docs() -> None:
    assert (BUNDLE_VARIABLE, API_URL_VARIABLE) == ("PETMOOD_BUNDLE", "PETMOOD_API_URL")
    assert DEFAULT_API_URL == "http://127.0.0.1:8000"
