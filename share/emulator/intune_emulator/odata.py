"""$filter: the part of OData that Graph's managedDevices takes, and the part it
does not honour but swallows."""

import re

from .devices import SCHEMA, fold, instant

TOKEN = re.compile(r"""\s*(?:
    (?P<string>'(?:[^']|'')*')
  | (?P<date>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))
  | (?P<guid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})
  | (?P<number>-?\d+)
  | (?P<word>[A-Za-z_][A-Za-z0-9_./]*)
  | (?P<punct>[(),])
)""", re.X)
OPERATORS = ("eq", "ne", "gt", "ge", "lt", "le")


class FilterError(Exception):
    """Not OData at all: the answer is a 400."""


class Ignored(Exception):
    """Fine OData that Graph does not honour here: the answer is everybody."""


def tokens(text):
    out, at = [], 0
    while text[at:].strip():
        m = TOKEN.match(text, at)
        if m is None:
            raise FilterError(f"Syntax error at position {at} in '{text}'.")
        kind = m.lastgroup
        value = m.group(kind)
        if kind == "string":
            value = value[1:-1].replace("''", "'")
        out.append((kind, value))
        at = m.end()
    return out + [("end", "")]


class Parser:
    """Recursive descent; gives nested tuples: ("and"|"or", [terms]), ("not", term),
    (operator, property, literal)."""

    def __init__(self, text):
        self.text = text
        self.toks = tokens(text)
        self.at = 0
        self.depth = 0

    def fail(self):
        raise FilterError(f"Syntax error: unexpected '{self.toks[self.at][1]}' in '{self.text}'.")

    def next(self, kind, value=None):
        k, v = self.toks[self.at]
        if k != kind or (value is not None and v != value):
            self.fail()
        self.at += 1
        return v

    def word(self, value):
        if self.toks[self.at] == ("word", value):
            self.at += 1
            return True
        return False

    def parse(self):
        tree = self.either()
        self.next("end")
        return tree

    def either(self):
        terms = [self.both()]
        while self.word("or"):
            terms.append(self.both())
        return terms[0] if len(terms) == 1 else ("or", terms)

    def both(self):
        terms = [self.term()]
        while self.word("and"):
            terms.append(self.term())
        return terms[0] if len(terms) == 1 else ("and", terms)

    def term(self):
        self.depth += 1
        if self.depth > 100:
            raise FilterError("The node count limit of '100' has been exceeded.")
        try:
            if self.word("not"):
                return ("not", self.term())
            if self.toks[self.at] == ("punct", "("):
                self.at += 1
                tree = self.either()
                self.next("punct", ")")
                return tree
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self):
        name = self.next("word")
        if self.toks[self.at] == ("punct", "("):
            self.at += 1
            prop = self.next("word")
            self.next("punct", ",")
            value = self.next("string")
            self.next("punct", ")")
            return (name, prop, value)
        operator = self.next("word")
        if operator not in OPERATORS:
            self.fail()
        kind, value = self.toks[self.at]
        if kind == "word" and value in ("null", "true", "false"):
            value = {"null": None, "true": True, "false": False}[value]
        elif kind not in ("string", "date", "guid", "number"):
            self.fail()
        self.at += 1
        return (operator, name, value)


def leaves(tree):
    if tree[0] in ("and", "or"):
        return [leaf for term in tree[1] for leaf in leaves(term)]
    if tree[0] == "not":
        return leaves(tree[1])
    return [tree]


def check(tree):
    """Raises Ignored unless the whole filter is one that Graph honours."""
    if tree[0] == "not":
        raise Ignored("not")
    if tree[0] == "or" and len({leaf[1] for leaf in leaves(tree)}) > 1:
        raise Ignored("or across properties")
    if tree[0] in ("and", "or"):
        for term in tree[1]:
            check(term)
        return
    operator, prop, _ = tree
    if operator not in SCHEMA.get(prop, ("", ""))[1].split():
        raise Ignored(prop)


def holds(tree, device):
    operator = tree[0]
    if operator == "and":
        return all(holds(t, device) for t in tree[1])
    if operator == "or":
        return any(holds(t, device) for t in tree[1])
    _, prop, want = tree
    have = device.value(prop) if prop != "complianceState" \
        else device.properties().get(prop)		# grace may have run out
    if operator == "contains":
        return isinstance(have, str) and want.lower() in have.lower()
    if operator in ("eq", "ne"):
        return (fold(have) == fold(want)) == (operator == "eq")
    a, b = instant(have), instant(want)
    if a is None or b is None:
        return False
    return {"gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b}[operator]


def select(text, store):
    """The devices the filter leaves, in list order.  FilterError, Ignored."""
    tree = Parser(text).parse()
    check(tree)
    for operator, prop, want in [tree] if tree[0] == "eq" else \
            [t for t in tree[1] if t[0] == "eq"] if tree[0] == "and" else []:
        if prop in store.INDEXED and isinstance(want, str):
            return [d for d in store.equal(prop, want) if holds(tree, d)]
    return [d for d in list(store.order) if holds(tree, d)]
