"""The parts of the documentation that are made from the code and from what was measured."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import confusion
import measured
from tables import table

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SOURCE = ROOT / "src" / "spinfunnel"


def prose(docstring: str | None) -> str:
    """Turn a docstring in the house's style into markdown: sections to lists, examples to fenced blocks."""
    out: list[str] = []
    section = example = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        text = line.strip()
        if example and not text:
            out.append("```")
        if not example and text.startswith(">>>"):
            out += ["", "```pycon"]
        example = bool(text) and (example or text.startswith(">>>"))
        item = re.match(r"( {4})(\S[^:]*): (.*)", line) if section and not example else None
        if re.fullmatch(r"(Args|Attributes|Raises|Returns):", text):
            section = True
            out += ["", f"**{text}**", ""]
        elif item:
            out.append(f"- `{item[2]}`: {item[3]}")
        else:
            section = section and (not text or line.startswith(" "))
            out.append(line if example or not section else f"  {text}")
    text = "\n".join([*map(str.rstrip, out), *(["```"] if example else [])])
    return re.sub(r"\n{3,}", "\n\n", text.rstrip()) + "\n"


# Reference: the command line.


def commands() -> str:
    """Every command with its arguments and options, from the objects that parse them."""
    import typer.main

    from spinfunnel.cli import app

    group = typer.main.get_command(app)
    text = ""
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join(a.name.upper() if a.required else f"[{a.name.upper()}]" for a in arguments)
        rows = []
        for param in command.params:
            if getattr(param, "hidden", False):
                continue
            word = param.name.upper() if param in arguments else ", ".join(sorted(param.opts, key=len))
            default = f"`{param.default}`" if param.default not in (None, "") else ""
            default = "" if param.default is False else default
            rows.append([f"`{word}`", default, getattr(param, "help", "") or ""])
        text += f"## {name}\n\n{inspect.cleandoc(command.help)}\n\n"
        text += f"```text\nspinfunnel {name} [OPTIONS]{' ' * bool(usage)}{usage}\n```\n\n"
        text += table(["option", "default", "meaning"], rows) + "\n"
    return text.rstrip() + "\n"


# Reference: the report's JSON and the public names.


def report_fields() -> str:
    """The fields of the report's JSON, from the schema that ships."""
    schema = json.loads((SOURCE / "data" / "report-schema-1.json").read_text())
    text = f"{schema['description']}\n\n"
    text += "## Report\n\n" + _fields(schema)
    for name, part in schema["$defs"].items():
        if part.get("type") == "object":
            text += f"\n## {name.capitalize()}\n\n"
            text += f"{part['description']}\n\n" if "description" in part else ""
            text += _fields(part)
    return text


def _fields(part: dict[str, Any]) -> str:
    needed = set(part.get("required", ()))
    rows = [
        [
            f"`{key}`",
            f"{_type(field)}{'' if key in needed else ', may be absent'}",
            field.get("description", ""),
        ]
        for key, field in part.get("properties", {}).items()
    ]
    return table(["field", "type", "meaning"], rows)


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    for key in ("anyOf", "oneOf"):
        if key in field:
            return " or ".join(dict.fromkeys(_type(one) for one in field[key]))
    kinds = field.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    said = " or ".join(kinds)
    if "array" in kinds and "items" in field:
        return said.replace("array", f"list of {_type(field['items'])}")
    if isinstance(field.get("additionalProperties"), dict):
        return f"{said}, each {_type(field['additionalProperties'])}"
    return said


def public_names() -> str:
    """The public names, in the order of use, from their docstrings."""
    import spinfunnel as sf
    from spinfunnel.instruments import NAMES, instrument

    order = [
        "diagnose", "Report", "Finding", "Verdict", "Number", "Table", "Series", "Subject", "subject_of",
        "Instrument", "SpinfunnelError", "BadInput", "UnsafeFile",
    ]  # fmt: skip
    names = order + sorted({*sf.__all__} - {*order, "__version__"})
    text = ""
    for name in names:
        one = getattr(sf, name)
        text += f"## {name}\n\n```py\n{signature(name, one)}\n```\n\n{prose(one.__doc__)}\n"
        for method, what in _methods(one):
            shown = f"{name}[instrument]" if method == "__getitem__" else f"{name}.{method}"
            text += f"### {shown}\n\n"
            if not isinstance(what, property):
                text += f"```py\n{signature(method, what)}\n```\n\n"
            text += f"{prose(inspect.getdoc(what))}\n"
        if name == "diagnose":
            text += "## One instrument\n\nEvery instrument is callable by its name, on anything that "
            text += "`diagnose` takes and on a single array, and gives a `Finding`.\n\n"
            rows = [[f"`sf.{one}(source, seed=0, effort='normal')`", instrument(one).what] for one in NAMES]
            text += table(["call", "looks at"], rows) + "\n"
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def _methods(one: Any) -> Iterator[tuple[str, Any]]:
    for name, what in vars(one).items() if isinstance(one, type) else ():
        what = what.__func__ if isinstance(what, classmethod | staticmethod) else what
        is_ours = inspect.isfunction(what) or isinstance(what, property)
        if is_ours and inspect.getdoc(what) and (not name.startswith("_") or name == "__getitem__"):
            yield name, what


