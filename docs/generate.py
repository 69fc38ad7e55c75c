"""Write everything in the documentation that can be generated, so that none of it is typed.

    python docs/generate.py            # rewrites what has changed
    python docs/generate.py --check    # writes nothing; names what is stale and exits with 1

In every page the text between `<!-- generated: NAME -->` and `<!-- end -->` is replaced: by one of the blocks
in `blocks.py` and `instrument_pages.py`, or, where NAME is `$ spinfunnel ...`, by that command with its true
output.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

DOCS = Path(__file__).parent
ROOT = DOCS.parent
DEMO = ROOT / "src" / "spinfunnel" / "data" / "demo"
MARK = re.compile(r"<!-- generated: (?P<name>.+?) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
NUMBER = re.compile(r"\d+\.\d+")
#: What a plan expects of the machine it runs on.
EXPECTED = re.compile(r"about \d+ \w+ on (\d+ process\w*), \d+ MB each")

sys.path.insert(0, str(DOCS))


def sandbox(folder: Path) -> Path:
    """Lay out the files that examples use: the demo checkpoints, one as a model, a task, a pickle, ..."""
    for path in sorted(DEMO.glob("*.safetensors")):
        shutil.copy(path, folder)
    shutil.copy(DEMO / "half-frozen.safetensors", folder / "model.safetensors")
    shutil.copy(DEMO.parent / "task_template.py", folder / "task.py")
    (folder / "downloaded.pkl").write_bytes(b"\x80\x04]q\x00.")
    layers = load_file(DEMO / "trained.safetensors")
    layers["dense2.weight"] = layers["dense2.weight"].astype(np.float16).astype(np.float32)
    np.savez(folder / "halved.npz", **layers)
    return folder


def command_output(command: str, folder: Path) -> str:
    """Run one `spinfunnel ...` in a folder, 100 columns wide, without colour; give all it prints.

    Raises:
        RuntimeError: if it ended in a traceback.
    """
    name, *arguments = shlex.split(command)
    assert name == "spinfunnel", f"only spinfunnel is run here, not {name}"
    environment = {
        **os.environ,
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "XDG_CACHE_HOME": str(folder / ".cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from spinfunnel.cli import main; main()", *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", check=False,
    )  # fmt: skip
    if "Traceback" in done.stdout:
        raise RuntimeError(f"{command} crashed:\n{done.stdout}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.rstrip().splitlines())


def alike(old: str, new: str, tolerance: float = 0.02) -> bool:
    """Tell whether two outputs differ by no more than last digits, which another BLAS may change.

    >>> alike("alpha 2.345, 3 of 6", "alpha 2.346, 3 of 6"), alike("alpha 2.3", "alpha 9.3")
    (True, False)
    """
    old, new = (EXPECTED.sub(r"\1", text) for text in (old, new))
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    pairs = zip(map(float, NUMBER.findall(old)), map(float, NUMBER.findall(new)), strict=True)
    return all(abs(a - b) <= tolerance * max(abs(a), abs(b)) + 1e-9 for a, b in pairs)


def pages() -> list[Path]:
    """Every page of the documentation, README and CONTRIBUTING among them."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def filled() -> dict[Path, str]:
    """Give the text that every page should have."""
    import blocks
    import instrument_pages

    known = {**blocks.BLOCKS, **instrument_pages.BLOCKS}

    texts = {path: path.read_text(encoding="utf-8") for path in pages()}
    wanted = {found["name"] for text in texts.values() for found in MARK.finditer(text)}
    commands = sorted(name.removeprefix("$ ") for name in wanted if name.startswith("$ "))
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(2) as pool:
        folder = sandbox(Path(temporary))
        runs = [(command, pool.submit(command_output, command, folder)) for command in commands]
        made = {f"$ {command}": f"```console\n$ {command}\n{run.result()}```\n" for command, run in runs}
    made |= {name: known[name]() for name in wanted if not name.startswith("$ ")}

    def block(found: re.Match[str]) -> str:
        name, body = found["name"], f"\n{made[found['name']]}\n"
        if name.startswith("$ ") and alike(found["body"], body):
            body = found["body"]
        return f"<!-- generated: {name} -->\n{body}<!-- end -->"

    return {path: MARK.sub(block, text) for path, text in texts.items()}


def stale() -> dict[Path, str]:
    """Give the pages that are not what they should be, with the text they should have."""
    return {path: text for path, text in filled().items() if path.read_text(encoding="utf-8") != text}


def lacking() -> list[str]:
    """Say what pages lack: each system has facts, and a page with its parts and an example.

    Each instrument of a task has a page with its parts and sections, an example, and a picture.
    """
    from instrument_pages import OF_A_TASK, PARTS, SECTIONS

    from spinfunnel.systems import MAKERS
    from spinfunnel.systems.facts import table

    lacks = [f"{name} has no facts: write them in systems/facts/" for name in MAKERS if name not in table()]
    wanted = [(f"systems/{name}.md", name, ("card", "facts", "checks"), ()) for name in MAKERS]
    wanted += [(f"instruments/{name}.md", name, PARTS, SECTIONS) for name in OF_A_TASK]
    for page, name, parts, sections in wanted:
        path = DOCS / page
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        missing = sorted({f"{part} of {name}" for part in parts} - {m["name"] for m in MARK.finditer(text)})
        missing += [f'"{section}"' for section in sections if f"\n## {section}\n" not in text]
        missing += [] if "```python\n" in text else ["an example"]
        missing += ["a picture"] if sections and f"](../images/task-{name}.png)" not in text else []
        if missing:
            lacks.append(f"docs/{page} lacks {', '.join(missing)}")
    return lacks


def main() -> int:
    """Write what is stale, or only name it."""
    check = "--check" in sys.argv[1:]
    if lacks := lacking():
        print(*lacks, sep="\n")
        return 1
    for path, text in (found := stale()).items():
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and found:
        print("run `make docs`")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
