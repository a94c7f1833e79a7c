"""Makes the .msi of the folder it runs in: msi.py OUT VERSION EPOCH.

wixl knows no environment variables, and has a product code only that is given
to it: both come from here, with a time that is the commit's.
"""
import pathlib
import subprocess
import sys
import time
import uuid

out, version, epoch = sys.argv[1:]


def code(what):
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://github.com/drawbridge-app/drawbridge/{version}/{what}")).upper() + "}"


subprocess.run(["wixl", "--arch", "x64", "-D", f"VERSION={version}", "-D", f"PRODUCT={code('product')}", "-o", out, "drawbridge.wxs"], check=True)
# "=-": set when installed, removed when not; "[~]" keeps what PATH has.
tables = {"Environment": "Environment\tName\tValue\tComponent_\ns72\tl255\tL255\ts72\nEnvironment\tEnvironment\nPATH\t=-PATH\t[~];[INSTALLDIR]\tPath\n"}
for name, text in tables.items():
    idt = pathlib.Path(name + ".idt")
    idt.write_text(text.replace("\n", "\r\n"))
    subprocess.run(["msibuild", out, "-i", str(idt)], check=True)
steps = [("RemoveEnvironmentStrings", 3300), ("WriteEnvironmentStrings", 5200)]
for action, at in steps:
    subprocess.run(["msibuild", out, "-q", f"INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('{action}', {at})"], check=True)
subprocess.run(["msibuild", out, "-s", "Drawbridge", "The Drawbridge authors", "x64;1033", code("package")], check=True)

# The times in its summary (VT_FILETIME, 100 ns since 1601) are of just now.
now, ticks = time.time(), lambda seconds: int(seconds + 11_644_473_600) * 10_000_000
data = bytearray(pathlib.Path(out).read_bytes())
found = 0
at = data.find(b"\x40\0\0\0")
while at >= 0:
    if ticks(now - 600) < int.from_bytes(data[at + 4 : at + 12], "little") <= ticks(now + 1):
        data[at + 4 : at + 12] = ticks(int(epoch)).to_bytes(8, "little")
        found += 1
    at = data.find(b"\x40\0\0\0", at + 1)
if found != 2:
    sys.exit(f"{out}: {found} times in its summary, not 2")
pathlib.Path(out).write_bytes(data)
