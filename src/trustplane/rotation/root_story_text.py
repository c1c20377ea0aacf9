"""The story of a change of root as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from html import escape

from trustplane.rotation.change_root import Effect, MakeRoot, PrepareIssuers, Publish, Remake, Retire, Switch
from trustplane.rotation.root_change import Phase, RootChange, Seen
from trustplane.rotation.root_gates import EMERGENCY_GIVES_UP, Lack, Waiting
from trustplane.rotation.root_story import TO_COME, Chapter
from trustplane.trust.authority import AuthorityId
from trustplane.trust.partner import Rule

NAMED = 12  # participants listed by name in a step
_WIDTH, _ROW, _LEFT, _BAR = 960, 46, 150, 24
COLOURS = {
    Phase.PREPARE: "#5b6577",
    Phase.PUBLISH: "#2a6f97",
    Phase.VERIFY: "#1f7a6f",
    Phase.SWITCH: "#b3560f",
    Phase.DRAIN: "#85670f",
    Phase.RETIRE: "#b23a48",
    Phase.VERIFY_AGAIN: "#1f7a6f",
}
# What is drawn on the page itself follows the page: a viewer that prefers a dark one gets it.
STYLE = (
    "<style>.page{fill:#ffffff}.ink{fill:#222222}.pale{fill:#555555}.idle{fill:#eeeeee}.edge{fill:#b23a48;stroke:#b23a48}"
    "@media(prefers-color-scheme:dark){.page{fill:#1b1e23}.ink{fill:#eeeeee}.pale{fill:#b8bec8}.idle{fill:#2c313a}"
    ".edge{fill:#f08a97;stroke:#f08a97}}</style>"
)
MEANS = {
    Phase.PREPARE: "a new root is made, and issuing authorities below it, before anybody is told of them",
    Phase.PUBLISH: "both roots are in every bundle; the old one goes on signing",
    Phase.VERIFY: "every sidecar lets in a probe whose certificate chains to the new root",
    Phase.SWITCH: "issuing authorities below the new root sign, and every certificate is renewed, spread over a while",
    Phase.DRAIN: "nothing that is valid or open may depend on the old root",
    Phase.RETIRE: "the old root leaves every bundle; from here there is no way back",
    Phase.VERIFY_AGAIN: "everyone holds the bundle without the old root",
}
_RULES = {
    Rule.STATEMENT: "proves it by its signed statement, and by nothing else",
    Rule.TIME: "can prove nothing, and is given time to fetch our bundle after each change of it",
    Rule.UNKNOWN: "must first answer whether it makes statements",
}
_PROOFS = {
    Lack.ROOT: "take up the bundle with both roots",
    Lack.PROBE: "let the probe in",
    Lack.LEAF: "show a certificate below the root to come",
    Lack.CONNECTION: "make every connection anew and show it",
    Lack.OLD_ROOT: "take up the bundle without the root that leaves",
}


def markdown(change: RootChange, chapters: Sequence[Chapter], seen: Sequence[Seen] = ()) -> str:
    """For people, as it would happen from now on."""
    heading = "Going back to the root of before" if change.is_going_back else "Changing the root"
    coming = _root(change.coming) if change.coming else "a root yet to be made"
    lines = [
        f"# {heading}",
        "",
        f"From root `{change.leaving}` to {coming}. Each step begins when the one before it is proven, never by time",
        f"alone{_but_for(seen)}. Until *retire* it can be taken back: `trustplane rotate abort`.",
        "",
    ]
    lines += partner_rules(seen)
    for number, chapter in enumerate(chapters, 1):
        lines += _chapter(number, chapter)
    lines += ["## At the end", "", "One root is in every bundle, and everyone has proved it.", ""]
    if change.is_emergency:
        lines += ["## What this emergency gives up", "", *(f"- {one}" for one in EMERGENCY_GIVES_UP), ""]
    return "\n".join(lines)


def _chapter(number: int, chapter: Chapter) -> list[str]:
    lines = [f"## {number}. {chapter.phase.value}", "", f"{MEANS[chapter.phase].capitalize()}.", ""]
    lines += [f"- does: {_act(each)}" for each in chapter.acts]
    for proof, waits in _grouped(chapter.waits):
        lines += _whom(proof, waits)
    lines += [f"- waits until {one.until:%Y-%m-%d %H:%M:%S} UTC: {_reason(one)}" for one in chapter.waits if one.until]
    if chapter.ends > chapter.begins:
        lines.append(f"- takes at least {span(chapter.ends - chapter.begins)}")
    return [*lines, ""]


def _but_for(seen: Sequence[Seen]) -> str:
    return ", but for other trust domains that show nothing" if any(one.takes is not None for one in seen) else ""


def partner_rules(seen: Sequence[Seen]) -> list[str]:
    """By which rule each other trust domain is waited for."""
    partners = [(one, one.rule) for one in seen if one.rule is not None]
    if not partners:
        return []
    lines = ["## Other trust domains", "", "They verify our certificates too, and are waited for as one each:", ""]
    for one, rule in partners:
        lines.append(f"- `{one.participant.name.partition(' ')[2]}` {_RULES[rule]}; now it {one.told}")
    return [*lines, ""]


def _reason(one: Waiting) -> str:
    if one.participant is None:
        return one.lack.value
    return f"{one.participant} shows nothing, and is given this long to fetch our bundle again"


def _grouped(waits: Sequence[Waiting]) -> Iterator[tuple[str, list[Waiting]]]:
    for lack, proof in _PROOFS.items():
        if found := [one for one in waits if _is_proof(one, lack)]:
            yield proof, found


def _is_proof(one: Waiting, lack: Lack) -> bool:
    return one.lack is lack and one.participant is not None and one.until is None


def _whom(proof: str, waits: Sequence[Waiting]) -> Iterator[str]:
    """In one line, or in one for each cluster where there are any."""
    clusters = {one.cluster for one in waits}
    if clusters == {None}:
        yield f"- waits for {_counted(waits)} that must {proof}: {_names(waits)}"
        return
    yield f"- waits for {_counted(waits)} that must {proof}:"
    for name in sorted(clusters, key=lambda one: (one is None, str(one))):
        of_it = [one for one in waits if one.cluster == name]
        yield f"  - {f'cluster {name}' if name else 'no cluster'}, {_counted(of_it)}: {_names(of_it)}"


def _counted(waits: Sequence[Waiting]) -> int:
    return len({one.participant for one in waits})


def _names(waits: Sequence[Waiting]) -> str:
    names = sorted({one.participant.name for one in waits if one.participant is not None})
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


_ACTS = {
    MakeRoot: "make a key and a self-signed certificate, sealed in the database",
    Remake: "have every sidecar that drains make its connections anew, and count those of before",
}


def _act(effect: Effect) -> str:
    match effect:
        case MakeRoot() | Remake():
            return _ACTS[type(effect)]
        case PrepareIssuers(root):
            return f"make an issuing authority below {_root(root)} for every server"
        case Publish(root):
            return f"put {_root(root)} into every bundle"
        case Switch(leaving, coming):
            return f"let the authorities below {_root(coming)} sign, and those below {_root(leaving)} no more, at once"
        case Retire(root):
            return f"take {_root(root)} and all authorities below it out of use"
        case _:
            return ""


def _root(root: AuthorityId) -> str:
    return "the new root" if root == TO_COME else f"root `{root}`"


def span(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {seconds % 60} s" if seconds % 60 else f"{minutes} min"
    return f"{seconds} s"


def picture(chapters: Sequence[Chapter]) -> str:
    """A bar for each phase; those that wait for proofs alone have no known length and are drawn short."""
    height = _ROW * len(chapters) + 60
    whole = max((chapters[-1].ends - chapters[0].begins).total_seconds(), 1.0) if chapters else 1.0
    known = _WIDTH - _LEFT - 330 - 40 * len(chapters)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif" font-size="13">',
        STYLE,
        f'<rect width="{_WIDTH}" height="{height}" class="page"/>',
        '<text x="16" y="26" font-size="16" font-weight="600" class="ink">A change of root, phase by phase</text>',
    ]
    x = float(_LEFT)
    for row, chapter in enumerate(chapters):
        y = 46 + row * _ROW
        wide = 30 + known * (chapter.ends - chapter.begins).total_seconds() / whole
        parts += _no_way_back(x - 3, height) if chapter.phase is Phase.RETIRE else []
        parts += _bar(chapter, x, y, wide)
        x += wide + 6
    return "\n".join([*parts, "</svg>", ""])


def _no_way_back(x: float, height: int) -> list[str]:
    words = f'<text x="{x - 8:.0f}" y="{height - 18}" text-anchor="end" class="edge" stroke-width="0">'
    return [
        f'<line x1="{x:.0f}" y1="40" x2="{x:.0f}" y2="{height - 14}" class="edge" stroke-dasharray="4 4"/>',
        f"{words}can be taken back until here</text>",
    ]


def _bar(chapter: Chapter, x: float, y: int, wide: float) -> list[str]:
    waiting = len({one.participant for one in chapter.waits if one.participant})
    told = [f"{waiting} to prove"] if waiting else []
    if chapter.ends > chapter.begins:
        told.append(f"at least {span(chapter.ends - chapter.begins)}")
    middle = y + _BAR * 0.7
    return [
        f'<text x="16" y="{middle:.0f}" class="ink">{escape(chapter.phase.value)}</text>',
        f'<rect x="{x:.0f}" y="{y}" width="{wide:.0f}" height="{_BAR}" rx="4" fill="{COLOURS[chapter.phase]}"/>',
        f'<text x="{x + wide + 8:.0f}" y="{middle:.0f}" class="pale">{escape(", ".join(told))}</text>',
    ]
