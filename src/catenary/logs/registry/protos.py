"""Protobuf's own schema language to descriptors, by protoc, which `grpcio-tools` brings along."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from catenary.errors import DefinitionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping


def descriptors(text: str, imports: Mapping[str, str], *, name: str = "schema.proto") -> bytes:
    """A FileDescriptorSet: the file last, what it imports before.

    Args:
        text: the file.
        imports: what it imports, by the names by which it does; Protobuf's own need not be given.
        name: of the file.

    Raises:
        DefinitionError: with protoc's words, if it is no schema.
        UnsupportedError: if `grpcio-tools` is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for each, held in {**imports, name: text}.items():
            path = root / each
            if not path.resolve().is_relative_to(root.resolve()):
                raise DefinitionError(f"a Protobuf schema imports {each!r}, which is no name of a file")  # fmt: skip
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(held, encoding="utf-8")
        return compiled(root / name, root)


def compiled(file: Path, root: Path) -> bytes:
    """A FileDescriptorSet of a .proto file; imports are looked for in `root`. Raises as `descriptors`."""
    if find_spec("grpc_tools") is None:
        raise UnsupportedError(
            "reading .proto files needs the grpcio-tools package",
            hint="pip install 'catenary[protobuf]', or give a set of descriptors made with protoc",
        )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        words = [f"-I{root}", "--include_imports", f"--descriptor_set_out={made}", str(file)]
        # In a process of its own: what a schema does to protoc, it does not do to a stage.
        done = subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", *words],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().replace(f"{root}/", "").splitlines()
            raise DefinitionError(
                f"a Protobuf schema does not compile: {said[0] if said else 'protoc failed'}",
                where=file.name,
            )
        return made.read_bytes()
