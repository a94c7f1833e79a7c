"""Puts the icons of a folder together: Drawbridge.icns and drawbridge.ico."""
import pathlib
import struct
import sys

folder = pathlib.Path(sys.argv[1])


def png(size):
    return (folder / f"icon{size}.png").read_bytes()


# The types of PNG entries (as iconutil writes them), "@2x" ones last.
kinds = [(b"ic07", 128), (b"ic08", 256), (b"ic09", 512), (b"ic10", 1024), (b"ic11", 32), (b"ic12", 64)]
entries = b"".join(kind + struct.pack(">I", 8 + len(png(size))) + png(size) for kind, size in kinds)
(folder / "Drawbridge.icns").write_bytes(b"icns" + struct.pack(">I", 8 + len(entries)) + entries)

sizes = [16, 20, 24, 32, 48, 256]
at, head, body = 6 + 16 * len(sizes), struct.pack("<HHH", 0, 1, len(sizes)), b""
for size in sizes:
    image = png(size)
    head += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(image), at + len(body))
    body += image
(folder / "drawbridge.ico").write_bytes(head + body)
