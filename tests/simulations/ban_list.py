"""Finds what would make a run differ from its repetition: rules from a file's syntax tree to its offences.

ruff's TID251 bans most modules by name (pyproject.toml); what depends on how a value is used is found here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Final

# Modules that are the world outside, or that have an order or dice of their own.
MODULES: Final = {
    "asyncio": "another scheduler",
    "concurrent": "threads",
    "datetime": "the wall clock",
    "multiprocessing": "processes",
    "secrets": "dice of the operating system",
    "select": "the world outside",
    "selectors": "the world outside",
    "signal": "the world outside",
    "socket": "the world outside",
    "subprocess": "processes",
    "tempfile": "names that are drawn",
    "threading": "threads",
    "time": "the wall clock",
    "uuid": "dice of the operating system",
}
# Names of those modules that one needs for some things.
NAMES: Final = {
    "os.environ": "the world outside",
    "os.getpid": "a number that differs",
    "os.listdir": "an order that differs",
    "os.scandir": "an order that differs",
    "os.urandom": "dice of the operating system",
    "trio.from_thread": "threads",
    "trio.run_process": "processes",
    "trio.socket": "the world outside",
    "trio.to_thread": "threads",
    "weakref.WeakSet": "an order by address",
}
METHODS: Final = {"iterdir", "glob", "rglob", "walk"}  # Of a path: in the order of the disk.
FUNCTIONS: Final = {"hash": "it differs from process to process", "id": "it differs from process to process"}
SETS: Final = {"set", "frozenset", "AbstractSet", "MutableSet", "WeakSet"}
SET_METHODS: Final = {"union", "intersection", "difference", "symmetric_difference"}
SET_OPERATORS: Final = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
# What comes of these does not depend on the order of what goes in. (A sum of floats does.)
ORDERLESS: Final = {"all", "any", "frozenset", "len", "max", "min", "set", "sorted"}
ORDERED: Final = {
    "deque",
    "dict",
    "enumerate",
    "filter",
    "iter",
    "list",
    "map",
    "next",
    "reversed",
    "sum",
    "tuple",
    "zip",
}
ORDERED_METHODS: Final = {"choice", "extend", "fromkeys", "join", "sample", "shuffle"}

Offence = tuple[int, str]  # The line, and what is wrong there.


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` of a chain of names; "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def imports(tree: ast.AST, _attributes: frozenset[str]) -> Iterator[Offence]:
    """Whatever comes from outside: modules, and names of modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            found = [dotted(node)]
        else:
            continue
        for name in found:
            module = name.partition(".")[0]
            if module in MODULES and not isinstance(node, ast.Attribute):
                yield node.lineno, f"imports {module}: {MODULES[module]}"
                break
            if name in NAMES:
                yield node.lineno, f"uses {name}: {NAMES[name]}"


