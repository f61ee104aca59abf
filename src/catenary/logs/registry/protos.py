"""Protobuf's own schema language to descriptors, by protoc, which `grpcio-tools` brings along."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catenary.errors import DefinitionError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONE = threading.Lock()
"""protoc writes to the process's own stderr, which is turned aside for it."""


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
    try:
        import grpc_tools
        from grpc_tools import protoc
    except ImportError as error:
        raise UnsupportedError(
            "reading .proto files needs the grpcio-tools package",
            hint="pip install 'catenary[protobuf]', or give a set of descriptors made with protoc",
        ) from error
    run: Any = protoc.main
    own = Path(str(grpc_tools.__file__)).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        words = [
            "protoc", f"-I{root}", f"-I{own}", "--include_imports", f"--descriptor_set_out={made}", str(file),
        ]  # fmt: skip
        with _ONE, _said(Path(folder) / "said") as said:
            code = run(words)
        if code != 0:
            line = said.getvalue().strip().replace(f"{root}/", "").splitlines()
            raise DefinitionError(
                f"a Protobuf schema does not compile: {line[0] if line else 'protoc failed'}",
                where=file.name,
            )
        return made.read_bytes()


@contextlib.contextmanager
def _said(file: Path) -> Any:
    """What is written to the process's stderr meanwhile, by C++ too."""
    found = io.StringIO()
    kept = os.dup(2)
    try:
        with file.open("wb") as out:
            os.dup2(out.fileno(), 2)
        yield found
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        found.write(file.read_text(errors="replace"))