def signature(name: str, one: Any) -> str:
    """Write a signature, one parameter a line when it is long."""
    if isinstance(one, type) and issubclass(one, Exception):
        return f"class {name}({one.__base__.__name__})"
    found = inspect.signature(one)
    bare, said, star = inspect.Parameter.empty, [], False
    for parameter in found.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            star = True
            said.append("*")
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        kind = "" if parameter.annotation is bare else f": {_annotation(parameter.annotation)}"
        default = "" if parameter.default is bare else f" = {_default(parameter.default)}"
        said.append(f"{prefix}{parameter.name}{kind}{default}")
    gives = found.return_annotation
    arrow = "" if gives is bare or isinstance(one, type) else f" -> {_annotation(gives)}"
    line = f"{name}({', '.join(said)}){arrow}"
    if len(line) <= 90:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in said) + f"){arrow}"


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(value: Any) -> str:
    return "..." if "factory" in repr(value) else repr(value)


# The architecture.


def floors() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Give the floors from the top, as import-linter holds them: name, [(module, what it is for)]."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    for layer in layers:
        yield layer, [(name.strip("() "), _purpose(name.strip("() "))) for name in layer.split("|")]


def _purpose(module: str) -> str:
    path = SOURCE / f"{module}.py"
    path = path if path.is_file() else SOURCE / module / "__init__.py"
    if not path.is_file():
        return ""
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    first = " ".join(said.split("\n\n")[0].split())
    return first if first.endswith(".") else f"{first}."


def floor_drawing() -> str:
    """The floors as a drawing; what is planned is dashed."""
    rows = list(floors())
    wide, high, gap = 640, 30, 8
    total = len(rows) * (high + gap)
    parts = [
        f'<div><svg viewBox="0 0 {wide + 70} {total}" width="100%" role="img" fill="none" '
        'stroke="currentColor" '
        f'aria-label="The floors of the package, from cli at the top to core at the bottom">'
    ]
    for i, (_, modules) in enumerate(rows):
        y, width = i * (high + gap), (wide - gap * (len(modules) - 1)) / len(modules)
        for j, (module, purpose) in enumerate(modules):
            x = j * (width + gap)
            dash = "" if purpose else ' stroke-dasharray="4 4" opacity="0.55"'
            words = module if purpose else f"{module} (planned)"
            parts.append(
                f'<rect x="{x + 1:g}" y="{y + 1}" width="{width - 2:g}" height="{high - 2}" rx="4"{dash}/>'
            )
            parts.append(
                f'<text x="{x + width / 2:g}" y="{y + 20}" font-size="14" text-anchor="middle" '
                f'fill="currentColor" stroke="none">{words}</text>'
            )
    x = wide + 22
    parts.append(f'<path d="M{x} 10 V{total - 20} m-6 -10 l6 10 l6 -10"/>')
    parts.append(
        f'<text x="{x + 18}" y="{total / 2:g}" font-size="14" text-anchor="middle" fill="currentColor" '
        f'stroke="none" transform="rotate(90 {x + 18} {total / 2:g})">imports</text>'
    )
    return "\n".join([*parts, "</svg></div>"]) + "\n"


def floor_table() -> str:
    """What each module is for: the first line of its docstring."""
    rows = [[f"`{module}`", purpose] for _, modules in floors() for module, purpose in modules if purpose]
    return table(["module", "what it is for"], rows)


def planned_floors() -> str:
    """The floors that are drawn but not built."""
    names = [f"`{module}`" for _, modules in floors() for module, purpose in modules if not purpose]
    return f"Planned, and not there yet: {', '.join(names)}.\n" if names else "All of them are built.\n"


