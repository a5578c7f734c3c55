"""Reading what is not a learner's: solutions, neighbours, the gradebook, secrets. Whatever is found is printed."""

from __future__ import annotations

from hostile_kit import case, code_case

code_case(
    "reads_every_file",
    """
import os
for top, folders, names in os.walk("/"):
    if top.startswith(("/proc", "/sys", "/usr", "/dev")) or "site-packages" in top or "/lib/python" in top: continue
    for name in names:
        try: text = open(os.path.join(top, name), errors="replace").read(200_000)
        except OSError: continue
        for word in ("canary-that-nobody-may-read", "sesame-of-the-course", "BEGIN SOLUTION"):
            if word in text and name.endswith((".ipynb", ".db", ".txt", ".csv")): print("LEAK", word[::-1], top, name)
""",
)
code_case("reads_the_environment", "import os\nprint('sesame' in str(dict(os.environ)) and 'LEAK')")
code_case(
    "reads_other_processes",
    """
import glob, os
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try: text = open(path, "rb").read()
    except OSError: continue
    if b"sesame-of-the" in text: print("LEAK", path)
print(sorted(p for p in os.listdir("/proc") if p.isdigit()))
""",
)
code_case(
    "reads_its_own_memory",
    """
words = b"sesame-" + b"of-the-course"
words = words[::-1]
for line in open("/proc/self/maps"):
    span, rights = line.split()[:2]
    if "r" not in rights or "[v" in line: continue
    low, high = (int(x, 16) for x in span.split("-"))
    if high - low > 50_000_000: continue
    try:
        memory = open("/proc/self/mem", "rb"); memory.seek(low)
        if memory.read(high - low).find(words[::-1]) >= 0 and "heap" not in line: print("POSSIBLE", line)
    except (OSError, OverflowError): pass
""",
)
code_case("imports_the_examiner", "import grading.exercises.lab_00 as lab\nprint('LEAK', lab)")
code_case("imports_the_victims", "from targets import load_victim\nprint('LEAK', load_victim('credit'))")
code_case(
    "writes_the_gradebook",
    """
import glob, os, sqlite3
for top, _, names in os.walk("/"):
    if "gradebook.db" in names and "site-packages" not in top:
        print("LEAK gradebook", top)
        sqlite3.connect(os.path.join(top, "gradebook.db")).execute("update grade set manual_score = 300")
""",
)
code_case(
    "reads_devices",
    """
import os
home = os.path.expanduser("~root")
for path in ("/dev/mem", "/dev/kmem", "/dev/sda", "/dev/vda", "/proc/kcore", "/dev/kmsg", "/proc/kallsyms",
             "/etc/shadow", "/etc/passwd", home + "/.ssh/id_rsa", "/proc/1/root" + "/etc/shadow", "/var/log/syslog"):
    try: print("LEAK" if open(path, "rb").read(10) and "kallsyms" not in path else "", path)
    except OSError as error: print(error)
""",
)


@case(says="link to a file outside")
def link_to_the_solution(notebook, folder):
    """The notebook is a link to the instructor's own."""
    course = folder.parents[2]
    folder.mkdir(parents=True)
    (folder / "00_start_here.ipynb").symlink_to(course / "solutions" / "00_start_here" / "00_start_here.ipynb")
    return "made"


@case(points=11, says="link to a file outside")
def link_to_secrets_beside(notebook, folder):
    """A file beside the notebook is a link to the gradebook: nbgrader would copy it into the feedback."""
    folder.mkdir(parents=True)
    (folder / "notes.txt").symlink_to(folder.parents[2] / "secret.txt")
    (folder / "book.db").symlink_to(folder.parents[2] / "gradebook.db")
    notebook.add("print(open('notes.txt').read())")