def dice(tree: ast.AST, _attributes: frozenset[str]) -> Iterator[Offence]:
    """Dice that nobody has seeded. `random.Random` may be named everywhere, and made in dice.py."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            yield node.lineno, "imports from random: name random.Random in full"
        elif isinstance(node, ast.Attribute) and dotted(node).startswith("random.") and node.attr != "Random":
            yield node.lineno, f"uses {dotted(node)}: dice that all share, seeded by the operating system"
        elif isinstance(node, ast.Call) and dotted(node.func) == "random.Random":
            yield node.lineno, "makes random.Random: ask talos_simulations.dice for a stream"


def calls(tree: ast.AST, _attributes: frozenset[str]) -> Iterator[Offence]:
    """Functions and methods whose answers differ from process to process, called or handed on."""
    shadowed = set(_shadowed(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for used in (node.func, *node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(used, ast.Name) and used.id in FUNCTIONS and used not in shadowed:
                yield used.lineno, f"uses {used.id}(): {FUNCTIONS[used.id]}"
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield node.lineno, f"calls {node.func.attr}(): in the order of the disk"


def _shadowed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the names that are not those of builtins, since a function around them has some of its own."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
            inside = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            own |= {node.id for node in inside if isinstance(node.ctx, ast.Store)}
            yield from (node for node in inside if node.id in own)


class Sets:
    """Tells which expressions of a file are sets, by what its names are annotated with, or given."""

    def __init__(self, tree: ast.AST, attributes: frozenset[str] = frozenset()) -> None:
        self._attributes = attributes  # Which other files annotate as sets.
        self._names = set[str]()
        before = -1
        while before != len(self._names):  # A name may be given another that is only found to be one.
            before = len(self._names)
            for node in ast.walk(tree):
                self._names |= set(self._named(node))

    def _named(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.AnnAssign(target=target, annotation=annotation) if _is_set_type(annotation):
                yield last_name(target)
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if _is_set_type(annotation):
                yield name
            case ast.Assign(targets=targets, value=value) if self.has(value):
                yield from filter(None, map(last_name, targets))
            case ast.NamedExpr(target=target, value=value) if self.has(value):
                yield target.id
            case ast.FunctionDef(name=name, returns=ast.expr() as returns) if _is_set_type(returns):
                yield f"{name}()"

    def has(self, node: ast.expr) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Subscript(value=func)):
                return last_name(func) in SETS
            case ast.Call(func=func):
                name = last_name(func)
                is_method = isinstance(func, ast.Attribute) and name in SET_METHODS
                return (isinstance(func, ast.Name) and name in SETS) or is_method or f"{name}()" in self._names
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, SET_OPERATORS):
                return any(self.has(side) or _is_keys(side) for side in (left, right))
            case ast.IfExp(body=body, orelse=orelse):
                return self.has(body) or self.has(orelse)
            case ast.BoolOp(values=values):
                return any(map(self.has, values))
            case ast.Name(id=name):
                return name in self._names
            case ast.Attribute(attr=name):
                return name in self._names or name in self._attributes
            case _:
                return False


def attributes_that_are_sets(trees: Iterable[ast.AST]) -> frozenset[str]:
    """Return the names that classes annotate as sets, and none as anything else."""
    fields = [
        (last_name(field.target), _is_set_type(field.annotation))
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for field in ast.walk(node)
        if isinstance(field, ast.AnnAssign)
    ]
    return frozenset(name for name, is_set in fields if is_set) - {name for name, is_set in fields if not is_set}


def _is_set_type(annotation: ast.expr) -> bool:
    """Say whether the annotation is that of a set, or of a set or something else."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_set_type(left) or _is_set_type(right)
        case ast.Subscript(value=value, slice=inner):
            return last_name(value) in SETS or (last_name(value) == "Final" and _is_set_type(inner))
        case ast.Name() | ast.Attribute():
            return last_name(annotation) in SETS
        case _:
            return False


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")


def orders(tree: ast.AST, attributes: frozenset[str]) -> Iterator[Offence]:
    """A set that something is done with in the order of its elements, which differs from process to process."""
    sets = Sets(tree, attributes)
    orderless = {
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and last_name(node.func) in ORDERLESS and len(node.args) == 1
        if not node.keywords or last_name(node.func) in ("set", "frozenset")
    }
    for node in ast.walk(tree):
        for walked in _walked(node, orderless):
            if sets.has(walked):
                yield walked.lineno, f"goes through a set in its order: {ast.unparse(walked)}"


def _walked(node: ast.AST, orderless: set[ast.expr]) -> Iterator[ast.expr]:
    """Yield the expressions whose elements this node takes in their order."""
    match node:
        case ast.For(iter=walked) | ast.AsyncFor(iter=walked) | ast.Starred(value=walked) | ast.YieldFrom(value=walked):
            yield walked
        case ast.ListComp(generators=generators) | ast.GeneratorExp(generators=generators) if node not in orderless:
            yield from (generator.iter for generator in generators)
        case ast.DictComp(generators=generators):
            yield from (generator.iter for generator in generators)
        case ast.Call(func=ast.Attribute(value=value, attr="pop"), args=[]):
            yield value
        case ast.Call(func=func, args=args):
            name = last_name(func)
            is_method = isinstance(func, ast.Attribute)
            if name in (ORDERED_METHODS if is_method else ORDERED) or (
                name in ("max", "min", "sorted") and node.keywords
            ):
                yield from args


Rule = Callable[[ast.AST, frozenset[str]], Iterator[Offence]]  # The second: attributes that are sets elsewhere.
RULES: Final[tuple[Rule, ...]] = (imports, dice, calls, orders)
