"""PromQL of the indicators: which requests count, and over which window."""

from petmood.monitoring.alerts import queries


def test_errors_of_clients_are_no_valid_requests_and_probes_are_none_either() -> None:
    assert queries.valid("5m") == (
        'sum(increase(petmood_requests_total{method="POST",route!~"/models.*|/feedback",status!~"4.."}[5m]))'
    )


def test_only_server_errors_of_predictions_are_failures() -> None:
    assert queries.failed_share("1h") == (
        'sum(increase(petmood_requests_total{method="POST",route!~"/models.*|/feedback",status=~"5.."}[1h]))'
        f" / {queries.valid('1h')}"
    )


def test_a_counter_without_matchers_has_no_braces() -> None:
    assert queries.counted("x_total", "", "1h") == "sum(increase(x_total[1h]))"


def test_the_latency_is_that_of_answered_requests_over_all_instances() -> None:
    matchers = 'method="POST",route!~"/models.*|/feedback",route="/predict",status="2xx"'
    assert queries.latency(0.99, "10m") == (
        f"histogram_quantile(0.99, sum by (le) (rate(petmood_request_duration_seconds_bucket{{{matchers}}}[10m])))"
    )
    assert queries.latency_requests("10m") == (
        f"sum(increase(petmood_request_duration_seconds_count{{{matchers}}}[10m]))"
    )


def test_every_answered_request_is_measured_by_one_of_two_latencies() -> None:
    for query in (queries.latency(0.99, "10m", routes=queries.OTHER_ROUTES), queries.latency_requests("10m")):
        assert 'method="POST",route!~"/models.*|/feedback",route' in query
        assert 'status="2xx"' in query
    assert queries.ONE_PHOTO.replace("=", "!=") == queries.OTHER_ROUTES


def test_refused_tokens_and_origins_are_a_part_of_the_requests() -> None:
    assert (
        queries.requested("30m")
        == 'sum(increase(petmood_requests_total{method="POST",route!~"/models.*|/feedback"}[30m]))'
    )
    assert queries.unauthorized("30m") == queries.requested("30m").replace("}", ',status=~"401|403"}')
    assert queries.answered("1h").endswith(',status=~"2.."}[1h]))')


def test_shares_are_of_the_predictions_that_could_be_counted_so() -> None:
    """An abstention has a class; a photo out of the domain has none."""
    assert queries.abstention_share("1h").endswith(f" / {queries.classified('1h')}")
    assert queries.out_of_domain_share("1h").endswith(f" / {queries.predicted('1h')}")
    assert queries.classified("1h") != queries.predicted("1h")


def test_a_queue_is_compared_with_its_own_capacity() -> None:
    assert queries.queue_share("5m") == "max(avg_over_time(petmood_queue_depth[5m]) / petmood_queue_capacity)"


def test_overloads_include_refused_connections_which_are_errors_and_no_requests() -> None:
    assert queries.overloads("10m") == 'sum(increase(petmood_errors_total{code="overloaded"}[10m]))'
