"""[exporters.otlp] and the OTEL_* variables: which wins, what is refused, and that no secret is told."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from exporters.otlp.request import SIGNALS, Signal
from exporters.otlp.settings import Section, resolve
from exporters.otlp.target import Spooling, Target
from tests.exporters.otlp.collectors import settings
from tracerd.config.strict import validate
from tracerd.errors import ConfigError

E = "OTEL_EXPORTER_OTLP_"


def one(signal: Signal = "metrics", section: dict[str, Any] | None = None, **environ: str) -> Target:
    return next(each for each in settings(section, **environ).targets if each.signal == signal)


def refusal(section: dict[str, Any] | None = None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(section, **environ)
    return str(caught.value)


def test_defaults_are_a_collector_of_this_machine() -> None:
    """All signals, over HTTP, compressed."""
    made = settings()
    assert [each.signal for each in made.targets] == list(SIGNALS)
    assert one("logs").address == "http://localhost:4318/v1/logs"
    assert (one().protocol, one().compression, one().timeout, one().secure) == ("http/protobuf", "gzip", 10.0, False)
    assert (made.interval, made.temporality, made.queue_bytes, made.retry_seconds) == (60, "cumulative", 16 << 20, 300)
    assert made.spool is None
    assert one(section={"protocol": "grpc"}).address == "localhost:4317"


def test_the_section_says_all_of_it() -> None:
    """Every key reaches what it is for."""
    made = settings({
        "endpoint": "https://c:1/x", "interval": "5s", "timeout": "2s", "compression": "none", "signals": ["logs"],
        "certificate": "/a", "client_certificate": "/b", "client_key": "/c", "temporality": "delta",
        "resource": {"a": 1, "b": 1.5, "c": True, "d": "x"}, "service_name": "s", "queue_bytes": "1MiB",
        "retry_seconds": "1m", "spool": {"path": "/spool", "max_bytes": "1MiB"}, "headers": {"Authorization": "t"},
    })  # fmt: skip
    (to,) = made.targets
    assert (to.address, to.secure, to.timeout, to.compression) == ("https://c:1/x/v1/logs", True, 2.0, "none")
    assert (to.tls.certificate, to.tls.client_certificate, to.tls.client_key) == ("/a", "/b", "/c")
    assert to.headers == {"authorization": "t"}
    assert made.resource == {"a": 1, "b": 1.5, "c": True, "d": "x", "service.name": "s"}
    assert made.spool == Spooling("/spool", 1 << 20)
    assert (made.interval, made.temporality, made.queue_bytes, made.retry_seconds) == (5, "delta", 1 << 20, 60)


#   general         of metrics                      metrics go to                   logs go to
ENDPOINTS = (
    ("http://c:4318",  "",                          "http://c:4318/v1/metrics",     "http://c:4318/v1/logs"),
    ("http://c/my/",   "",                          "http://c/my/v1/metrics",       "http://c/my/v1/logs"),
    ("http://c/my",    "http://m",                  "http://m/",                    "http://c/my/v1/logs"),
    ("http://c?k=1",   "https://m:1/other?k=2",     "https://m:1/other?k=2",        "http://c/v1/logs?k=1"),
    ("http://[::1]:4", "http://m/v1/metrics/",      "http://m/v1/metrics/",         "http://[::1]:4/v1/logs"),
)  # fmt: skip


@pytest.mark.parametrize(("general", "own", "metrics", "logs"), ENDPOINTS)
def test_a_general_endpoint_gets_a_path_and_a_signals_own_is_used_as_it_is(
    general: str, own: str, metrics: str, logs: str
) -> None:
    """As the specification's examples have it."""
    environ = {f"{E}ENDPOINT": general, f"{E}METRICS_ENDPOINT": own}
    section = {"endpoint": "http://file:1"}
    assert one(section=section, **environ).address == metrics
    assert one("logs", section=section, **environ).address == logs


#   endpoint                insecure    address             TLS
GRPC = (
    ("http://c:4317",       "false",    "c:4317",           False),
    ("https://c:4317/",     "true",     "c:4317",           True),
    ("https://c",           "",         "c:443",            True),
    ("http://[::1]",        "",         "[::1]:80",         False),
    ("c:4317",              "",         "c:4317",           True),
    ("c:4317",              "TRUE",     "c:4317",           False),
    ("unix:///run/otel",    "true",     "unix:///run/otel", False),
)  # fmt: skip