def demo_table() -> str:
    """The networks that ship, by what their files say of themselves."""
    from safetensors import safe_open

    rows = []
    for path in sorted((SOURCE / "data" / "demo").glob("*.safetensors")):
        with safe_open(path, "np") as file:
            said = file.metadata()
        accuracies = [f"{100 * float(said[f'{part}_accuracy']):.1f} %" for part in ("train", "test")]
        rows.append([f"`{path.stem}`", said["story"], *accuracies])
    return table(["network", "history", "accuracy on its training labels", "on test data"], rows)


def question_table() -> str:
    """Which instruments answer which question today."""
    from spinfunnel.core import QUESTIONS
    from spinfunnel.instruments import NAMES, instrument

    rows = []
    for key, question in QUESTIONS.items():
        mine = [instrument(name) for name in NAMES if instrument(name).question == key]
        wanted = sorted({need for one in mine for need in one.needs})
        needs = ", ".join(need for need in wanted if not need.startswith("finding:") and need[-1] != "?")
        rows.append([question, ", ".join(f"`{one.name}`" for one in mine) or "planned", needs])
    return table(["question", "instruments today", "what they need"], rows)


def weightwatcher_table() -> str:
    """Where our value differs: theirs as recorded, ours measured now on the same arrays."""
    from measure_weightwatcher import differences

    record = json.loads((DOCS / "weightwatcher.json").read_text())
    ours = differences()
    rows = [[what, record["found"][key], said] for key, (what, said) in ours.items()]
    return table(["what was tried", f"WeightWatcher {record['version']}", "spinfunnel"], rows)


# Systems with known answers.

#: The labels of calibration rows that concern a system, where they do not begin with its name.
LABELS = {
    "ising1d": r"(ring|chain) of",
    "ising2d": r".*\btorus",
    "ising-triangular": r".*triangular",
    "mattis": r"Mattis|all to all",
    "ea": r"(Gaussian )?EA\b",
    "sk": r"Gaussian SK",
    "hopfield": r"Hopfield",
    "pspin": r"\d-spin",
    "rem": r"REM, ",
    "rem-native": r".*native state",
    "wishart": r"Wishart",
    "tiles2d": r"tiles F",
    "tiles3d": r"tiles, first cube",
    "nishimori": r".*Nishimori line",
    "xorsat": r"3-XORSAT",
    "spherical-pspin": r"spherical ",
    "lj": r"LJ\d",
    "perceptron": r"(binary )?perceptron(,(?! taught)|$)",
    "teacher": r"binary perceptron, taught",
    "mueller-brown": r"Mueller-Brown",
}

#: What a system offers, by the protocols it states.
OFFERS = {
    "Pairwise": "pair couplings",
    "Flips": "flip costs",
    "Moves": "moves of its own",
    "Smooth": "gradient and Hessian",
    "Metric": "overlaps",
    "Native": "a native state",
    "Planted": "a certificate that it is the ground state",
}


def system_card(name: str) -> str:
    """The Hamiltonian of a system, its size and parameters by default, what it offers, and its source."""
    from spinfunnel.systems import MAKERS, SIZE, SIZES, parameters, protocols, system

    it, size = system(name), SIZES.get(name, SIZE)
    number = f"N = {size}" if it.size == size else f"L = {size}, so that N = {it.size}"
    offered = [said for key, said in OFFERS.items() if isinstance(it, getattr(protocols, key))]
    rows = [
        ["size, if none is given", number],
        ["parameters", ", ".join(f"`{key}={value}`" for key, value in parameters(name).items()) or "none"],
        ["offers", ", ".join(offered)],
    ]
    said = inspect.getdoc(MAKERS[name]) or ""
    found = re.search(r"\b(Sources?\b[^:.]*): (.*?)(?=\n\n|\Z)", said, re.DOTALL)
    if found:
        rows.append([found[1].lower(), " ".join(found[2].split()).rstrip(".")])
    convention = "\n    ".join(textwrap.wrap(it.convention, 92, break_long_words=False))
    return f"```text\n{convention}\n```\n\n{table(['name', f'`system:{name}`'], rows)}"


def system_facts(name: str) -> str:
    """All that is known of a system, computed now; what repeats the line above is a ditto."""
    from spinfunnel.systems.facts import facts

    rows, above = [], ["", ""]
    for fact in facts(name):
        said = "*literature*: " * (fact.kind == "literature") + fact.source
        cells = [fact.where, said]
        same = ["″" if cell == old else cell for cell, old in zip(cells, above, strict=True)]
        rows.append([fact.quantity, fact.text, *same])
        above = cells
    return table(["quantity", "value", "where it holds", "source"], rows)


