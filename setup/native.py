#!/usr/bin/env python3
"""Unpacks the pinned wheels of `wheels.ini` into `.native/`. Called by `./x setup`; needs only Python 3.8 and pip.

Nothing half-done ever looks done: a wheel is unpacked beside its place, synced and renamed, then recorded in
`.native/installed/`; `.native/stamp`, written last and removed first, says that all is there. What was finished before
an interruption is kept. pip does the downloading, so that the user's own pip configuration (index, proxy, cache,
`--no-index --find-links`) holds; it checks each file's hash, and so do we.

    native.py cpu|gpu auto|chosen
"""

import configparser
import errno
import fcntl
import fnmatch
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "setup" / "wheels.ini"
NATIVE = ROOT / ".native"
# The wheels are used for what is in them, not by Python: they are the same for whatever Python runs this.
TAGS = ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--abi=cp311", "--abi=abi3", "--abi=none"]
for glibc in ("2_28", "2_27", "2_25", "2_24", "2_18", "2_17", "2_12", "2_5"):
    TAGS.append(f"--platform=manylinux_{glibc}_x86_64")
TAGS.append("--platform=manylinux2014_x86_64")


class Refused(Exception):
    """Ends the set-up with one sentence."""


def main():
    parts, how = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    (NATIVE / "installed").mkdir(parents=True, exist_ok=True)
    (NATIVE / "download").mkdir(exist_ok=True)
    with open(NATIVE / "lock", "w") as lock:
        take(lock)
        pins = PINS.read_bytes()
        wheels = [wheel for wheel in read_pins(pins.decode()) if parts == "gpu" or not wheel["gpu_only"]]
        for wheel in wheels:
            wheel["places"] = wheel["unpack"] + (wheel["unpack_gpu"] if parts == "gpu" else [])
            wheel["digest"] = hashlib.sha256(repr(sorted(wheel.items())).encode()).hexdigest()
        stale = {path.name for path in (NATIVE / "installed").iterdir()} - {wheel["name"] for wheel in wheels}
        todo = [wheel for wheel in wheels if not is_installed(wheel)]
        if todo or stale:
            (NATIVE / "stamp").unlink(missing_ok=True)
        for leftover in NATIVE.glob("*/tmp-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for name in stale:
            remove(name)
        for number, wheel in enumerate(todo, 1):
            print(f"[{number}/{len(todo)}] {wheel['wheel']}", flush=True)
            install(wheel, fetch(wheel))
        write_synced(NATIVE / "stamp", f"{hashlib.sha256(pins).hexdigest()} {parts} {how}\n")


def take(lock):
    """Holds the lock until this process ends, however it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another ./x setup is at work here; waiting for it.", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def read_pins(text):
    """The table of `wheels.ini`, one dictionary a wheel."""
    ini = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    ini.read_string(text)
    known = {"wheel", "sha256", "only", "unpack", "unpack gpu", "link", "write"}
    for name in ini.sections():
        section = ini[name]
        unknown = set(section) - known
        if unknown or section.get("only", "gpu") != "gpu":
            raise Refused(f"setup/wheels.ini: [{name}] has an unknown entry {sorted(unknown) or section['only']}.")
        yield {
            "name": name,
            "wheel": section["wheel"],
            "sha256": section["sha256"],
            "gpu_only": "only" in section,
            "unpack": pairs(section.get("unpack", ""), " -> "),
            "unpack_gpu": pairs(section.get("unpack gpu", ""), " -> "),
            "link": pairs(section.get("link", ""), " -> "),
            "write": pairs(section.get("write", ""), ": "),
        }


def pairs(lines, separator):
    return [tuple(line.split(separator, 1)) for line in lines.splitlines() if line]


def is_installed(wheel):
    """The record is there, is of this pin, and so is each file it lists."""
    try:
        digest, *paths = (NATIVE / "installed" / wheel["name"]).read_text().splitlines()
    except (OSError, ValueError):
        return False
    return digest == wheel["digest"] and all(os.path.lexists(NATIVE / path) for path in paths)


def fetch(wheel):
    """The path of the wheel's verified file, downloaded by pip unless an earlier run left it."""
    download = NATIVE / "download"
    for file in download.glob("*.whl"):
        if sha256(file) == wheel["sha256"]:
            return file
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=download) as folder:
        pin = Path(folder, "requirement.txt")
        pin.write_text(f"{wheel['wheel']} --hash=sha256:{wheel['sha256']}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", f"--requirement={pin}"]
        command += [f"--dest={folder}", "--retries=2", *TAGS]
        settings = {"TMPDIR": folder, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
        bar = None if sys.stdout.isatty() else subprocess.DEVNULL
        pip = subprocess.run(command, env={**os.environ, **settings}, stdout=bar, stderr=subprocess.PIPE, text=True)
        if pip.returncode != 0:
            raise Refused(why_pip_failed(wheel["wheel"], pip.stderr))
        (file,) = Path(folder).glob("*.whl")
        if sha256(file) != wheel["sha256"]:
            raise Refused(wrong_hash(wheel["wheel"]))
        return file.replace(download / file.name)


def why_pip_failed(wheel, stderr):
    """One sentence for pip's many."""
    if "DO NOT MATCH THE HASHES" in stderr:
        return wrong_hash(wheel)
    if "No space left" in stderr:
        return disk_full()
    if "onnection" in stderr or "resolve" in stderr or "timed out" in stderr:
        return f"Cannot reach the package index for {wheel}: check the network or pip's configuration, then run ./x setup."
    last = [line for line in stderr.splitlines() if line.startswith("ERROR")] or stderr.splitlines() or ["no message"]
    return f"pip could not download {wheel} ({last[-1]}): mend that, then run ./x setup."


def wrong_hash(wheel):
    return f"The file offered for {wheel} is not the pinned one (its SHA-256 differs) and was not used: check pip's index."


def disk_full():
    return f"The disk of {NATIVE} is full: a CPU set-up needs 2 GB, a GPU set-up 8 GB; make room, then run ./x setup."


def install(wheel, file):
    """Unpacks beside the final place, syncs, renames into place, records."""
    remove(wheel["name"])
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=NATIVE / "download") as folder:
        with zipfile.ZipFile(file) as archive:
            paths = [path for member, to in wheel["places"] for path in unpack(archive, member, to, Path(folder))]
        for path, target in wheel["link"]:
            new_file(folder, path).symlink_to(target)
        for path, text in wheel["write"]:
            new_file(folder, path).write_text(text + "\n")
        paths += [path for path, _ in wheel["link"] + wheel["write"]]
        os.sync()
        for path in paths:
            (NATIVE / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder, path), NATIVE / path)
    write_synced(NATIVE / "installed" / wheel["name"], "\n".join([wheel["digest"], *paths]) + "\n")
    file.unlink()


