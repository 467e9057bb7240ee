"""Accessibility checks of pages by axe-core."""

from dataclasses import dataclass
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES: Final = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


@dataclass(frozen=True)
class Allowed:
    """Violation that can't be mended here: the rule, the elements by a CSS selector, and why."""

    rule: str
    selector: str
    reason: str


def violations(page: Page, *allowed: Allowed) -> list[str]:
    """Return what axe-core finds on a page: the rule, the element and what to mend.

    Elements of ``allowed`` are left out. One that no longer occurs is returned too, so that the list does not outlive
    its reasons.
    """
    found = Axe().run(page, options=RULES).response
    assert found["passes"], "axe has examined the page"
    nodes = [(one["id"], node) for one in found["violations"] for node in one["nodes"]]
    known = {one: [node for rule, node in nodes if rule == one.rule and _matches(page, node, one)] for one in allowed}
    left_out = [node for several in known.values() for node in several]
    return [
        f"{rule}: {node['html'][:120]}: {' '.join(node['failureSummary'].split())}"
        for rule, node in nodes
        if node not in left_out
    ] + [f"{one.rule} on {one.selector} is allowed and does not occur" for one, several in known.items() if not several]


def _matches(page: Page, node: dict[str, Any], allowed: Allowed) -> bool:
    """Tell whether an element of a violation, which axe names by a selector, is one of the allowed."""
    return bool(page.locator(node["target"][-1]).first.evaluate("(node, css) => node.matches(css)", allowed.selector))
