"""Which request headers go on."""

from __future__ import annotations

from lgserve.core.header_rules import HeaderRules, configurable_of


def test_what_is_excluded_is_not_included_and_only_the_star_is_special() -> None:
    rules = HeaderRules(("X-*", "a.b"), ("x-secret*", "*-key"))
    headers = {"X-One": "1", "x-secret-two": "2", "x-my-key": "3", "a.b": "4", "aXb": "5"}
    assert rules.chosen({name.lower(): value for name, value in headers.items()}) == {
        "x-one": "1",
        "a.b": "4",
    }


def test_credentials_go_nowhere() -> None:
    headers = dict.fromkeys(
        ("authorization", "x-api-key", "x-tenant-id", "x-service-key", "cookie"), "secret"
    )
    assert HeaderRules(("*",)).chosen({**headers, "other": "1"}) == {"other": "1"}


def test_nothing_goes_on_by_default_but_a_trace() -> None:
    headers = {
        "x-one": "1",
        "langsmith-trace": "t",
        "baggage": "langsmith-metadata=%7B%22a%22%3A1%7D, langsmith-project=p,x=y",
    }
    assert configurable_of({"x-one": "1", "baggage": "langsmith-project=p"}, HeaderRules()) == {}
    assert configurable_of(headers, HeaderRules()) == {
        "langsmith-trace": "t",
        "langsmith-metadata": {"a": 1},
        "langsmith-project": "p",
    }
