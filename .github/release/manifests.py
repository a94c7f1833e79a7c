"""Fills in the manifests of package managers, and the bill of materials.

What an archive is called and what its sum is comes from the folder itself: a
manifest can't name a file that is not there.
"""
import datetime
import hashlib
import json
import pathlib
import sys

out, version, date, url, sbom, epoch = sys.argv[1:]
out, here = pathlib.Path(out), pathlib.Path(__file__).parent / "managers"
names = {"MSI": f"drawbridge_{version}_windows_amd64.msi"}
for arch in "amd64", "arm64":
    names[f"LINUX_{arch.upper()}"] = f"drawbridge_{version}_linux_{arch}.tar.gz"
    names[f"DARWIN_{arch.upper()}"] = f"drawbridge_{version}_darwin_{arch}.tar.gz"
    names[f"WINDOWS_{arch.upper()}"] = f"drawbridge_{version}_windows_{arch}.zip"
    names[f"APP_{arch.upper()}"] = f"Drawbridge_{version}_{arch}.app.zip"
values = {"VERSION": version, "DATE": date, "URL": url} | names
for key, name in names.items():
    values["SHA_" + key] = hashlib.sha256((out / name).read_bytes()).hexdigest()
for template in sorted(here.iterdir()):
    text = template.read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    if "@" in text:
        sys.exit(f"{template.name}: a name was not filled in")
    target = out / "managers" / template.name.replace("winget.", "winget/Drawbridge.Drawbridge.").replace(".version.yaml", ".yaml")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)

bill = json.loads(pathlib.Path(sbom).read_text())
bill["metadata"]["timestamp"] = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).isoformat().replace("+00:00", "Z")
bill["metadata"]["component"]["version"] = version
(out / f"drawbridge_{version}.cdx.json").write_text(json.dumps(bill, indent=1) + "\n")
