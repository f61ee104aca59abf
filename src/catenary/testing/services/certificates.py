"""A certificate for servers of the loopback that tests start, which vouches for itself."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from catenary.errors import UnsupportedError
from catenary.testing.services.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path


class Certificate(NamedTuple):
    """Files in PEM.

    Attributes:
        certificate: of the server; clients take it as the authority's, too.
        key: of the server.
        both: key and certificate in one file.
    """

    certificate: Path
    key: Path
    both: Path


def certificate(folder: Path) -> Certificate:
    """Make one in a folder.

    Raises:
        UnsupportedError: if there is no openssl on this machine.
    """
    program = shutil.which("openssl")
    if program is None:
        raise UnsupportedError(
            "there is no openssl on this machine", hint="apt-get install openssl"
        )
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "both.pem")
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-nodes", "-days", "2", "-subj", "/CN=tests"]
    words += ["-addext", f"subjectAltName=IP:{HOST},DNS:localhost"]
    words += ["-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([program, *words], check=True, capture_output=True)
    made.both.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    return made
