"""`/docs`: a page that needs nobody but this server."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import served
from tests.api.owners import API_KEYS

_REFERENCE = re.compile(r'(?:src|href)="([^"]*)"')


def _parts(page: str) -> list[str]:
    return _REFERENCE.findall(page)


@pytest.mark.requirement("DOCS-001")
@pytest.mark.parametrize("prefix", ["", "/agents/api"])
def test_the_page_is_whole_without_any_other_server(tmp_path: Path, prefix: str) -> None:
    config = {"http": {"mount_prefix": prefix}} if prefix else {}
    with (
        served(tmp_path, config=config) as url,
        httpx.Client(base_url=f"{url}{prefix}/docs") as client,
    ):
        page = client.get(f"{url}{prefix}/docs")
        parts = _parts(page.text)

        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert len(parts) >= 5
        for part in parts:
            assert not re.match(r"\w+:|/", part)  # relative: this very server
            assert client.get(str(httpx.URL(f"{url}{prefix}/docs").join(part))).status_code == 200


@pytest.mark.requirement("DOCS-002")
def test_the_page_may_ask_nobody_else(http: httpx.Client) -> None:
    page = http.get("/docs")
    script = http.get("/docs/page.js").text

    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in page.text
    assert "validatorUrl: null" in script
    assert "://" not in page.text + script


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("favicon.png", "image/png"),
    ],
)
def test_the_parts_of_the_page_are_what_they_say(
    http: httpx.Client, name: str, content_type: str
) -> None:
    answer = http.get(f"/docs/{name}")
    again = http.get(f"/docs/{name}", headers={"If-None-Match": answer.headers["etag"]})

    assert answer.headers["content-type"] == content_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/docs/page.html", "/docs/..%2f__init__.py", "/docs/__init__.py", "/docs/nothing"]
)
def test_nothing_else_is_served_from_there(http: httpx.Client, path: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


@pytest.mark.requirement("DOCS-003")
@pytest.mark.parametrize("closed", [False, True])
def test_with_authentication_the_page_is_public_unless_it_is_protected(
    tmp_path: Path, closed: bool
) -> None:
    auth = {**API_KEYS["lgserve"]["auth"], "protect": ["/docs", "/openapi.json"] if closed else []}
    with served(tmp_path, config={"lgserve": {"auth": auth}}) as url:
        paths = ("/docs", "/docs/page.js", "/openapi.json")
        found = {httpx.get(url + path).status_code for path in paths}

    assert found == {401 if closed else 200}


def test_the_page_goes_with_the_group_of_facts(tmp_path: Path) -> None:
    with served(tmp_path, config={"http": {"disable_meta": True}}) as url:
        assert httpx.get(f"{url}/docs").status_code == 404
        assert httpx.get(f"{url}/openapi.json").status_code == 404
        assert httpx.get(f"{url}/ok").status_code == 200


@pytest.mark.requirement("DOCS-001")
def test_the_wheel_has_the_whole_page_and_the_licences_of_its_parts(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        page = archive.read("lgserve/api/docs/assets/page.html").decode()

    for part in _parts(page):
        if part.startswith("docs/"):
            assert f"lgserve/api/docs/assets/{part.removeprefix('docs/')}" in names
    assert "lgserve/api/docs/assets/swagger-ui.LICENSE.txt" in names
    assert any(
        name.endswith("licenses/lgserve/api/docs/assets/swagger-ui.LICENSE.txt") for name in names
    )
