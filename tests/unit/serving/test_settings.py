"""Tests of the settings: environment variables, validation and hidden tokens."""

import json
import re
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError
from petmood.core.photo import LIMITS
from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.server import config_for
from petmood.serving.settings import Settings, read_settings

PAGE = Path(__file__).parents[3] / "docs/serving.md"
GOOD, OTHER = "3f9ac2d871be40556ad1", "b17e6c0d92f34a8855aa"


def test_the_defaults_allow_what_the_decoder_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PETMOOD_THREADS", raising=False)
    settings = read_settings()
    assert settings.limits == LIMITS
    assert settings.workers >= 1
    assert (settings.queue, settings.batch, settings.token, settings.admin_token) == (64, 1, None, None)


def test_every_setting_can_be_given_as_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_QUEUE", "7")
    monkeypatch.setenv("PETMOOD_ORIGINS", '["https://pets.example"]')
    monkeypatch.setenv("PETMOOD_FILE_MB", "2.5")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/predict")
    settings = read_settings(threads=3)
    assert (settings.queue, settings.origins, settings.workers) == (7, ("https://pets.example",), 3)
    assert settings.limits.file_bytes == 2_500_000
    assert settings.vertex_predict_route == "/v1/predict"


def test_a_batch_is_never_allowed_to_be_larger_than_what_could_ever_be_taken() -> None:
    assert (read_settings().batch_photos, read_settings().batch_bytes) == (32, 100_000_000)
    assert read_settings(queue=4).batch_photos == 4
    small = read_settings(held_mb=2)
    assert (small.batch_bytes, small.limits.file_bytes) == (2_000_000, 2_000_000)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_QUEUE", "")
    assert read_settings().queue == 64


@pytest.mark.parametrize("name", ["PETMOOD_TOKEN", "PETMOOD_ADMIN_TOKEN", "petmood_token"])
@pytest.mark.parametrize("blank", ["", " ", "\n", " " * 20, "\t\r\n"])
def test_an_empty_token_opens_the_service_to_no_one(monkeypatch: pytest.MonkeyPatch, name: str, blank: str) -> None:
    monkeypatch.setenv(name, blank)
    with pytest.raises(ConfigError, match=rf"^{name}: expected a token, got an empty one\. Set a token, or unset"):
        read_settings()


@pytest.mark.parametrize("token", [GOOD + "\n", " " + GOOD, GOOD + "\0", GOOD + "é", "", " " * 16])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    for name in ("token", "admin_token"):
        with pytest.raises(ConfigError, match=f"{name} (to be printable ASCII|is too weak)") as refusal:
            read_settings(**{name: token})
        assert GOOD not in str(refusal.value)


@pytest.mark.parametrize("name", ["public_metrics", "public_docs"])
def test_what_is_closed_needs_a_token_that_opens_it(name: str) -> None:
    with pytest.raises(ConfigError, match="Expected a token, since public_metrics or public_docs is off"):
        read_settings(**{name: False})
    assert not getattr(read_settings(**{name: False}, token=GOOD), name)


def test_a_wrong_value_is_refused_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_QUEUE", "many")
    with pytest.raises(ConfigError, match=r"^PETMOOD_QUEUE: Expected an integer, got 'many'\.$"):
        read_settings()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PETMOOD_BATCH_WAIT_MS", "soon", "Expected a number, got 'soon'"),
        ("PETMOOD_THREADS", "257", "Expected a number of 256 or less, got '257'"),
        ("AIP_HEALTH_ROUTE", "health", "Expected a path that begins with /, got 'health'"),
        ("PETMOOD_ORIGINS", "[1]", "Expected text, got 1"),
    ],
)
def test_what_is_expected_and_what_was_given_are_said(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as refusal:
        read_settings()
    name = "PETMOOD_ORIGINS.0" if variable == "PETMOOD_ORIGINS" else variable
    assert str(refusal.value) == f"{name}: {expected}."


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "proxy.example"])
def test_a_trusted_proxy_is_an_address(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PETMOOD_TRUSTED_PROXIES", text)
    with pytest.raises(ConfigError, match=r"^PETMOOD_TRUSTED_PROXIES: .*addresses or networks such as '10\.0\.0\.0/8'"):
        read_settings()


def test_trusted_proxies_are_a_list_of_addresses_and_networks() -> None:
    proxies = read_settings(trusted_proxies="127.0.0.1, 10.0.0.0/8,2001:db8::/32").proxies
    assert all(address in proxies for address in ("127.0.0.1", "10.9.9.9", "2001:db8::1"))
    assert "11.0.0.1" not in proxies
    assert "127.0.0.1" not in read_settings(trusted_proxies="none").proxies


def test_a_token_of_a_wrong_type_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match=r"^PETMOOD_ADMIN_TOKEN: Expected text") as refusal:
        read_settings(admin_token=31415926535897932)
    assert "31415926535897932" not in str(refusal.value)


