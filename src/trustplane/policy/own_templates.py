"""templates/<name>@<version>.yaml and .cedar: templates of this trust repository, by the rules of the shipped ones.

The .cedar file is one policy without its @id, with `$name` where a value is to stand; the .yaml file says who owns the
template, what it allows, its parameters, and its tests: uses of it for a service, with the verdicts they must give. A
parameter stands alone, never within a string or a comment, so that a value cannot become Cedar of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from trustplane.fault import Place, Refused
from trustplane.policy.shipped import TEMPLATES
from trustplane.policy.template import OF_THE_SERVICE, PARAMETER, Kind, Template
from trustplane.policy.words import Word, words
from trustplane.registry import layout
from trustplane.registry.fields import Fields, each, nearest, one_of, text, wrong_type
from trustplane.registry.findings import Findings, shown
from trustplane.registry.yaml_tree import Items, Node, Text, parse, readable
from trustplane.registry.yaml_tree import Mapping as Tree

T = TypeVar("T")

MAX_PARAMETERS = 10
_NAME = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)@([1-9][0-9]{0,3})")
_PARAMETER_NAME = re.compile(r"[a-z][a-z_]{0,30}")
_OWNER = re.compile(r"[A-Za-z0-9@._/:+-]{1,128}")
_RESERVED = frozenset({"use", "id"}) | OF_THE_SERVICE
_KEYS = frozenset({"owners", "summary", "parameters", "tests"})


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    template: Template
    tests: tuple[Node, ...]
    cedar: str  # the file


def own_templates(files: Mapping[str, bytes], findings: Findings) -> dict[str, OwnTemplate]:
    """By `name@version`; those without findings."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(files):
        named = layout.template_named_by(path)
        if named and not layout.is_hidden(path):
            found.setdefault(named[0], {})[named[1]] = path
    result = {}
    for name, paths in found.items():
        before = len(findings)
        with findings.at(Place(min(paths.values()), 1)):
            template = _template(name, paths, files, findings)
            if template and len(findings) == before:
                result[name] = template
    return result


def check_kept(before: Mapping[str, str], after: Mapping[str, bytes]) -> None:
    """A version that was applied says the same for as long as it is there."""
    findings = Findings()
    for path in sorted(before):
        named = layout.template_named_by(path)
        if named and path in after and _said(path, before[path].encode()) != _said(path, after[path]):
            findings.add(
                code="template-edited",
                what=f"{named[0]} was applied before, and says something else now",
                why="whoever uses this version would have another policy, which nobody reviewed beside their service",
                fix=f"leave it as it was, and write version {int(named[0].rpartition('@')[2]) + 1} beside it",
                place=Place(path, 1),
            )
    findings.refuse_if_any()


def _said(path: str, content: bytes) -> object:
    """What a use of the template depends on: its text, and the kinds of its parameters."""
    if path.endswith(".cedar"):
        return content.rstrip()
    tree = parse(path, content, Findings())
    parameters = tree.fields.get("parameters") if isinstance(tree, Tree) else None
    if parameters is None or not isinstance(parameters[1], Tree):
        return {}
    return {name: value.text for name, (_, value) in parameters[1].fields.items() if isinstance(value, Text)}


def _template(
    name: str, paths: Mapping[str, str], files: Mapping[str, bytes], findings: Findings
) -> OwnTemplate | None:
    plain, version = _named(name)
    for kind in ("cedar", "yaml"):
        if kind not in paths:
            raise _half(name, kind)
    before = len(findings)
    tree = parse(paths["yaml"], files[paths["yaml"]], findings)
    cedar = readable(paths["cedar"], files[paths["cedar"]]).rstrip() + "\n"
    if tree is None:
        return None
    fields = Fields(tree, _KEYS, findings)
    owners = fields.required("owners", lambda node: _some(each(node, _owner, findings), node), "[shop-team]")
    summary = fields.required("summary", text, "each of these services may use these operations")
    parameters = fields.optional("parameters", lambda node: _parameters(node, findings), None)
    tests = fields.required("tests", _tests, "[{for: shop/payments, with: {}, cases: []}]")
    if len(findings) == before:
        _check_text(paths["cedar"], cedar, parameters or {}, findings)
    if owners is None or summary is None or tests is None or len(findings) > before:
        return None
    return OwnTemplate(Template(plain, version, owners, summary, parameters or {}, cedar), tests, paths["cedar"])


def _named(name: str) -> tuple[str, int]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise Refused(
            code="template-bad-name",
            what=f"{shown(name)} does not name a template and its version",
            why="a use names both, so that a new version changes nobody's policy by itself",
            fix="name the two files for example templates/readers@1.yaml and templates/readers@1.cedar",
        )
    shipped = sorted(known for known in TEMPLATES if known.partition("@")[0] == found[1])
    if shipped:
        raise Refused(
            code="template-is-shipped",
            what=f"{found[1]} is the name of a template that comes with trustplane, {shipped[0]}",
            why="whoever reads a policy must know whose template it uses",
            fix=f"choose another name, such as our-{found[1]}@1",
        )
    return found[1], int(found[2])