@pytest.mark.parametrize(("endpoint", "insecure", "address", "secure"), GRPC)
def test_a_scheme_decides_on_tls_for_grpc_and_without_one_insecure_does(
    endpoint: str, insecure: str, address: str, secure: bool
) -> None:
    """What gRPC itself resolves is left as it is."""
    to = one(**{f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": endpoint, f"{E}METRICS_INSECURE": insecure})
    assert (to.protocol, to.address, to.secure) == ("grpc", address, secure)


def test_a_signals_own_variables_win_over_the_general_ones_and_those_over_the_section() -> None:
    """For each option; an empty variable is none."""
    section = {"timeout": "9s", "compression": "none", "headers": {"a": "file"}, "certificate": "/file"}
    environ = {
        f"{E}PROTOCOL": "http/protobuf", f"{E}METRICS_PROTOCOL": "GRPC", f"{E}COMPRESSION": "gzip",
        f"{E}METRICS_COMPRESSION": "none", f"{E}TIMEOUT": "2000", f"{E}METRICS_TIMEOUT": "1500",
        f"{E}HEADERS": "B=general", f"{E}METRICS_HEADERS": "C=own", f"{E}CERTIFICATE": "/general",
        f"{E}METRICS_CERTIFICATE": "/own", f"{E}CLIENT_KEY": "/key", f"{E}CLIENT_CERTIFICATE": "/cert",
        f"{E}TRACES_TIMEOUT": "", f"{E}ENDPOINT": "http://c:1",
    }  # fmt: skip
    metrics, logs = one(section=section, **environ), one("logs", section=section, **environ)
    assert (metrics.protocol, metrics.compression, metrics.timeout) == ("grpc", "none", 1.5)
    assert (metrics.headers, metrics.tls.certificate) == ({"c": "own"}, "/own")
    assert (logs.protocol, logs.compression, logs.timeout) == ("http/protobuf", "gzip", 2.0)
    assert (logs.headers, logs.tls.certificate, logs.tls.client_key) == ({"b": "general"}, "/general", "/key")
    assert one("traces", section=section, **environ).timeout == 2.0
    assert one(section=section).headers == {"a": "file"}


def test_headers_are_like_baggage() -> None:
    """Percent-encoded, with spaces around them that do not count."""
    given = {f"{E}HEADERS": " authorization = Basic%20YTpi= , x-list=a%2Cb%3B , x=%E2%82%AC"}
    assert "printable ASCII" in refusal(**given)
    given[f"{E}HEADERS"] = given[f"{E}HEADERS"].rpartition(",")[0]
    assert one(**given).headers == {"authorization": "Basic YTpi=", "x-list": "a,b;"}


def test_the_resource_is_what_all_say_of_it_and_the_environment_wins() -> None:
    """OTEL_SERVICE_NAME before all."""
    section = {"resource": {"a": 1, "b": 2}, "service_name": "file"}
    given = {"OTEL_RESOURCE_ATTRIBUTES": "b=x%20y,service.name=attributes,c=%C3%A9"}
    assert settings(section).resource == {"a": 1, "b": 2, "service.name": "file"}
    found = {"a": 1, "b": "x y", "c": "é", "service.name": "attributes"}
    assert settings(section, **given).resource == found
    assert settings(section, OTEL_SERVICE_NAME="own", **given).resource == {**found, "service.name": "own"}


def test_signals_may_be_switched_off_by_the_environment() -> None:
    """One with none, all with OTEL_SDK_DISABLED."""
    assert [each.signal for each in settings(OTEL_LOGS_EXPORTER="none").targets] == ["metrics", "traces"]
    assert [each.signal for each in settings(OTEL_LOGS_EXPORTER="otlp,console").targets] == list(SIGNALS)
    assert settings(OTEL_SDK_DISABLED="True").targets == ()
    assert len(settings(OTEL_SDK_DISABLED="false").targets) == 3


def test_interval_and_temporality_have_variables_of_their_own() -> None:
    """Milliseconds, and words in any case."""
    made = settings(OTEL_METRIC_EXPORT_INTERVAL="1500", **{f"{E}METRICS_TEMPORALITY_PREFERENCE": "LowMemory"})
    assert (made.interval, made.temporality) == (1.5, "lowmemory")
    assert one(**{f"{E}TIMEOUT": "0"}).timeout > 3600


#   variable                                        value                       what the error says of it
WRONG = (
    (f"{E}PROTOCOL",                                "http/json",                "set it to http/protobuf or grpc"),
    (f"{E}LOGS_PROTOCOL",                           "udp",                      "is not one of"),
    (f"{E}COMPRESSION",                             "zstd",                     "is not one of: gzip, none"),
    (f"{E}TRACES_TIMEOUT",                          "10s",                      "whole number of milliseconds"),
    (f"{E}TIMEOUT",                                 "-1",                       "whole number of milliseconds"),
    (f"{E}ENDPOINT",                                "localhost:4318",           "is not a URL such as"),
    (f"{E}ENDPOINT",                                "http://h:99999",           "is not a URL such as"),
    (f"{E}ENDPOINT",                                "http://",                  "is not a URL such as"),
    (f"{E}ENDPOINT",                                "http://h/a b",             "is not a URL such as"),
    (f"{E}METRICS_ENDPOINT",                        "ftp://h",                  "is not a URL such as"),
    (f"{E}HEADERS",                                 "a",                        "entry 1 is not NAME=VALUE"),
    (f"{E}HEADERS",                                 "a=b,c=%zz",                "entry 2 has a % without"),
    (f"{E}HEADERS",                                 "a=%FF",                    "not UTF-8"),
    (f"{E}HEADERS",                                 "a b=c",                    "no name of a header"),
    (f"{E}HEADERS",                                 "Content-Type=x",           "cannot be set here"),
    (f"{E}HEADERS",                                 "a=x%0D%0Ay",               "printable ASCII"),
    (f"{E}HEADERS",                                 "a=b;c=d",                  "write ; in a value as %3B"),
    (f"{E}METRICS_TEMPORALITY_PREFERENCE",          "total",                    "is not one of: cumulative"),
    ("OTEL_METRIC_EXPORT_INTERVAL",                 "0",                        "counts milliseconds"),
    ("OTEL_SDK_DISABLED",                           "yes",                      "is not one of: true, false"),
    ("OTEL_METRICS_EXPORTER",                       "prometheus",               "set it to otlp or none"),
    ("OTEL_RESOURCE_ATTRIBUTES",                    "a",                        "entry 1 is not NAME=VALUE"),
    ("http_proxy",                                  "socks5://p",               "is not a URL such as"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_wrong_variable_is_told_by_its_name(name: str, value: str, said: str) -> None:
    """Never carried on without it."""
    told = refusal(**{name: value})
    assert told.startswith(f"{name}: ")
    assert said in told


def test_a_wrong_key_is_told_by_its_name() -> None:
    """With the section's."""
    assert refusal({"endpoint": "localhost"}).startswith("w: endpoint: 'localhost' is not a URL")
    assert "gRPC has no paths" in refusal({"endpoint": "http://h/v1/metrics", "protocol": "grpc"})
    assert refusal({"client_key": "/k"}).startswith("w: client_key: a client's certificate and its key go together")
    assert "must be an absolute path" in refusal({"certificate": "ca.pem"})
    assert "must be text, a number" in refusal({"resource": {"a": [1]}})
    assert "64 bits" in refusal({"resource": {"a": 1 << 63}})
    assert "did you mean 'max_bytes'" in refusal({"spool": {"path": "/s", "max_byte": 1}})
    assert "unknown key 'endpont'; did you mean 'endpoint'" in refusal({"endpont": ""})
    assert "cannot be set here" in refusal({"protocol": "grpc", "headers": {"x-bin": "x"}})


def test_no_secret_is_told() -> None:
    """Not in an error, not in what is printed of settings."""
    word = "hunter2"
    told = [
        refusal(**{f"{E}HEADERS": f"authorization={word},a b={word}"}),
        refusal(**{f"{E}HEADERS": f"{word}"}),
        refusal(**{f"{E}HEADERS": f"a={word};x"}),
        refusal(**{f"{E}ENDPOINT": f"http://user:{word}@h:port"}),
        refusal(**{f"{E}ENDPOINT": f"h?key={word}"}),
        refusal({"headers": f"authorization={word}"}),
        refusal({"headers": {"a": f"{word}\n"}}),
    ]
    section = validate(Section, {"endpoint": f"http://u:{word}@h/p?k={word}", "headers": {"a": word}}, "w")
    made = resolve(section, {"http_proxy": f"http://u:{word}@p"}, "w")
    told += [repr(section), repr(made), str(made.targets[0].shown)]
    assert not [each for each in told if word in each]
    assert made.targets[0].shown == "http://h/p/v1/metrics"
    assert made.targets[0].address == f"http://h/p/v1/metrics?k={word}"
    user = base64.b64encode(f"u:{word}".encode()).decode()
    assert made.targets[0].headers == {"a": word, "authorization": f"Basic {user}"}
