"""The page of a comparison: whole, alone, and sorted in a browser."""

import math
import re
import shutil
import subprocess
import warnings
from html.parser import HTMLParser
from pathlib import Path

import pytest
from a8w8.comparison import Comparison, EndToEnd, LayerRow

_VOID = {"meta", "input", "br", "link"}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
HOSTILE = 'a<script>alert("x")</script>&b'


def _row(name: str, sqnr: float, order: int, **more: float) -> LayerRow:
    causes = {"weight rounding": 0.2, "activation rounding": 0.5, "activation clipping": 0.2, "bias": 0.0, "rest": 0.1}
    return LayerRow(name, sqnr, 0.999, 0.1, "w8a8", 8, 4, order, causes=causes if math.isfinite(sqnr) else {}, **more)


@pytest.fixture
def comparison() -> Comparison:
    rows = [
        _row("layers.10", 9.5, 2, clipped=0.3),
        _row(HOSTILE, 30.0, 1, clipped=0.001, smoothed=True),
        _row("layers.2", 101.25, 0, clipped=0.02),
        _row("exact", math.inf, 3),
    ]
    end = EndToEnd("logits", 12, 20.5, 0.99, 1.5, top1_agreement=0.75)
    return Comparison(rows, end, {"model": "m & n", "inputs": "2 texts"})


class _Checker(HTMLParser):
    """Refuses tags that are not closed in order; collects attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing, line {self.getpos()[0]}"

    def handle_data(self, data):
        self.text.append(data)


def _parsed(page: str) -> _Checker:
    checker = _Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def test_is_well_formed_and_stands_alone(comparison):
    page = comparison.html()
    checker = _parsed(page)
    assert not [a for a in checker.attributes if a[1] in ("src", "href", "action", "data", "srcset")]
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp|//[a-z]", page)
    assert ("meta", "http-equiv", "Content-Security-Policy") in checker.attributes
    assert page.isascii() or '<meta charset="utf-8">' in page


def test_names_are_text_and_never_markup(comparison):
    page = comparison.html()
    assert "<script>alert" not in page and page.count("<script>") == 1
    assert HOSTILE in "".join(_parsed(page).text)
    assert "m &amp; n" in page


def test_shows_figures_and_plots(comparison):
    page = comparison.html()
    for text in ("20.5 dB", "75 %", "9.5 dB", "101.25", "smoothed", "2 texts", "activation rounding", "no error"):
        assert text in page, text
    assert page.count("<svg") == 2
    assert page.count("<circle") == 3  # of the layer without an error there is no figure
    assert len(re.findall(r"<tr><td", page)) == 4


def test_a_comparison_without_errors_or_ends_has_a_page():
    page = Comparison([_row("exact", math.inf, 0)]).html()
    _parsed(page)
    assert "No layer has an error." in page


def _browser() -> str:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        message = f"no browser on PATH ({', '.join(_BROWSERS)}): the page's script is NOT tested"
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    return found


def _rows_in_browser(page: str, folder: Path, script: str = "") -> list[str]:
    """The names in the table, as they stand in a headless browser after `script`; hidden ones are left out."""
    file = folder / "page.html"
    file.write_text(page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    command = [_browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    result = subprocess.run(
        [*command, "--virtual-time-budget=2000", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert result.returncode == 0, result.stderr
    body = result.stdout.split("<tbody>")[1].split("</tbody>")[0]
    shown = [part for part in body.split("<tr")[1:] if "hidden" not in part.split(">")[0]]
    return [re.search(r"<code>(.*?)</code>", part)[1] for part in shown]


_CLICK = "document.querySelectorAll('th button')[{}].click();"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", ["layers.10", "a", "layers.2", "exact"]),  # as it opens: by SQNR, numbers as numbers, infinity last
        (_CLICK.format(1), ["exact", "layers.2", "a", "layers.10"]),  # a second time the other way round
        (_CLICK.format(5), ["exact", "a", "layers.2", "layers.10"]),
        (
            "const f = document.getElementById('filter'); f.value = 'LAYERS'; f.dispatchEvent(new Event('input'));",
            ["layers.10", "layers.2"],
        ),
    ],
)
def test_sorts_and_filters_in_a_browser(comparison, tmp_path, script, expected):
    names = [name.split("&lt;")[0] for name in _rows_in_browser(comparison.html(), tmp_path, script)]
    assert names == expected
