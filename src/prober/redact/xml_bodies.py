"""Redacts XML by the same tables as JSON, from a parse that refuses document types, entities and bottomless nesting."""

from __future__ import annotations

from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from prober.redact import documents
from prober.redact.json_bodies import DEEPEST, JsonGate
from prober.redact.placeholders import Seal
from prober.redact.tables import tables

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
NUMBERS = frozenset({"decimal", "integer", "positiveInt", "unsignedInt"})


class Unreadable(Exception):
    """The bytes are not XML that anybody should read; `at` is a byte offset."""

    def __init__(self, at: int, why: str = "") -> None:
        super().__init__(why)
        self.at = at
        self.why = why


class Node:
    """An element: its namespace and name, its attributes, its elements, and whether text stands in it."""

    __slots__ = ("attributes", "children", "name", "space", "words")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.space, _, self.name = name.rpartition("\n")
        self.attributes = attributes
        self.children: list[Node] = []
        self.words: list[str] = []


class _Refused(Exception):
    """Raised inside the parser, where its position is still that of the offence."""


def parse(data: bytes) -> Node:
    """The tree of an XML document. Raises Unreadable, and nothing else."""
    parser = expat.ParserCreate(namespace_separator="\n")
    parser.buffer_text = True
    stack: list[Node] = []
    roots: list[Node] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(stack) >= DEEPEST:
            raise _Refused(parser.CurrentByteIndex, "nested too deeply")
        node = Node(name, attributes)
        (stack[-1].children if stack else roots).append(node)
        stack.append(node)

    def end(_name: str) -> None:
        stack.pop()

    def words(text: str) -> None:
        if stack and text.strip():
            stack[-1].words.append(text)

    def refuse(*_: object) -> None:
        raise _Refused(parser.CurrentByteIndex, "document type refused")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = words
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse  # type: ignore[assignment]
    try:
        parser.Parse(data, True)
    except _Refused as refusal:
        raise Unreadable(max(refusal.args[0], 0), refusal.args[1]) from None
    except (expat.ExpatError, ValueError, LookupError, UnicodeError):
        raise Unreadable(max(parser.ErrorByteIndex, 0)) from None
    return roots[0]


def nodes(root: Node) -> list[Node]:
    """Every element of a tree, without recursion."""
    found = [root]
    for node in found:
        found.extend(node.children)
    return found


class XmlGate:
    """Gates XML trees under one run's seal."""

    def __init__(self, seal: Seal, leaves: JsonGate) -> None:
        self._seal = seal
        self._leaves = leaves

    def text(self, root: Node) -> str:
        """The redacted document, without declaration, comments and white space."""
        out: list[str] = []
        todo: list[tuple[Node, str, str, frozenset[str]] | str] = [(root, "Resource", "", frozenset())]
        while todo:
            step = todo.pop()
            if isinstance(step, str):
                out.append(step)
                continue
            node, holds, space, systems = step
            if node.space == XHTML and node.name == "div":
                out.append(f'<div xmlns="{XHTML}">{self._narrative(node)}</div>')
                continue
            if holds == "Resource" and node.name in tables().resources and node.space == FHIR:
                holds = node.name
            name = self._name(node, holds)
            kinds = tables().types.get(holds)
            inner = self._systems(node) if holds == "Coding" else frozenset()
            out += ("<", name, self._space(node, space), self._attributes(node, holds, systems))
            words = self._seal.text("".join(node.words)) if node.words else ""
            if not node.children and not words:
                out.append("/>")
                continue
            out += (">", escape(words))
            todo.append(f"</{name}>")
            for child in reversed(node.children):
                known = kinds.get(child.name) if kinds and child.space == FHIR else None
                slot = "Resource" if holds == "Resource" else known or documents.ANYTHING
                todo.append((child, slot, node.space, inner))
        return "".join(out)

    def _narrative(self, node: Node) -> str:
        said = "\n".join("".join((n.name, *n.words, *n.attributes.values())) for n in nodes(node))
        only = "".join(node.words).strip()
        return only if not node.children and self._seal.made(only) else self._seal.text(said)

    def _name(self, node: Node, holds: str) -> str:
        known = node.name in tables().names or holds == node.name or node.name in tables().resources
        return node.name if known else self._seal.text(node.name)

    def _space(self, node: Node, outer: str) -> str:
        if node.space == outer:
            return ""
        kept = node.space in (FHIR, XHTML, "")
        return f' xmlns="{node.space if kept else self._sealed_space(node.space)}"'

    def _sealed_space(self, space: str) -> str:
        return space if space.startswith("urn:") and self._seal.made(space[4:]) else f"urn:{self._seal.text(space)}"

    def _systems(self, node: Node) -> frozenset[str]:
        return frozenset(c.attributes["value"] for c in node.children if c.name == "system" and "value" in c.attributes)

    def _attributes(self, node: Node, holds: str, systems: frozenset[str]) -> str:
        shown = []
        for name, value in node.attributes.items():
            if name == "value":
                gated = self._value(value, holds, systems)
            elif name == "id":
                gated = self._seal.id(value)
            elif name == "url":
                gated = self._leaves.leaf(value, "extension")
            else:
                name, gated = self._seal.text(name), self._seal.text(value)
            shown.append(f" {name}={quoteattr(gated)}")
        return "".join(shown)

    def _value(self, value: str, holds: str, systems: frozenset[str]) -> str:
        if holds == "boolean":
            return value if value in ("true", "false") else self._seal.text(value)
        if holds in NUMBERS:
            return "1"
        if holds == "count":
            return value if value.isascii() and value.isdigit() and len(value) <= 12 else self._seal.text(value)
        return self._leaves.leaf(value, holds, systems)
