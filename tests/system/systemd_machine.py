"""A machine of its own in which a real systemd is pid 1, for as long as a test needs it.

Private pid, mount, uts, ipc, network and cgroup namespaces; an overlay over / whose changes go to a tmpfs; /dev, /run
and /tmp of its own, because a boot makes and cleans what it sees there. It needs root, and a kernel that lets root
mount.
"""

import json
import os
import pty
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SYSTEMD = next((p for p in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if os.path.exists(p)), None)
TOOLS = ("unshare", "nsenter", "setpriv", "mount", "pivot_root", "systemctl", "journalctl")
# A shell with mounts of its own; if the tests are killed, it goes with them, and the machine with it.
PRIVATELY = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "/bin/sh", "-c"]
UP = ("running", "degraded")  # degraded: a service of the real machine that does not work in here
BOOT_PATIENCE = 30.0
"""Seconds within which the machine must be up; it takes one on an idle machine."""

# Whatever asks for hardware, for the kernel's settings, or for the network of the real machine.
MASKED = """
    dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount
    sys-kernel-tracing.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount systemd-binfmt.service
    systemd-sysctl.service systemd-modules-load.service systemd-tmpfiles-setup-dev.service
    systemd-tmpfiles-setup-dev-early.service kmod-static-nodes.service modprobe@.service systemd-udevd.service
    systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service systemd-udev-settle.service
    systemd-networkd.service systemd-networkd.socket systemd-network-generator.service networking.service
    NetworkManager.service systemd-resolved.service systemd-timesyncd.service systemd-hwdb-update.service
    systemd-random-seed.service systemd-remount-fs.service systemd-firstboot.service ldconfig.service
    systemd-machine-id-commit.service systemd-journald-audit.socket systemd-tmpfiles-clean.timer getty.target
"""

# $1 an empty folder · $2 a name that nobody else has · $3 the terminal for the console · $4 the virtual environment's
# folder lib · $5 the interpreter's folder, empty when it is in its usual place below /usr
OUTSIDE = """
set -eu
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir upper work root cgroup lib lib-upper lib-work
mount -t cgroup2 cgroup2 cgroup
mkdir "cgroup/$2"
echo $$ > "cgroup/$2/cgroup.procs"
umount cgroup
exec unshare --cgroup --uts --ipc --net --pid --fork --kill-child=KILL /bin/sh -c "$INSIDE" inside "$@"
"""
INSIDE = """
set -eu
cd "$1"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
mount -t proc proc root/proc
mount --bind root/proc/sys root/proc/sys
mount -o remount,bind,ro root/proc/sys
mount -t sysfs -o ro sysfs root/sys
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs -o mode=1777 tmpfs root/tmp
mount -t tmpfs -o mode=755 tmpfs root/dev
mkdir root/dev/pts root/dev/shm
mount -t tmpfs -o mode=1777 tmpfs root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
for node in null zero full random urandom tty; do
    touch "root/dev/$node"
    mount --bind "/dev/$node" "root/dev/$node"
done
touch root/dev/console
mount --bind "$3" root/dev/console

# The virtual environment at the place where the units look for it, on a layer of its own.
rm -rf root/opt/convener root/opt/python
mkdir -p root/opt/convener/bin root/opt/convener/lib
mount --bind "$4" lib
mount -t overlay overlay -o "lowerdir=$1/lib,upperdir=$1/lib-upper,workdir=$1/lib-work" root/opt/convener/lib
if [ -n "$5" ]; then
    mkdir root/opt/python
    mount --bind "$5" root/opt/python
    mount -o remount,bind,ro root/opt/python
fi

# Nothing of the real machine's own services and disks is started.
rm -rf root/etc/systemd/system root/etc/fstab root/etc/crypttab root/etc/convener root/var/lib/convener
rm -rf root/var/log/journal
mkdir -p root/etc/systemd/system root/etc/systemd/journald.conf.d
for unit in $MASKED; do
    ln -s /dev/null "root/etc/systemd/system/$unit"
done
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nForwardToSyslog=no\\nRateLimitBurst=0\\n' \
    > root/etc/systemd/journald.conf.d/machine.conf
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\nAllowIsolate=yes\\n' \
    > root/etc/systemd/system/machine.target
touch root/run/is-a-machine

mkdir root/run/outside
cd root
pivot_root . run/outside
umount -l /run/outside
rmdir /run/outside
mount --make-rshared /
hostname "$2"
exec env -i container=convener-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    "$SYSTEMD" --system --unit=machine.target --log-target=journal-or-kmsg --show-status=yes
"""


class CannotMount(Exception):
    """This machine does not let us make namespaces and mounts; the message says what failed."""


