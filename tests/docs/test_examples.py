"""What the pages show works: Python runs, YAML loads, commands parse, and the tutorial's plugins pass their tests."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from documents import DOCS, NOT_A_CONFIGURATION, all_blocks, blocks, run
from modelmesh_core import MeshConfig
from modelmesh_core.cli import _parser

TRIED_ELSEWHERE = {"quickstart.md", "plugins.md", "hooks.md"}
"""The quickstart and the plugins have their own tests; those of the hooks are pasted in tests/test_hookspecs.py."""

PROGRAMS = [block for block in all_blocks("python") if block.page.name not in TRIED_ELSEWHERE]
CONFIGURATIONS = all_blocks("yaml")
COMMANDS = [
    pytest.param(command, id=f"{block.name}: {command}"[:80])
    for block in all_blocks("sh")
    for line in block.code.replace("\\\n", " ").splitlines()
    for command in re.split(r"\s[|>]\s", line)
    if command.strip().startswith("modelmesh ")
]


@pytest.mark.parametrize("block", all_blocks("python"), ids=lambda block: block.name)
def test_python_compiles(block):
    compile(block.code, block.name, "exec")


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
def test_python_runs(block, workplace):
    workplace(OPENAI_API_KEY="sk-good")
    run(block)


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=lambda block: block.name)
def test_yaml_loads_as_a_configuration(block):
    if block.before == NOT_A_CONFIGURATION:
        return
    assert MeshConfig.from_text(block.code, block.name).validate() == []


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command):
    words = shlex.split(command, comments=True)[1:]
    assert callable(_parser().parse_args(words).run)


def test_the_plugins_of_the_tutorial_pass_their_own_tests(tmp_path):
    for block in blocks(DOCS / "plugins.md", "python"):
        name = re.match(r"# (\w+\.py)\n", block.code)
        assert name, f"{block.name} does not say which file it is"
        (tmp_path / name[1]).write_text(block.code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