def _half(name: str, kind: str) -> Refused:
    return Refused(
        code="template-incomplete",
        what=f"templates/{shown(name)}.{kind} is missing",
        why="the .cedar file is what a template says, the .yaml file who owns it and how it is tested",
        fix="write both, or remove the other one",
    )


def _parameters(node: Node, findings: Findings) -> dict[str, Kind]:
    if not isinstance(node, Tree):
        raise wrong_type("a mapping such as {callers: services, operations: operations}", node)
    kinds = {one.value: one for one in Kind}
    found = {}
    for key, value in node.fields.values():
        with findings.at(key.place):
            found[_parameter(key.text)] = kinds[one_of(kinds)(value)]
    repeated = sum(one.one_policy_each for one in found.values())
    if len(found) > MAX_PARAMETERS or repeated > 1:
        raise Refused(
            code="template-parameters",
            what=f"these are {len(found)} parameters, {repeated} of them of services or peers",
            why="a template is written once for each service or peer of one list, so it has one such list",
            fix=f"keep one parameter of the kind services or peers, and at most {MAX_PARAMETERS} altogether",
            place=node.place,
        )
    return found


def _parameter(name: str) -> str:
    if not _PARAMETER_NAME.fullmatch(name) or name in _RESERVED:
        raise Refused(
            code="template-parameters",
            what=f"{shown(name)} cannot be the name of a parameter",
            why=f"it is 1 to 31 lower-case letters and underscores, and none of {', '.join(sorted(_RESERVED))}",
            fix="choose a name such as callers",
        )
    return name


def _owner(node: Node) -> str:
    owner = text(node)
    if not _OWNER.fullmatch(owner):
        raise wrong_type("the name of a group such as shop-team", node)
    return owner


def _tests(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Items):
        raise wrong_type("a list such as [{for: shop/payments, with: {}, cases: []}]", node)
    return _some(node.items, node)


def _some(items: tuple[T, ...], node: Node) -> tuple[T, ...]:
    if isinstance(node, Items) and not node.items:
        raise Refused(
            code="template-incomplete",
            what="this list is empty",
            why="a template has owners, and a test that shows what it allows and what it denies",
            fix="fill the list",
            place=node.place,
        )
    return items


def _check_text(file: str, cedar: str, parameters: Mapping[str, Kind], findings: Findings) -> None:
    with findings.at(Place(file, 1)):
        found = words(file, cedar)
        _check_one_policy(found)
        slots = {word.start: word for word in found if word.kind == "slot"}
        for one in PARAMETER.finditer(cedar):
            with findings.at(_place_of(file, cedar, one.start())):
                if one.start() not in slots:
                    raise _within(one[0])
                if one[1] not in parameters and one[1] not in OF_THE_SERVICE:
                    raise _undeclared(one[0], parameters)
        used = {one[1] for one in PARAMETER.finditer(cedar)}
        for name in sorted(set(parameters) - used):
            raise Refused(
                code="template-parameters",
                what=f"${name} stands nowhere in the template",
                why="a parameter that has no effect would look as if it had one",
                fix="use it in the .cedar file, or remove it from parameters",
            )


def _check_one_policy(found: tuple[Word, ...]) -> None:
    ends = [word for word in found if word.text == ";"]
    if len(ends) != 1 or found[-1] is not ends[0]:
        raise Refused(
            code="template-one-policy",
            what="a template is exactly one policy, up to its semicolon",
            why="a use names the rules that come of it, and two of them would have one name",
            fix="make a template of each policy",
        )
    for at, name in pairwise(found):
        if at.text == "@" and name.text == "id":
            raise Refused(
                code="template-one-policy",
                what="this template gives its rule a name",
                why="the use in policy.yaml does that, by its id or the template's name",
                fix="remove @id",
                place=at.place,
            )


def _within(name: str) -> Refused:
    return Refused(
        code="template-parameters",
        what=f"{name} stands within a string, a comment or another word",
        why="a value put there could become Cedar of its own",
        fix="let it stand alone, where a service, a list of operations or a string stands",
    )


def _undeclared(name: str, parameters: Mapping[str, Kind]) -> Refused:
    known = sorted({*parameters, *OF_THE_SERVICE})
    return Refused(
        code="template-parameters",
        what=f"{name} is no parameter of this template{nearest(name[1:], known)}",
        why="nothing would fill it",
        fix=f"declare it under parameters in the .yaml file, or use one of {', '.join(f'${one}' for one in known)}",
    )


def _place_of(file: str, cedar: str, at: int) -> Place:
    return Place(file, cedar.count("\n", 0, at) + 1, at - cedar.rfind("\n", 0, at))
