"""What a cell's code may touch, read from its text. Whatever cannot be read from it counts as touching everything."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# Packages that keep nothing between calls which other code could see, but for what STATE names below.
STATELESS = frozenset(
    """
    __future__ abc base64 bisect collections copy dataclasses decimal enum fractions functools hashlib heapq hmac
    itertools json labkit math matplotlib numbers numpy operator random re scipy secrets sklearn statistics string
    struct textwrap threading time typing
    """.split()  # noqa: SIM905
)
# What of labkit reaches a target, the judge or the disk: to name one is to touch what all who name it touch.
STATEFUL = frozenset({"check", "guess", "hint", "launch", "progress", "reveal"})
# Modules of labkit that do, and those that keep something between calls.
DOORS = frozenset(
    """
    checking control guessing judged launch learner_side loot mounting progress pulse webhook widgets
    """.split()  # noqa: SIM905
)
# Code that is not in the text, or names that are not: no reading helps.
_DYNAMIC = frozenset(
    """
    __builtins__ __import__ __loader__ __spec__ breakpoint compile delattr dir eval exec exit get_ipython globals help
    input locals open quit setattr vars
    """.split()  # noqa: SIM905
)
# Settings of a whole process, under whatever name their module goes.
_STATE = frozenset(
    """
    chdir config_context environ errstate filterwarnings ioff ion putenv rc rcParams rcParamsDefault rc_context rc_file
    rcdefaults register seed set_config set_printoptions set_state setbufsize setdefaulttimeout seterr seterrcall
    setprofile setrecursionlimit setstate settrace simplefilter switch_backend use xkcd
    """.split()  # noqa: SIM905
)
# Ways from a learner's code to what it does not name: modules and frames behind attributes, files, others' figures.
_WAYS = frozenset(
    """
    Thread Timer builtins cr_frame ctypes eval f_back f_builtins f_globals f_locals fromfile gc gca gcf genfromtxt
    get_figlabels get_fignums gi_frame importlib imread imsave inspect io launch load loadtxt memmap modules os
    progress read_text save savefig savetxt savez subprocess sys tb_frame tofile
    """.split()  # noqa: SIM905
)
_HISTORY = re.compile(r"_+|_i+|_i?\d+|In|Out|_oh|_ih|_dh")
_PLAIN_DUNDERS = frozenset({"__init__", "__name__", "__post_init__"})


@dataclass(frozen=True)
class Touches:
    """``names``: global names that the code loads, binds or deletes, inside functions, too, apart from what it merely
    imports; ``binds``: those it binds other than by import; ``imports``: what it imports under which name; ``alters``:
    those of whose attributes or elements it sets one. ``unreadable`` says why none of this suffices.
    """

    names: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    imports: tuple[tuple[str, str], ...] = ()
    alters: frozenset[str] = frozenset()
    unreadable: str = ""


@lru_cache(maxsize=4096)
def touches(source: str, *, learners: bool) -> Touches:
    """Read one cell. ``learners`` code is trusted less than the lab's own: it may look for what it does not name."""
    try:
        tree, table = ast.parse(source), symtable.symtable(source, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Touches(unreadable="it is not plain Python")
    names, binds, seen = set[str](), set[str](), set[str]()
    for symbol, top in _globals(table):
        name = symbol.get_name()
        if symbol.is_referenced():
            seen.add(name)
        if symbol.is_assigned() and not (top and symbol.is_imported()):
            binds.add(name)
        names.add(name)
    imports = tuple(_imports(tree.body))
    # Imported under this name, used or not: what that means depends on what it is elsewhere.
    names -= {name for name, _ in imports if name not in seen | binds}
    strange = sorted(seen & _DYNAMIC) or sorted(n for n in seen if _HISTORY.fullmatch(n))
    why = f"it uses {strange[0]}" if strange else _strange(tree, learners)
    plain = {n for n in names if not _HISTORY.fullmatch(n)}
    return Touches(frozenset(plain), frozenset(binds & plain), imports, frozenset(_altered(tree)), why)


def _globals(table: symtable.SymbolTable, top: bool = True) -> Iterator[tuple[symtable.Symbol, bool]]:
    """Every symbol that is, or may be, a global name."""
    for symbol in table.get_symbols():
        # In a class body a name that is bound there may still be loaded from outside before.
        in_class = table.get_type() == "class" and symbol.is_assigned() and symbol.is_referenced()
        if top or symbol.is_global() or in_class:
            yield symbol, top
    for child in table.get_children():
        yield from _globals(child, top=False)


def _imports(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """(name, origin) of what is imported at the top of a cell."""
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                whole = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or whole, whole
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name, f"{'.' * statement.level}{statement.module or ''}:{alias.name}"


def _strange(tree: ast.Module, learners: bool) -> str:
    """Why the text does not tell what the code touches; nothing if it does."""
    made = {n for node in ast.walk(tree) for n in _made_here(node)}
    for node in ast.walk(tree):
        why = _everybodys(node)
        if isinstance(node, ast.ImportFrom) and any(_hides(alias, node in tree.body) for alias in node.names):
            why = "it imports what reaches a target where its name does not show"
        if learners and not why:
            why = _learners(node, made)
        if why:
            return why
    return ""


def _hides(alias: ast.alias, at_top: bool) -> bool:
    return alias.name in STATEFUL and (not at_top or alias.asname not in (None, alias.name))


def _made_here(node: ast.AST) -> Iterator[str]:
    """Names that hold what a call has just returned: this code's own objects, but for classes that type() gives."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) != "type":
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _everybodys(node: ast.AST) -> str:
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        return "it imports everything from a module"
    if isinstance(node, ast.Attribute) and node.attr in _STATE:
        return f"it uses .{node.attr}"
    if isinstance(node, ast.ImportFrom) and any(alias.name in _STATE for alias in node.names):
        return "it imports a setting of the whole process"
    return ""


def _learners(node: ast.AST, made: set[str]) -> str:
    match node:
        case ast.Import(names=names):
            return "".join(_foreign(alias.name, "") for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            return "it imports from beside it" if level else "".join(_foreign(module or "", a.name) for a in names)
        case ast.Name(id="getattr"):
            return "it uses getattr"
        case ast.Constant(value=str(text)) if "__" in text or text in _STATE | _DYNAMIC:
            return "a text in it may be a name"
        case ast.Attribute(attr=attr, ctx=context):
            return _attribute(attr, context, node.value, made)
    return ""


def _foreign(module: str, name: str) -> str:
    package, *rest = module.split(".")
    if package not in STATELESS:
        return f"it imports {package}"
    if package == "labkit" and {*rest, name} & (DOORS | {"artefacts"}) - STATEFUL:
        return f"it imports {module}"
    if package == "labkit" and set(rest) & DOORS:
        return f"it imports {module}"
    return f"it imports {name}" if name in _WAYS - STATEFUL else ""


def _attribute(attr: str, context: ast.expr_context, owner: ast.expr, made: set[str]) -> str:
    base = owner.id if isinstance(owner, ast.Name) else ""
    if attr in _WAYS:
        return f"it uses .{attr}"
    if attr.startswith("_") and base not in ("self", "cls") and attr not in _PLAIN_DUNDERS:
        return f"it uses .{attr}"
    if not isinstance(context, ast.Load) and base != "self" and base not in made:
        return f"it sets .{attr} of something that it did not make"
    return "it uses a name with two underscores" if attr.startswith("__") and attr not in _PLAIN_DUNDERS else ""


def _altered(tree: ast.Module) -> Iterator[str]:
    """Names at the root of whatever the code sets by attribute or element."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            root: ast.expr = node
            while isinstance(root, (ast.Attribute, ast.Subscript)):
                root = root.value
            if isinstance(root, ast.Name):
                yield root.id


def is_builtin(name: str) -> bool:
    """Whether Python itself knows the name."""
    return hasattr(builtins, name)