class Machine:
    """A running one. `pid` is that of its systemd, as seen from here."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, and wait for its end."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root", "TERM": "dumb"}
        done = subprocess.run(
            [*enter, *command], capture_output=True, text=True, timeout=timeout, check=False, env=environment
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def systemctl(self, *arguments: str, check: bool = True, timeout: float = 90) -> str:
        """Run systemctl, and give what it says."""
        return self.run("systemctl", "--no-pager", *arguments, check=check, timeout=timeout).stdout

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.systemctl("show", unit, "--property", name, "--value").strip()

    def journal(self, unit: str = "", since: int = 0) -> list[dict[str, Any]]:
        """The unit's records since that `now`, those of systemd about it among them; without a unit all records."""
        self.run("journalctl", "--sync")
        only = ["--unit", unit] if unit else []
        text = self.run("journalctl", "--output", "json", "--all", *only).stdout
        records: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        return [record for record in records if int(record["__MONOTONIC_TIMESTAMP"]) >= since]

    @staticmethod
    def now() -> int:
        """The clock that the journal stamps its records with, in microseconds; it is the same in all machines."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """Write a file of it, its folders too."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)


def wait_for(what: str, holds: Callable[[], Any], patience: float = 30.0) -> Any:
    """What `holds` gives as soon as that is true. Raises AssertionError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}"
        time.sleep(0.1)
    return found


@contextmanager
def machine() -> Iterator[Machine]:
    """Boot one and end it again. Raises CannotMount, and AssertionError when it does not come up."""
    assert SYSTEMD, "systemd is not installed"
    name = f"convener-{secrets.token_hex(4)}"
    stage = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    control, console = pty.openpty()
    said = bytearray()
    threading.Thread(target=_listen, args=(control, said), daemon=True).start()
    lib, interpreter = Path(sys.prefix) / "lib", _moved_interpreter()
    process = subprocess.Popen(
        [*PRIVATELY, OUTSIDE, "outside", str(stage), name, os.ttyname(console), str(lib), interpreter or ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "INSIDE": INSIDE, "MASKED": MASKED, "SYSTEMD": SYSTEMD},
        start_new_session=True,
    )
    pid = None
    try:
        pid = _booted(process)
        made = Machine(pid)
        try:
            wait_for("systemd is up", lambda: made.systemctl("is-system-running", check=False).strip() in UP)
        except AssertionError as error:
            failed = made.run("systemctl", "--no-pager", "list-jobs", "--failed", check=False).stdout
            raise AssertionError(f"{error}\n{failed}\n{said.decode(errors='replace')[-4000:]}") from None
        _virtual_environment(made, interpreter)
        yield made
    finally:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        else:
            process.kill()
        process.communicate(timeout=10)
        os.close(console)
        _remove_cgroup(stage, name)
        stage.rmdir()


def _listen(control: int, said: bytearray) -> None:
    """Read the console until nobody has it open any more."""
    with suppress(OSError):
        while part := os.read(control, 4096):
            said += part
            del said[:-100_000]
    os.close(control)


def _booted(process: subprocess.Popen[bytes]) -> int:
    """The pid of the machine's systemd, once it is at its root."""
    deadline = time.monotonic() + BOOT_PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = process.communicate()[1].decode(errors="replace").strip()
            raise CannotMount(said[-500:] or "no word why")
        with suppress(OSError, ValueError):
            (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            at_root = Path(f"/proc/{child}/root/run/is-a-machine").exists()
            if at_root and Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.02)
    raise AssertionError(f"the machine did not begin to boot within {BOOT_PATIENCE:.0f} s")


def _moved_interpreter() -> str | None:
    """The folder of an interpreter that must be moved: in a home folder it would be hidden from the service."""
    return None if sys.base_prefix in ("/usr", "/usr/local") else sys.base_prefix


def _virtual_environment(made: Machine, interpreter: str | None) -> None:
    """/opt/convener: our libraries and our interpreter, as `python3 -m venv /opt/convener` would have made it."""
    home = "/opt/python/bin" if interpreter else f"{sys.base_prefix}/bin"
    version = f"python{sysconfig.get_python_version()}"
    made.write("/opt/convener/pyvenv.cfg", f"home = {home}\ninclude-system-site-packages = false\n")
    for link, target in (("python", version), ("python3", version), (version, f"{home}/{version}")):
        (made.root / "opt/convener/bin" / link).symlink_to(target)
    if interpreter and sysconfig.get_config_var("Py_ENABLE_SHARED"):
        made.write("/etc/ld.so.conf.d/moved-python.conf", "/opt/python/lib\n")
        made.run("ldconfig")


def _remove_cgroup(stage: Path, name: str) -> None:
    """Remove the machine's control groups, which the kernel keeps when it is gone."""
    script = 'mount -t cgroup2 cgroup2 "$1"; find "$1/$2" -depth -type d -exec rmdir {} +'
    subprocess.run(
        [*PRIVATELY, script, "remove", str(stage), name],
        capture_output=True,
        timeout=10,
        check=False,
    )


def missing_tools() -> list[str]:
    """What of the programs that this needs is not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None] + ([] if SYSTEMD else ["systemd"])
