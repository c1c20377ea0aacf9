"""A change of root as other trust domains live it: what each has to do in which phase, and how that is known here.

Made of the chapters that the machine was played through for (`rotation.root_story`), so it says what would happen and
nothing else; for the JWT keys, which change by themselves, of the lifecycle's own instants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from trustplane.rotation.root_change import ParticipantKind, Phase, Seen
from trustplane.rotation.root_gates import Lack, Waiting
from trustplane.rotation.root_story import Chapter
from trustplane.rotation.root_story_text import COLOURS, MEANS, STYLE, partner_rules, span
from trustplane.trust.lifecycle import JwtTurn
from trustplane.trust.partner import Rule

_ROW, _LEFT, _COLUMN, _TOP, _LABEL = 84, 16, 150, 76, 22
_INK = 'class="ink" font-weight="600"'
_MOST_SHOWN = 120  # characters of a lane's name that fit above its boxes


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed with one of them. `held_by`: participants here that hold, or are to hold, its bundle."""

    name: str
    endpoint: str
    profile: str
    asked_every: timedelta
    sequence: int | None
    held_by: int


@dataclass(frozen=True, slots=True)
class Setting:
    """`hint`: how often others are asked to fetch our bundle; `given`: how long before a key of ours is used."""

    own: str
    hint: timedelta
    given: timedelta
    partners: tuple[Terms, ...]
    jwt: JwtTurn | None


def story_text(setting: Setting, chapters: Sequence[Chapter], seen: Sequence[Seen]) -> str:
    """As Markdown."""
    here = sum(one.participant.kind is not ParticipantKind.DOMAIN for one in seen)
    several = (
        "no other trust domain" if not setting.partners else ", ".join(f"`{one.name}`" for one in setting.partners)
    )
    lines = [f"# Changing the keys of `{setting.own}`, with {several}", ""]
    lines += _agreed(setting)
    lines += partner_rules(seen)
    lines += [f"## The root, for {_people(here)} here and {len(setting.partners)} other trust domains", ""]
    lines += ["`trustplane rotate plan` names the participants here.", ""]
    for number, chapter in enumerate(chapters, 1):
        lines += _chapter(number, chapter, seen)
    lines += _keys(setting)
    lines += _theirs(setting)
    return "\n".join(lines)


def _agreed(setting: Setting) -> list[str]:
    if not setting.partners:
        return ["There is no relation, so nobody else is waited for.", ""]
    lines = ["## What is agreed", "", f"- others are asked to fetch our bundle every {span(setting.hint)}"]
    for one in setting.partners:
        held = f"its sequence {one.sequence}" if one.sequence is not None else "nothing of it yet"
        lines.append(
            f"- `{one.name}`: we ask {one.endpoint} ({one.profile}) every {span(one.asked_every)}; "
            f"{held} is held here, and {_people(one.held_by)} need it"
        )
    return [*lines, ""]


def _chapter(number: int, chapter: Chapter, seen: Sequence[Seen]) -> list[str]:
    ours = {
        one.participant
        for one in chapter.waits
        if one.participant and one.participant.kind is not ParticipantKind.DOMAIN
    }
    lines = [f"### {number}. {chapter.phase.value}", "", f"{MEANS[chapter.phase].capitalize()}.", ""]
    if ours:
        lines.append(f"- here: {_people(len(ours))} must prove it")
    partners = [(one, one.rule) for one in seen if one.rule is not None]
    waited = [(one, rule, _waiting(one, chapter)) for one, rule in partners]
    lines += [f"- `{_name(one)}`: {_part(one, rule, waiting)}" for one, rule, waiting in waited if waiting]
    if not ours and not any(waiting for _, _, waiting in waited):
        lines.append("- nobody is waited for")
    if chapter.ends > chapter.begins:
        lines.append(f"- takes at least {span(chapter.ends - chapter.begins)}")
    return [*lines, ""]


def _waiting(one: Seen, chapter: Chapter) -> Waiting | None:
    """The last of what this phase waits for of it; time, where time is what counts."""
    found = [each for each in chapter.waits if each.participant == one.participant]
    return next((each for each in found if each.until), found[-1] if found else None)


def _part(one: Seen, rule: Rule, waiting: Waiting) -> str:
    if waiting.lack is Lack.PROBE:
        return "must let in a certificate below the new root, which one of its services refuses"
    bundle = "the bundle without the old root" if waiting.lack is Lack.OLD_ROOT else "the bundle with both roots"
    if one.takes is not None and waiting.until is not None:
        return f"is given until {waiting.until:%Y-%m-%d %H:%M:%S} UTC, {span(one.takes)}, to fetch {bundle}"
    if rule is Rule.UNKNOWN:
        return f"must answer whether it makes statements, and then prove that it holds {bundle}"
    return f"fetches {bundle}, hands it to its participants, and states that all of them hold it"