@pytest.mark.parametrize("weak", ["hunter2", "password", "changeme", "a" * 40, "abababababababababab"])
def test_a_token_that_is_easy_to_guess_is_refused_and_not_shown(weak: str) -> None:
    with pytest.raises(ConfigError, match="admin_token is too weak") as refusal:
        read_settings(admin_token=weak)
    assert weak not in str(refusal.value)


def test_whoever_may_ask_is_not_whoever_may_load_models() -> None:
    with pytest.raises(ConfigError, match="Expected admin_token to differ from token"):
        read_settings(token=GOOD, admin_token=GOOD)
    assert read_settings(token=GOOD, admin_token=OTHER).token is not None


def test_allowed_hosts_have_no_port_scheme_or_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_ALLOWED_HOSTS", '["localhost", "*.pets.example", "10.0.0.1", "[::1]"]')
    assert read_settings().allowed_hosts == ("localhost", "*.pets.example", "10.0.0.1", "[::1]")
    for host in ("localhost:8000", "http://localhost", "a/b", "*", "a*", "a b", "", "::1"):
        monkeypatch.setenv("PETMOOD_ALLOWED_HOSTS", json.dumps([host]))
        with pytest.raises(ConfigError, match=r"^PETMOOD_ALLOWED_HOSTS"):
            read_settings()
    monkeypatch.setenv("PETMOOD_ALLOWED_HOSTS", "localhost")
    expected = """PETMOOD_ALLOWED_HOSTS: expected a JSON list, such as '["pets.example"]'."""
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        read_settings()


def test_a_token_never_shows_in_a_settings_text() -> None:
    assert GOOD not in repr(read_settings(token=GOOD))


def test_every_setting_says_what_it_is_for() -> None:
    undescribed = [
        name for name, field in Settings.model_fields.items() if not (field.description or field.validation_alias)
    ]
    assert undescribed == []


def test_the_page_about_serving_lists_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE.read_text("utf-8").split("## Settings")[1], re.MULTILINE))
    own = {name: field.default for name, field in Settings.model_fields.items() if field.validation_alias is None}
    assert set(rows) == set(own)
    for name, default in own.items():
        documented = float(rows[name]) if isinstance(default, int | float) else rows[name]
        assert documented == ("none" if default in (None, ()) else default), name


def test_by_default_the_end_comes_within_the_10_seconds_that_platforms_leave_it() -> None:
    chosen = Settings()
    assert chosen.drain_notice_s + chosen.drain_s < 10
    assert Settings(drain_notice_s=60).drain_notice_s == 60, "where a load balancer hears of it late"


