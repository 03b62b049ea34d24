from __future__ import annotations

import pytest

from lgserve.core.errors import InvalidRequestError
from lgserve.core.webhooks import (
    WebhookPolicy,
    check_url,
    forbidden_reason,
    retry_delay,
    shown_url,
)

STRICT = WebhookPolicy()
LOOSE = WebhookPolicy(allow_loopback=True)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:8/x", "Webhook host blocked: loopback IP range"),
        ("http://2130706433/x", "Webhook host blocked: loopback IP range"),
        ("http://0x7f.1/x", "Webhook host blocked: loopback IP range"),
        ("http://[::1]:9/x", "Webhook host blocked: loopback IP range"),
        ("http://[::ffff:127.0.0.1]/", "Webhook host blocked: loopback IP range"),
        ("http://localhost:8/x", "Webhook host blocked: localhost address"),
        ("http://LOCALHOST./x", "Webhook host blocked: localhost address"),
        ("http://a.localhost/x", "Webhook host blocked: localhost address"),
        ("http://169.254.169.254/latest", "Webhook host blocked: blocked IP range"),
        ("http://[::ffff:169.254.169.254]/", "Webhook host blocked: blocked IP range"),
        ("http://[64:ff9b::a9fe:a9fe]/", "Webhook host blocked: blocked IP range"),
        ("http://100.100.100.200/", "Webhook host blocked: blocked IP range"),
        ("http://[fd00:ec2::254]/", "Webhook host blocked: blocked IP range"),
        ("http://192.0.2.1/", "Webhook host blocked: blocked IP range"),
        ("http://224.0.0.1/", "Webhook host blocked: blocked IP range"),
        ("http://0.0.0.0/x", "Webhook host blocked: blocked IP range"),
        ("http://[::]/x", "Webhook host blocked: blocked IP range"),
        ("http://255.255.255.255/", "Webhook host blocked: blocked IP range"),
        ("http://198.18.0.1/", "Webhook host blocked: blocked IP range"),
        ("http://[fe80::1]/", "Webhook host blocked: blocked IP range"),
        ("http://[ff02::1]/", "Webhook host blocked: blocked IP range"),
        ("ftp://example.com/x", "Webhook host blocked: scheme 'ftp' not allowed"),
        ("http://", "Invalid webhook hostname ''"),
        ("hook", "Invalid webhook hostname ''"),
        ("not a url", "Invalid webhook hostname ''"),
        ("javascript:alert(1)", "Invalid webhook hostname ''"),
        ("http://x/" + "a" * 5000, "Webhook URL too long"),
    ],
)
def test_what_the_reference_refuses_is_refused_in_its_words(url: str, told: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        check_url(url, STRICT)
    assert refused.value.message == told


@pytest.mark.parametrize(
    "url",
    [
        "/hook", "//evil.example/x", "http://exa mple.com/", "http://a.com\\@b.com/",
        "http://a.com:99999/", "http://a.com:0/", "http://[::1/", "http://a.com/\r\nX: y",
        "http://ex\u00e4mple.com/", "http://\uff11\uff12\uff17.0.0.1/", "http://1.2.3.4.5/",
        "http://999.1/", "http://a%2f/", "http://-a.com/", "http://[fe80::1%eth0]/",
    ],
)  # fmt: skip
def test_what_parsers_disagree_about_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError):
        check_url(url, LOOSE)


def test_loopback_is_a_receiver_where_that_is_allowed() -> None:
    assert check_url("http://127.0.0.1:8/x", LOOSE).origin == "http://127.0.0.1:8"
    assert check_url("http://[::1]:8/x", LOOSE).origin == "http://[::1]:8"
    assert check_url("https://localhost/x", LOOSE).origin == "https://localhost:443"
    with pytest.raises(InvalidRequestError, match="blocked IP range"):
        check_url("http://169.254.169.254/", LOOSE)


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("http://127.1:8/x?a=1#f", "http://127.0.0.1:8/x?a=1"),
        ("http://2130706433/", "http://127.0.0.1:80/"),
        ("http://0x7f.1:8/x", "http://127.0.0.1:8/x"),
        ("http://127.0.0.1.:8/x", "http://127.0.0.1:8/x"),
        ("http://me:secret@LOCALHOST.:8/x", "http://localhost:8/x"),
        ("http://[::ffff:127.0.0.1]:8/x", "http://127.0.0.1:8/x"),
        ("https://[0:0:0:0:0:0:0:1]/x", "https://[::1]:443/x"),
    ],
)
def test_a_host_is_called_by_its_usual_name(url: str, called: str) -> None:
    assert check_url(url, LOOSE).url == called


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://[fd12::1]/", "http://192.168.1.1/"])
def test_private_addresses_are_receivers_unless_they_are_disabled(url: str) -> None:
    assert check_url(url, STRICT).port == 80
    with pytest.raises(InvalidRequestError, match="private IP range"):
        check_url(url, WebhookPolicy(allow_private=False))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://hooks.example.com/", "Webhook must use https"),
        ("https://hooks.example.com:8443/", "Webhook port 8443 not allowed"),
        ("https://example.com/", "Webhook domain not allowed"),
        ("https://evil-example.com/", "Webhook domain not allowed"),
        ("https://hooks.example.com.evil.org/", "Webhook domain not allowed"),
        ("https://sub.exact.org/", "Webhook domain not allowed"),
        ("https://hooks.example.com/", None),
        ("https://a.b.EXAMPLE.com:443/", None),
        ("https://exact.org./", None),
    ],
)
def test_rules_of_the_config_apply(url: str, told: str | None) -> None:
    policy = WebhookPolicy(
        require_https=True, allowed_domains=("*.example.com", "exact.org"), allowed_ports=(443,)
    )
    if told is None:
        assert check_url(url, policy).port == 443
        return
    with pytest.raises(InvalidRequestError) as refused:
        check_url(url, policy)
    assert refused.value.message == told


def test_an_address_that_is_none_is_forbidden() -> None:
    assert forbidden_reason("nonsense", LOOSE) == "not an IP address"
    assert forbidden_reason("8.8.8.8", STRICT) is None
    assert forbidden_reason("2606:4700::1111", STRICT) is None


def test_tries_grow_apart_to_a_quarter_of_an_hour() -> None:
    assert [retry_delay(n, 0.5) for n in (1, 2, 3, 10, 11, 99)] == [1, 2, 4, 512, 900, 900]
    assert (retry_delay(1, 0), retry_delay(1, 1)) == pytest.approx((0.8, 1.2))


def test_passwords_in_addresses_are_not_shown() -> None:
    assert shown_url("https://me:secret@a.com/x?y=1") == "https://me:***@a.com/x?y=1"
    assert shown_url("https://a.com/x:y@z") == "https://a.com/x:y@z"
    assert shown_url("https://a.com?x:y@z") == "https://a.com?x:y@z"
    assert shown_url("https://me:se@cret@a.com/x") == "https://me:***@a.com/x"
