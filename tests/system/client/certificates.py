# SPDX-License-Identifier: Apache-2.0
"""Certificates of a test's own: an authority in a folder that is gone with the process, and what it signs."""

import atexit
import pathlib
import subprocess
import tempfile

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
NAMES = "DNS:localhost,IP:127.0.0.1"


def _openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, stdin=subprocess.DEVNULL, capture_output=True)


class Certificate:
    def __init__(self, base):
        self.certificate = f"{base}.pem"
        self.key = f"{base}.key"

    def options(self):
        """What farlane-gpud is told to be this one."""
        return ("--tls-cert", self.certificate, "--tls-key", self.key)

    def variables(self):
        """What a client is told to be this one."""
        return {"FARLANE_TLS_CERT": self.certificate, "FARLANE_TLS_KEY": self.key}


class Authority(Certificate):
    """Made when it is first needed."""

    def __init__(self):
        self._folder = None

    def __getattr__(self, name):
        if name not in ("certificate", "key"):
            raise AttributeError(name)
        self._folder = tempfile.TemporaryDirectory(prefix="farlane-certificates-")
        atexit.register(self._folder.cleanup)
        super().__init__(pathlib.Path(self._folder.name) / "authority")
        _openssl("req", "-x509", *_KEY, "-keyout", self.key, "-out", self.certificate, "-days", 2,
                 "-subj", "/CN=authority")
        return self.__dict__[name]

    def issue(self, who, names=NAMES, days=2):
        """Signed by this one; with -1 days it has expired."""
        made = Certificate(pathlib.Path(self.certificate).parent / who)
        request, extensions = made.certificate + ".request", made.certificate + ".extensions"
        pathlib.Path(extensions).write_text(f"subjectAltName={names}\n", encoding="utf-8")
        _openssl("req", *_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={who}")
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                 "-days", days, "-extfile", extensions, "-out", made.certificate)
        return made
