"""Whether people can use a page as it is: by axe-core, by what axe-core does not decide, and by the keyboard alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

from tests.kit.browser import Tab

HERE = Path(__file__).parent
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
MOST_STOPS = 500
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN = (
    "axe.run(document, {{resultTypes: ['violations'], runOnly: {{type: 'tag', values: {tags}}}}}).then((found) => "
    "found.violations.map((one) => `${{one.id}}: ${{one.nodes.map((each) => each.html.slice(0, 160)).join(' | ')}}`))"
)
# Where the focus is: which of the page's own stops, and whether it is seen.
_STOP = """
(() => {
  const at = document.activeElement;
  if (!at || at === document.body || at === document.documentElement) return null;
  const box = at.getBoundingClientRect();
  const style = getComputedStyle(at);
  const isSeen = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const all = [...document.querySelectorAll("*")];
  return { number: all.indexOf(at), html: at.outerHTML.slice(0, 120), isSeen, isLink: at.className === "skip",
           isShown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
})()
"""
_STOPS = """
[...document.querySelectorAll("a[href], button, summary, select, textarea, input:not([type=hidden]), [tabindex='0']")]
  .filter((one) => one.checkVisibility()).length
"""


def axe() -> str:
    text = (HERE / "axe_core" / "axe.min.js").read_text()
    assert hashlib.sha256(text.encode()).hexdigest() == AXE_SHA256, "axe-core is not the one that is named"
    return text


async def found_wrong(page: Tab) -> list[str]:
    """A sentence for each thing that keeps someone from using it."""
    await page.run(f"{axe()}; 0")  # by the browser's debugger: the page's own policy lets no script in
    by_axe = await page.run(_RUN.format(tags=list(_TAGS)))
    return [*by_axe, *await page.run((HERE / "accessibility.js").read_text())]


async def walked_by_keyboard(page: Tab) -> int:
    """From the top to the end with Tab alone: the way past the header first, every stop seen, none a trap."""
    await page.run("document.activeElement && document.activeElement.blur(); scrollTo(0, 0)")
    stops: list[dict[str, Any]] = []
    while len(stops) < MOST_STOPS:
        await page.press("Tab", 9)
        stop = await page.run(_STOP)
        if stop is None or (stops and stop["number"] == stops[0]["number"]):
            break
        assert stop["isSeen"], f"not in view: {stop['html']}"
        assert stop["isShown"], f"not to be seen that it is here: {stop['html']}"
        assert stop["number"] not in {one["number"] for one in stops}, f"a trap: {stop['html']}"
        stops.append(stop)
    assert stops, "nothing can be reached"
    assert stops[0]["isLink"], "the first stop is not the way past the header"
    assert len(stops) == await page.run(_STOPS), "not every stop is reached"
    return len(stops)


async def skips_the_header(page: Tab) -> bool:
    await page.run("document.activeElement && document.activeElement.blur(); scrollTo(0, 0)")
    await page.press("Tab", 9)
    await page.press("Enter", 13)
    await page.until("document.activeElement === document.getElementById('main')")
    return cast("bool", await page.run("location.hash === '#main'"))
