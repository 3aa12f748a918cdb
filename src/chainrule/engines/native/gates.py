"""Gates, in LLVM text: what threads wait at, by spinning and then by sleeping in the operating system.

A gate is two words: one that is waited for to change, and a count of those who sleep until it does.  A
thread spins first, since the others are mostly there within a microsecond, and then sleeps, which lets the
one that is waited for have the core.  Sleeps end after a second in any case: that a sleeper is woken
matters for speed alone.
"""

from __future__ import annotations

# What the operating system lends:
SLEEP_FUNCTION, WAKE_FUNCTION, SECONDS, NANOSECONDS = range(4)
SYSTEM_WORDS = 4

FUTEX_NUMBERS = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "loongarch64": 98, "powerpc64le": 221}
"""Linux's system call for sleeping on a word, where its time is two 64-bit words."""


def system_kind(triple: str) -> str:
    """How threads sleep on a word there: ``linux``, ``windows``, ``darwin``, or ``nap`` where unknown."""
    machine = triple.split("-")[0]
    if "linux" in triple:
        return "linux" if machine in FUTEX_NUMBERS else "nap"
    if "windows" in triple:
        return "windows"
    return "darwin" if "darwin" in triple or "macos" in triple else "nap"


def source(triple: str) -> str:
    """The text that defines ``@open`` and ``@wait_at``; it calls ``@pause``."""
    number = FUTEX_NUMBERS.get(triple.split("-")[0], 0)
    return _SLEEPING[system_kind(triple)].replace("FUTEX", str(number)) + _GATES


_FUNCTION = """
  %function.at = getelementptr i64, ptr %system, i64 {word}
  %function = load ptr, ptr %function.at"""
_SLEEP = (
    "\n; Sleep while the word at %at is %old: until woken, or a second, or for no reason."
    "\ndefine internal void @sleep_on(ptr %system, ptr %at, i64 %old) {"
    + _FUNCTION.format(word=SLEEP_FUNCTION)
)
_WAKE = "\ndefine internal void @wake(ptr %system, ptr %at) {" + _FUNCTION.format(word=WAKE_FUNCTION)

_SLEEPING = {
    # syscall(futex, word, WAIT or WAKE | PRIVATE, value or how many, time)
    "linux": f"""{_SLEEP}
  %time = getelementptr i64, ptr %system, i64 {SECONDS}
  %low = and i64 %old, 4294967295
  call i64 (i64, ...) %function(i64 FUTEX, ptr %at, i64 128, i64 %low, ptr %time, ptr null, i64 0)
  ret void
}}
{_WAKE}
  call i64 (i64, ...) %function(i64 FUTEX, ptr %at, i64 129, i64 2147483647, ptr null, ptr null, i64 0)
  ret void
}}
""",
    # WaitOnAddress(word, compare, size, milliseconds), WakeByAddressAll(word)
    "windows": f"""{_SLEEP}
  %compare = alloca i64
  store i64 %old, ptr %compare
  call i32 %function(ptr %at, ptr %compare, i64 8, i32 1000)
  ret void
}}
{_WAKE}
  call void %function(ptr %at)
  ret void
}}
""",
    # __ulock_wait(COMPARE_AND_WAIT, word, value, microseconds), __ulock_wake(… | ALL, word, 0)
    "darwin": f"""{_SLEEP}
  call i32 %function(i32 1, ptr %at, i64 %old, i32 1000000)
  ret void
}}
{_WAKE}
  call i32 %function(i32 257, ptr %at, i64 0)
  ret void
}}
""",
    # usleep(microseconds): whoever sleeps wakes by itself
    "nap": f"""{_SLEEP}
  call i32 %function(i32 50)
  ret void
}}
{_WAKE}
  ret void
}}
""",
}

_GATES = """
; Let the gate at %at show %new, and wake those who sleep before it.
define internal void @open(ptr %system, ptr %at, i64 %new) {
  store atomic i64 %new, ptr %at seq_cst, align 8
  %sleepers.at = getelementptr i64, ptr %at, i64 1
  %sleepers = load atomic i64, ptr %sleepers.at seq_cst, align 8
  %any = icmp ne i64 %sleepers, 0
  br i1 %any, label %call, label %return
call:
  call void @wake(ptr %system, ptr %at)
  br label %return
return:
  ret void
}

; Wait until the gate at %at no longer shows %old; true if %spins looks were enough.
define internal i1 @wait_at(ptr %system, ptr %at, i64 %old, i64 %spins) {
  br label %look
look:
  %n = phi i64 [0, %0], [%more, %spin]
  %now = load atomic i64, ptr %at acquire, align 8
  %same = icmp eq i64 %now, %old
  br i1 %same, label %closed, label %soon
closed:
  %patient = icmp ult i64 %n, %spins
  br i1 %patient, label %spin, label %settle
spin:
  call void @pause()
  %more = add i64 %n, 1
  br label %look
soon:
  ret i1 true
settle: ; counted before the last look: whoever opens the gate after it sees a sleeper
  %sleepers = getelementptr i64, ptr %at, i64 1
  %before = atomicrmw add ptr %sleepers, i64 1 seq_cst, align 8
  br label %check
check:
  %then = load atomic i64, ptr %at seq_cst, align 8
  %still = icmp eq i64 %then, %old
  br i1 %still, label %sleep, label %late
sleep:
  call void @sleep_on(ptr %system, ptr %at, i64 %old)
  br label %check
late:
  %after = atomicrmw sub ptr %sleepers, i64 1 seq_cst, align 8
  ret i1 false
}
"""
