"""Getting out: other files, other processes, the network, the kernel of the machine; and staying after the end."""

from __future__ import annotations

from hostile_kit import code_case

OUTSIDE = "/tmp/hostile-was-here"
code_case(
    "writes_outside",
    f"""
import os
home = os.path.expanduser("~root")
for place in ("{OUTSIDE}", "/etc/x", "/usr/x", home + "/x", "/course/labkit/x", "/opt/x", "/var/tmp/x", "/x"):
    try: open(place, "w").write("here"); print(place)
    except OSError as error: print(error)
""",
    points=11,
)
code_case(
    "calls_out",
    """
import socket
for address in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("10.0.2.2", 22)):
    try: socket.create_connection(address, timeout=2); print("LEAK out", address)
    except OSError as error: print(error)
""",
    points=11,
)
code_case(
    "looks_for_neighbours_on_loopback",
    """
import socket
for port in [22, 25, 80, 443, 5432, 6379, *range(8000, 9100)]:
    try: socket.create_connection(("127.0.0.1", port), timeout=0.05); print("LEAK port", port)
    except OSError: pass
for name in ("\\0hostile", "/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/systemd/private"):
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(name); print("LEAK", name)
    except OSError as error: print(error)
""",
    points=11,
)
code_case(
    "leaves_a_process_behind",
    """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600) # hostile-sleeper"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import time
        time.sleep(600)
    os._exit(0)
os.system("nohup sleep 600 >/dev/null 2>&1 &")
""",
    points=11,
)
code_case(
    "kills_everybody",
    """
import os, signal
for pid in (-1, 0, os.getppid(), 2):
    try:
        if pid in (0,): continue
        os.kill(pid, signal.SIGKILL); print("killed", pid)
    except OSError as error: print(error)
""",
    points=11,
)
code_case(
    "asks_the_kernel_for_everything",
    """
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
tries = {
    "mount": lambda: c.mount(b"none", b"/tmp", b"tmpfs", 0, None), "unshare user": lambda: c.unshare(0x10000000),
    "chroot": lambda: c.chroot(b"/tmp"), "ptrace": lambda: c.ptrace(16, 2, 0, 0), "setuid": lambda: c.setuid(0),
    "setresuid": lambda: c.setresuid(0, 0, 0), "bpf": lambda: c.syscall(321, 0, 0, 0),
    "io_uring": lambda: c.syscall(425, 8, 0), "keyctl": lambda: c.syscall(250, 0, -3, 0),
    "perf": lambda: c.syscall(298, 0, 0, -1, -1, 0), "setns": lambda: c.setns(os.open("/proc/self/ns/net", 0), 0),
    "kexec": lambda: c.syscall(246, 0, 0, 0, 0), "umount": lambda: c.umount2(b"/proc", 2),
    "sethostname": lambda: c.sethostname(b"hostile", 7), "userfaultfd": lambda: c.syscall(323, 0),
    "clone in a user namespace": lambda: c.syscall(56, 0x10000011, 0, 0, 0, 0),
    "chown": lambda: c.chown(b"/tmp", 0, 0), "mknod": lambda: c.mknod(b"/tmp/dev", 0o60666, 0x801),
}
for name, attempt in tries.items():
    result = attempt()
    if result == 0 and name == "clone in a user namespace": os._exit(0)
    print("LEAK" if result >= 0 else "refused", name, result)
print(os.getuid(), open("/proc/self/status").read().split("CapEff:")[1][:20])
""",
    points=11,
)
code_case(
    "raises_its_limits",
    """
import resource
for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
    try: resource.setrlimit(getattr(resource, name), (resource.RLIM_INFINITY,) * 2); print("LEAK", name)
    except (ValueError, OSError) as error: print(error)
""",
    points=11,
)
code_case(
    "setuid_programs",
    """
import subprocess
for command in (["su", "-c", "id"], ["sudo", "-n", "id"], ["mount"], ["ping", "-c1", "127.0.0.1"],
                ["bwrap", "--bind", "/", "/", "id"],
                ["unshare", "-Ur", "id"], ["chsh"], ["passwd", "-d", "root"]):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL)
        print(command[0], done.returncode, "LEAK" if "uid=0" in done.stdout else done.stderr[-80:])
    except (OSError, subprocess.TimeoutExpired) as error: print(error)
""",
    points=11,
)
code_case("installs_something", "get_ipython().system('pip install requests==2.0 2>&1 | tail -1')", points=11)