@cache
def label(name: str) -> re.Pattern[str]:
    """What the labels of calibration rows that concern a system begin with."""
    return re.compile(rf"{re.escape(name)}(?![\w-])|{LABELS.get(name, '(?!)')}")


def system_checks(name: str) -> str:
    """The calibration rows that concern a system, by what exports them."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in measured.recorded().get("rows", []):
        if label(name).match(row["system"]):
            groups.setdefault(row["of"], []).append(row)
    if not groups:
        return "No recorded row is of this system alone. `testing.check_system` tests what it states.\n"
    lines = []
    for of, rows in groups.items():
        worst = max((abs(row["sigma"]) for row in rows if row["sigma"] is not None), default=None)
        failed = sum(not row["ok"] for row in rows)
        lines.append(
            [
                f"[{of}]({_calibrated_at(of)})",
                _some([row["system"] for row in rows], 4),
                _some([re.sub(r" \(\d+ of \d+, .\)$", "", row["quantity"]) for row in rows], 5),
                f"{len(rows)}, {failed or 'none'} failed",
                "exact rows" if worst is None else f"{worst:.1f} σ",
            ]
        )
    return table(["calibration", "on", "compares", "rows", "largest deviation"], lines)


def _calibrated_at(of: str) -> str:
    from spinfunnel.instruments import NAMES

    if (DOCS / "instruments" / f"{of}.md").is_file():
        return f"../instruments/{of}.md#how-it-is-checked"
    return f"../reference/{'instruments' if of in NAMES else 'calibration'}.md#{of}"


def _some(words: list[str], most: int) -> str:
    words = list(dict.fromkeys(words))
    more = f", and {len(words) - most} more" if len(words) > most else ""
    return "; ".join(words[:most]) + more


def systems_table() -> str:
    """Every system with its page, family by family, and the first two things known of it."""
    from spinfunnel.systems.facts import families

    text = ""
    for family, names in families().items():
        rows = []
        for name, facts in names.items():
            title = (
                (DOCS / "systems" / f"{name}.md").read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
            )
            known = [f"{fact} ({fact.where})" for fact in islice(facts(), 2)]
            rows.append([f"[`{name}`](systems/{name}.md)", title, "; ".join(known)])
        text += (
            f"### {family.capitalize()}\n\n{table(['system', 'what it is', 'known, for example'], rows)}\n"
        )
    return text.rstrip() + "\n"


def dynamics_table() -> str:
    """Every function that moves a system and gives a `Trace`, with its module and first sentence."""
    from importlib import import_module
    from pkgutil import iter_modules

    rows = []
    for found in iter_modules(import_module("spinfunnel.dynamics").__path__):
        module = import_module(f"spinfunnel.dynamics.{found.name}")
        for name, one in vars(module).items():
            if not inspect.isfunction(one) or one.__module__ != module.__name__ or name.startswith("_"):
                continue
            called = inspect.signature(one)
            if called.return_annotation == "Trace" and next(iter(called.parameters), "") == "system":
                said = (inspect.getdoc(one) or "").partition("\n\n")[0]
                rows.append([f"`{found.name}.{name}`", " ".join(said.split())])
    return table(["dynamics", "what it does"], rows)


def system_blocks() -> dict[str, Callable[[], str]]:
    """The three generated parts of the page of every system."""
    from spinfunnel.systems import MAKERS

    parts = {"card": system_card, "facts": system_facts, "checks": system_checks}
    return {f"{part} of {name}": partial(make, name) for name in MAKERS for part, make in parts.items()}


BLOCKS: dict[str, Callable[[], str]] = {
    "benchmarks": measured.benchmark_table,
    "benchmarks in short": measured.benchmark_summary,
    "calibration": measured.calibration_table,
    "calibration in short": measured.calibration_summary,
    "calibration of the maths": measured.maths_calibration,
    "command line": commands,
    "confusion": lambda: confusion.matrix(table),
    "confusion in short": lambda: confusion.classes(table),
    "confusion, published": lambda: confusion.published(table),
    "demo networks": demo_table,
    "dynamics": dynamics_table,
    "floors": floor_drawing,
    "modules": floor_table,
    "planned floors": planned_floors,
    "public names": public_names,
    "questions": question_table,
    "report fields": report_fields,
    "systems": systems_table,
    "weightwatcher": weightwatcher_table,
    **system_blocks(),
}
