"""What the library weighs: import time, modules loaded by the import, and installed size without extras.

    python benchmarks/footprint.py

Goals: import at most 150 ms with no provider, server or YAML module; at most 25 MB installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("ruamel", "httpx", "uvicorn", "rich", "cryptography", "pyreqwest", "modelmesh_core.builtin", "cattrs")
IMPORT = f"""
import sys, time
started = time.perf_counter()
import modelmesh_core
print((time.perf_counter() - started) * 1000)
print(*[name for name in sys.modules if name.startswith({HEAVY!r})])
"""


def import_time(python: Path) -> tuple[float, str]:
    """Milliseconds (median of 5) and heavy modules that came along."""
    times: list[float] = []
    heavy = ""
    for _ in range(5):
        said = subprocess.run([python, "-c", IMPORT], capture_output=True, text=True, check=True, cwd="/").stdout
        first, _, heavy = said.partition("\n")
        times.append(float(first))
    return sorted(times)[2], heavy.strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        packages = next(Path(folder).glob("lib/*/site-packages"))
        before = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file())
        subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT], check=True)
        size = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file()) - before
        milliseconds, heavy = import_time(python)
    print(f"import modelmesh_core        {milliseconds:8.1f} ms   goal 150 ms   heavy modules: {heavy or 'none'}")
    print(f"installed without extras     {size / 1e6:8.1f} MB   goal 25 MB (bytecode included)")


if __name__ == "__main__":
    sys.exit(main())