NUMBERS = {name: field.annotation for name, field in Settings.model_fields.items() if field.annotation in (int, float)}
NONSENSE = (
    "inf",
    "-inf",
    "nan",
    "-1",
    "1e309",
    "1_000",
    " 5 ",
    "5\n",
    "0x10",
    "\u0665",
    "1,5",
    "1e18",
    "9" * 400,
    "five",
)


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_makes_no_sense_is_one_line_with_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PETMOOD_{name.upper()}", value)
    with pytest.raises(ConfigError) as refusal:
        read_settings()
    message = str(refusal.value)
    assert re.fullmatch(rf"PETMOOD_{name.upper()}: Expected an? (finite )?(number|integer)\b.*, got .+\.", message)
    assert len(message) < 200


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_no_bytes_seconds_or_places_are_left_of_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """0 is a choice of its own where it is the default, or means no wait; a fraction of a byte is none."""
    or_none = {"rate_per_minute", "prediction_log_days", "feedback_per_minute"}
    zero_is_fine = {"threads", "batch_wait_ms", "drain_notice_s", "trace_sampling", *or_none}
    for value in ("0", "1e-300") if NUMBERS[name] is float else ("0",):
        monkeypatch.setenv(f"PETMOOD_{name.upper()}", value)
        if name in zero_is_fine and (value == "0" or name not in or_none):
            assert getattr(read_settings(), name) == float(value)
        else:
            with pytest.raises(ConfigError, match=rf"^PETMOOD_{name.upper()}: Expected .+, got "):
                read_settings()


def test_every_largest_number_is_one_that_the_service_can_work_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in Settings.model_fields.items():
        most = [one.le for one in field.metadata if hasattr(one, "le")]
        if name in NUMBERS:
            monkeypatch.setenv(f"PETMOOD_{name.upper()}", str(int(most[0])))
    largest = read_settings()
    assert largest.limits.file_bytes == 10**12
    assert (largest.batch_bytes, largest.workers) == (10**12, 256)
    create_app(FakePredictor(), settings=largest)
    config_for(create_app(FakePredictor(), settings=largest), largest)


@pytest.mark.parametrize("value", ["5", "+5", "5.0", "5.", ".5e1", "50e-1"])
def test_numbers_as_people_write_them_are_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PETMOOD_FILE_MB", value)
    assert read_settings().file_mb == 5


def test_photos_are_kept_beside_a_log_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().keep_photos_days is None
    monkeypatch.setenv("PETMOOD_KEEP_PHOTOS_DAYS", "30")
    with pytest.raises(
        ConfigError, match=r"^Expected a prediction log, since photos are kept\. Set PETMOOD_PREDICTION_LOG"
    ):
        read_settings()
    assert read_settings(prediction_log="sqlite:///log.db").keep_photos_days == 30


@pytest.mark.parametrize("value", ["0", "1e-9", "-1", "inf", "nan", "1_0", "forever"])
def test_the_days_of_kept_photos_are_a_number_of_days(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PETMOOD_KEEP_PHOTOS_DAYS", value)
    with pytest.raises(ConfigError, match=r"^PETMOOD_KEEP_PHOTOS_DAYS: Expected a (finite )?number.*, got"):
        read_settings(prediction_log="sqlite:///log.db")


@pytest.mark.parametrize(("photos", "rows", "expected"), [(30, 90, 30), (30, 7, 7), (30, 0, 30), (None, 7, None)])
def test_photos_are_deleted_with_the_rows_of_the_log_at_the_latest(
    photos: float | None, rows: float, expected: float | None
) -> None:
    settings = read_settings(prediction_log="sqlite:///log.db", keep_photos_days=photos, prediction_log_days=rows)
    assert settings.photo_days == expected


@pytest.mark.parametrize(
    "address",
    [
        "collector:4318",
        "ftp://collector",
        "http://",
        "http://me:secret@collector",
        "http://a/v1/traces",
        "http://a?b",
        "",
    ],
)
def test_a_collector_is_an_address_without_a_path_and_without_credentials(address: str) -> None:
    with pytest.raises(ConfigError, match=r"PETMOOD_TRACES: Expected the address of a collector") as refused:
        read_settings(traces=address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://collector:4318", "https://a.example/", "http://[::1]:4318"])
def test_the_address_of_a_collector_is_taken(address: str) -> None:
    assert read_settings(traces=address).traces == address


@pytest.mark.parametrize("share", ["-0.1", "1.1", "nan", "many"])
def test_a_share_of_traces_that_is_none_is_refused(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_TRACE_SAMPLING", share)
    with pytest.raises(ConfigError, match="PETMOOD_TRACE_SAMPLING: Expected a number"):
        read_settings()
