#!/usr/bin/env python3
"""Writes docs/reference.md: every public name, by header, with the first sentence of its docstring.

With --check it writes nothing, and fails, with the lines that change, where the page is not what the headers say.
A docstring (///) is that of all declarations after it up to an empty line; each declaration needs one. Headers are
read as clang-format leaves them: what stands in a namespace begins at the left margin, and nothing else does.
"""
import difflib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference.md"
FAMILIES = {"autograd": "Tensors and the tape", "ops": "Ops", "nn": "Modules, initialisers and files",
            "optim": "Optimizers", "models": "The character RNN"}
INTRODUCTION = """<!-- Written by scripts/reference.py from the headers' docstrings: change those, and run it. -->
# Reference

Every name of the public headers, in namespace `xgrad`, and the first sentence of what its header says about it. The
rest, such as shapes, errors and the members of classes, is there, and in the HTML that
`cmake --build build/release --target docs` makes where Doxygen is installed. Arguments that say where an op was called,
or which generator it draws from, are left out here.
"""

bare = []  # what lacks a docstring


def headers():
    """Those that cmake/headers.cmake lists, by family."""
    text = (ROOT / "cmake/headers.cmake").read_text()
    lists = re.findall(r"^set\(XGRAD_(?:PUBLIC|NAMED)_HEADERS\s([^)]*)\)", text, re.M)
    names = sorted(name for part in lists for name in part.split())
    if strange := [n for n in names if n.split("/")[0] not in FAMILIES]:
        sys.exit(f"scripts/reference.py: give the folder of {strange[0]} a title in FAMILIES")
    return [(family, [n for n in names if n.startswith(family + "/")]) for family in FAMILIES]


def split(text):
    """Split at commas outside of brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{<") - (c in ")]}>")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts if part.strip()]


def enclosed(text, closing):
    """The text up to the bracket that closes one before it."""
    depth = 1
    for i, c in enumerate(text):
        depth += (c in "([{<") - (c in closing)
        if depth == 0:
            return text[:i]
    return text


def declarator(text):
    """A parameter or member without its type: `lr = 1e-3`. None where that would tell nothing."""
    name, _, value = (part.strip() for part in text.partition("="))
    name = re.search(r"(\w*)(\)\[\w*\])?$", name)[1]
    if not name or "Location" in text or "Generator&" in text:
        return None
    return f"{name} = {value}" if value not in ("", "{}") else name


def sentence(doc):
    """The first sentence of a docstring, in Markdown."""
    paragraph = re.split(r"\n\s*\n", "\n".join(doc).strip())[0]
    first = re.split(r"(?<=\.)(?<!et al\.)\s+(?=[A-Za-z`(])", paragraph)[0]
    return re.sub(r"<(?=[^`]*(?:`[^`]*`[^`]*)*$)", "&lt;", re.sub(r"\s+", " ", first))


def name_of(declaration, body, scope):
    """What the page calls a declaration, or None for one that declares nothing new."""
    code = declaration
    while code.startswith("template <"):
        code = code[10 + len(enclosed(code[10:], ")]}>")) + 1:].strip()
    code = re.sub(r"^requires requires\(.*?\) \{.*?\} ", "", code)
    if re.match(r"extern |static_assert|\w+\(.*\) ->", code):
        return None
    if found := re.match(r"(class|struct|enum class|enum) (\w+)", code):
        if code.endswith(";") and "{" not in code:
            return None
        name = scope + found[2]
        if found[1].startswith("enum"):
            values = split(enclosed(code.partition("{")[2] + body, "}"))
            return f"`{name}` ({', '.join(v.partition('=')[0].strip() for v in values)})"
        return f"`{name}`"
    if found := re.match(r"(?:using|concept) (\w+) =", code):
        return f"`{scope}{found[1]}`"
    if found := re.match(r"[^(]*?(\w+) = ", code):
        return f"`{scope}{found[1]}`"
    for found in re.finditer(r"(operator *[^\s\w(]+|\w+)\(", code):
        if found[1] not in ("requires", "decltype"):
            arguments = [declarator(a) for a in split(enclosed(code[found.end():], ")]}>"))]
            return f"`{scope}{found[1]}({', '.join(a for a in arguments if a)})`"
    sys.exit(f"scripts/reference.py: cannot tell what this declares: {declaration}")


def options(body):
    """The lines of the members of a struct of options."""
    rows, code = [], ""
    for line in body.splitlines():
        text, _, doc = line.partition("///<")
        code += " " + text.partition("//")[0].strip()
        if doc and not code.strip():
            rows[-1][1].append(doc)
        elif code.endswith(";"):
            if "(" not in code:
                members = [declarator(part) for part in split(code.strip().rstrip(";"))]
                rows.append((", ".join(f"`.{m}`" for m in members if m), [doc]))
            code = ""
        elif doc:
            sys.exit(f"scripts/reference.py: the comment of a member stands after its end, not here: {line}")
    return [f"  - {names}" + (f": {sentence(doc)}" if doc[0] else "") for names, doc in rows]


def lines_of(path):
    """The lines of a header's names."""
    rows, doc, spaces, declaration, in_body = [], [], [], "", False
    lines = (ROOT / path).read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("///"):
            doc = (doc if lines[number - 1].startswith("///") else []) + [line[3:]]
        elif not line:
            doc, declaration = [], ""
        elif found := re.match(r"namespace ([\w:]*) ?\{", line):
            spaces.append(found[1])
        elif line.startswith("}"):
            if not in_body:
                spaces.pop()
            in_body = False
        elif not line.startswith(("//", "#")) and (declaration or not line.startswith(" ")):
            declaration = (declaration + " " + re.sub(r" *//.*", "", line)).strip()
            if declaration[-1] not in ";{}" or re.search(r"requires requires\(.*\) \{.*\}$", declaration):
                continue
            in_body = declaration[-1] == "{"
            body = "\n".join(lines[number + 1:]).partition("\n}")[0] if in_body else ""
            space = "::".join(spaces) + "::"
            public = space.startswith("xgrad::") and not re.search(r"detail|kernels|formulas", space)
            if name := public and name_of(declaration, body, space.removeprefix("xgrad::")):
                if not doc:
                    bare.append(f"{path}:{number + 1}: {name} has no docstring; put a line before it: /// What it is.")
                if not rows or rows[-1][1] is not doc:
                    rows.append(({}, doc, options(body) if name.endswith(("Options`", "Config`")) else []))
                rows[-1][0][name] = None
            declaration = ""
    for names, doc, members in rows:
        yield f"- {', '.join(names)}: {sentence(doc)}"
        yield from members


def page():
    text = INTRODUCTION
    for family, paths in headers():
        text += f"\n## {FAMILIES[family]}\n"
        for path in paths:
            if names := list(lines_of(path)):
                comment = re.match(r"(?://[^\n]*\n)+", (ROOT / path).read_text())[0]
                text += f"\n### {path}\n\n{sentence([comment.replace('//', '')])}\n\n" + "\n".join(names) + "\n"
    return text


present = PAGE.read_text() if PAGE.exists() else ""
wanted = page()
if bare:
    sys.exit("\n".join(bare))
if "--check" not in sys.argv:
    PAGE.write_text(wanted)
elif present != wanted:
    change = difflib.unified_diff(present.splitlines(), wanted.splitlines(), PAGE.name, "the headers", lineterm="", n=1)
    print(*change, sep="\n")
    sys.exit("docs/reference.md is not what the headers say; run scripts/reference.py and commit it")
