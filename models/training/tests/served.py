"""An exported bundle in the server itself, where it is built (`npx tsc -b`) and Node is there; tests are skipped elsewhere."""
from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVER = ROOT / "server" / "bin" / "hef-language-server.js"

needs_server = pytest.mark.skipif(
    not (ROOT / "server" / "dist" / "main.js").exists() or shutil.which("node") is None, reason="the server is not built"
)


def server(*args: object) -> str:
    done = subprocess.run(["node", str(SERVER), *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def complete(bundle: Path, cache: Path, folder: Path, path: str, line: int, column: int, context: str) -> dict:
    """The report of one completion (`complete --json`)."""
    return json.loads(server("complete", folder / path, "--folder", folder, "--line", line, "--column", column, "--context", context,
                             "--bundle", bundle, "--cache", cache, "--execution-provider", "cpu", "--threads", 1, "--json"))