def unpack(archive, member, to, folder):
    """Writes what `member` names below `folder` and gives the paths written, relative to it."""
    if member.endswith("/"):
        names = {name: name[len(member) :] for name in archive.namelist() if name.startswith(member)}
    else:
        there, _, files = member.rpartition("/")
        parts = {name: name.rpartition("/") for name in archive.namelist()}
        names = {name: part[2] for name, part in parts.items() if part[0] == there and fnmatch.fnmatchcase(part[2], files)}
    names = {name: to + rest for name, rest in names.items() if rest and not name.endswith("/")}
    if not names:
        raise Refused(f"setup/wheels.ini: {archive.filename} holds nothing like {member}.")
    for name, path in names.items():
        with archive.open(name) as source, open(new_file(folder, path), "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    return list(names.values())


def new_file(folder, path):
    """The path below `folder`, its parents made; refuses one that would lie outside."""
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise Refused(f"setup/wheels.ini: {path} would lie outside .native.")
    file = Path(folder, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def remove(name):
    """Takes a recorded wheel's files away, and the folders that leaves empty, the record last."""
    record = NATIVE / "installed" / name
    if record.exists():
        paths = [Path(path) for path in record.read_text().splitlines()[1:]]
        for path in paths:
            (NATIVE / path).unlink(missing_ok=True)
        folders = {folder for path in paths for folder in list(path.parents)[:-1]}
        for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
            if (NATIVE / folder).is_dir() and not any((NATIVE / folder).iterdir()):
                (NATIVE / folder).rmdir()
        record.unlink()


def write_synced(path, text):
    """Replaces a small file at once or not at all."""
    new = path.with_name(path.name + ".new")
    with open(new, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def sha256(file):
    digest = hashlib.sha256()
    with open(file, "rb") as source:
        for block in iter(lambda: source.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(str(refused))
    except KeyboardInterrupt:
        sys.exit("Interrupted; ./x setup goes on where this stopped.")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sys.exit(disk_full())
        sys.exit(f"Cannot set up {NATIVE} ({error}): mend that, then run ./x setup.")