def _keys(setting: Setting) -> list[str]:
    if setting.jwt is None:
        return []
    turn = setting.jwt
    ahead = turn.signs_at - turn.made_at
    return [
        "## JWT keys, which change by themselves",
        "",
        f"- the next key of this server is made {_instant(turn.made_at)} and is in the bundle from then on",
        f"- it signs from {_instant(turn.signs_at)}, {span(ahead)} later"
        + (f"; others need {span(setting.given)} to fetch it" if setting.given else ""),
        "- the one before stays in the bundle until its own end, which no token it signed outlives",
        "",
    ]


def _theirs(setting: Setting) -> list[str]:
    if not setting.partners:
        return []
    told = [
        f"- `{one.name}`: its new bundle is fetched within {span(one.asked_every)} and handed to "
        f"{_people(one.held_by)}; how many lack it is stated at `/uptake/{one.name}`, beside our bundle"
        for one in setting.partners
    ]
    return ["## When one of them changes its keys", "", *told, ""]


def _people(count: int) -> str:
    return f"{count} participant{'' if count == 1 else 's'}"


def _name(one: Seen) -> str:
    return one.participant.name.partition(" ")[2]


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def story_picture(setting: Setting, chapters: Sequence[Chapter], seen: Sequence[Seen]) -> str:
    """A lane for us and for each other trust domain, a column for each phase."""
    partners = [(one, one.rule) for one in seen if one.rule is not None]
    width, height = _LEFT + _COLUMN * len(chapters) + 16, _TOP + _ROW * (len(partners) + 1) + 16
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif" font-size="12">',
        STYLE,
        f'<rect width="{width}" height="{height}" class="page"/>',
        _text(
            _LEFT, 28, _cut(f"The root of {setting.own}, with everyone who verifies by it"), f'{_INK} font-size="16"'
        ),
    ]
    lanes = [setting.own, *(_name(one) for one, _ in partners)]
    for row, lane in enumerate(lanes):
        parts.append(_text(_LEFT, _TOP + row * _ROW + 14, _cut(lane), _INK))
    for column, chapter in enumerate(chapters):
        x = _LEFT + column * _COLUMN
        parts.append(_text(x, _TOP - 14, chapter.phase.value, 'class="pale"'))
        parts += _box(x, _TOP, COLOURS[chapter.phase], _ours(chapter))
        for row, (one, rule) in enumerate(partners, 1):
            told = _short(one, rule, _waiting(one, chapter))
            parts += _box(x, _TOP + row * _ROW, COLOURS[chapter.phase] if told else None, told)
    return "\n".join([*parts, "</svg>", ""])


def _ours(chapter: Chapter) -> tuple[str, ...]:
    named = [one.participant for one in chapter.waits if one.participant]
    here = {one for one in named if one.kind is not ParticipantKind.DOMAIN}
    told = [f"{len(here)} to prove"] if here else []
    if chapter.phase is Phase.DRAIN and chapter.ends > chapter.begins:
        told.append(f"at least {span(chapter.ends - chapter.begins)}")
    return (*told,) or ("acts",)


def _short(one: Seen, rule: Rule, waiting: Waiting | None) -> tuple[str, ...]:
    if waiting is None:
        return ()
    if one.takes is not None:
        return ("fetches,", f"given {span(one.takes)}")
    return ("must answer first",) if rule is Rule.UNKNOWN else ("fetches, hands on,", "and states it")


def _box(x: int, y: int, colour: str | None, told: tuple[str, ...]) -> list[str]:
    """Below the name of its lane; without a colour nothing happens in it."""
    look, y = f'fill="{colour}"' if colour else 'class="idle"', y + _LABEL
    drawn = f'<rect x="{x}" y="{y}" width="{_COLUMN - 8}" height="{_ROW - _LABEL - 12}" rx="4" {look}/>'
    return [drawn, *(_text(x + 8, y + 20 + 16 * line, one, 'fill="#ffffff"') for line, one in enumerate(told))]


def _cut(name: str) -> str:
    """Its beginning and its end, which is what tells names of domains apart."""
    half = _MOST_SHOWN // 2
    return name if len(name) <= _MOST_SHOWN else f"{name[:half]}…{name[-half:]}"


def _text(x: int, y: int, told: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(told)}</text>'
