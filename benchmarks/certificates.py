"""A certificate for the server, and the authority that signs it; both are made in each run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen


@frozen
class Certificates:
    """The files of a certificate."""

    authority: Path
    chain: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """Make a certificate of the loopback interface in a folder."""
        import trustme  # noqa: PLC0415 -- the processes of contenders do not have it

        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1")
        made = cls(folder / "authority.pem", folder / "chain.pem", folder / "key.pem")
        folder.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(made.authority)
        made.chain.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(made.key)
        return made

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables by which clients find the authority; `requests` has one of its own."""
        return {"SSL_CERT_FILE": str(self.authority), "REQUESTS_CA_BUNDLE": str(self.authority)}
