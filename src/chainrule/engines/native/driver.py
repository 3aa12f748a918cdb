"""The loop around a program's kernels, in LLVM text: the same for every program, compiled once.

A program at run time is one table of records for each thread, ``(function, args, lo, hi, flags)``.  Every
thread walks its own table, ``steps`` times over; where a record carries :data:`BARRIER`, the threads wait
for each other, and the last one to arrive decides for all whether a failure ends the run there.  Shares
are fixed when the table is written: no queue, no dispatch, and the same places on the same thread.

All waiting is at *gates* (:mod:`.gates`).  Where spinning there was in vain it is cut short, so that a
crowded machine loses little to it.
"""

from __future__ import annotations

from functools import cache

from . import gates, jit, processor
from .target import host

LINE = 16
"""Words between what one thread writes and what another does: 128 bytes, two cache lines or a long one."""

# A gate is two words: what is waited for, and how many sleep.
#
# A run's context, in int64 words:
FAILURE = 0
"""Not zero once something has failed; the first argument of every kernel points here."""
ARRIVED = LINE
EPOCH = 2 * LINE  # a gate
STOP = EPOCH + 2
COMPLETED = 3 * LINE
"""Grows by the steps of each call."""
SPINS = COMPLETED + 1
"""How often a thread at a barrier looks before it sleeps, now; at most ``MOST_SPINS``."""
TABLES, RECORDS, THREADS, STEPS, MAILBOXES, MOST_SPINS, SYSTEM, FLUSHES = range(4 * LINE, 4 * LINE + 8)
CONTEXT_WORDS = 5 * LINE

# A worker's mailbox:
JOB = 0  # a gate: the number of jobs posted
JOB_CONTEXT, JOB_THREAD = JOB + 2, JOB + 3
DONE = LINE  # a gate: the number of jobs done
WATCH, BOX_SYSTEM = 2 * LINE, 2 * LINE + 1
MAILBOX_WORDS = 3 * LINE

RECORD_WORDS = 5
BARRIER = 1
"""A record's flag: all threads wait here for each other."""

LEAD = "chainrule_lead"
"""``void (context)``: runs as thread 0, with the workers whose mailboxes the context names."""
SERVE = "chainrule_serve"
"""``void (mailbox)``: a worker's life, until it is posted an empty context."""
POST = "chainrule_post"
"""``void (mailbox, context, thread)``: gives a worker its job, and wakes it if it sleeps."""
PAUSES = "chainrule_pauses"
"""``void (count)``: so many waiting instructions, to measure their length."""


def source(triple: str) -> str:
    """The LLVM text that defines the driver's functions."""
    return (
        processor.source(triple) + gates.source(triple) + _BARRIER + _WALK + _POST + _LEAD + _SERVE + _PAUSES
    )


_PAUSES = f"""
define void @{PAUSES}(i64 %count) {{
  br label %next
next:
  %n = phi i64 [0, %0], [%more, %wait]
  %done = icmp sge i64 %n, %count
  br i1 %done, label %end, label %wait
wait:
  call void @pause()
  %more = add i64 %n, 1
  br label %next
end:
  ret void
}}
"""

_BARRIER = f"""
; Wait for every thread; true if the run ends here. All threads get the same answer: the last to arrive
; gives it, and nobody can arrive at the next barrier before everyone has read it.
define internal i1 @barrier(ptr %context, ptr %system, i64 %threads) {{
  %arrived = getelementptr i64, ptr %context, i64 {ARRIVED}
  %epoch = getelementptr i64, ptr %context, i64 {EPOCH}
  %stop = getelementptr i64, ptr %context, i64 {STOP}
  %old = load atomic i64, ptr %epoch monotonic, align 8
  %before = atomicrmw add ptr %arrived, i64 1 acq_rel, align 8
  %after = add i64 %before, 1
  %last = icmp eq i64 %after, %threads
  br i1 %last, label %release, label %wait
release:
  store atomic i64 0, ptr %arrived monotonic, align 8
  %failure = load atomic i64, ptr %context monotonic, align 8
  store atomic i64 %failure, ptr %stop monotonic, align 8
  %new = add i64 %old, 1
  call void @open(ptr %system, ptr %epoch, i64 %new)
  br label %answer
wait:
  call void @wait_here(ptr %context, ptr %system, ptr %epoch, i64 %old)
  br label %answer
answer:
  %failed = load atomic i64, ptr %stop monotonic, align 8
  %ends = icmp ne i64 %failed, 0
  ret i1 %ends
}}

; Wait at a gate of a run. Spinning in vain halves the patience of all, spinning with success doubles it,
; and every 256th time it is tried in full, since the crowd may have gone.
define internal void @wait_here(ptr %context, ptr %system, ptr %gate, i64 %old) {{
  %spins.at = getelementptr i64, ptr %context, i64 {SPINS}
  %most.at = getelementptr i64, ptr %context, i64 {MOST_SPINS}
  %most = load i64, ptr %most.at
  %now = load atomic i64, ptr %spins.at monotonic, align 8
  %part = and i64 %old, 255
  %anew = icmp eq i64 %part, 255
  %spins = select i1 %anew, i64 %most, i64 %now
  %soon = call i1 @wait_at(ptr %system, ptr %gate, i64 %old, i64 %spins)
  %half = lshr i64 %spins, 1
  %fewer = call i64 @llvm.umax.i64(i64 %half, i64 16)
  %double = shl i64 %spins, 1
  %more = call i64 @llvm.umin.i64(i64 %double, i64 %most)
  %next = select i1 %soon, i64 %more, i64 %fewer
  %changed = icmp ne i64 %next, %now
  br i1 %changed, label %keep, label %return
keep:
  store atomic i64 %next, ptr %spins.at monotonic, align 8
  br label %return
return:
  ret void
}}
declare i64 @llvm.umax.i64(i64, i64)
declare i64 @llvm.umin.i64(i64, i64)
"""

_WALK = f"""
; The program as thread %thread of several, or as the only one.
define internal void @walk(ptr %context, i64 %thread) {{
  %flushes.at = getelementptr i64, ptr %context, i64 {FLUSHES}
  %flushes = load i64, ptr %flushes.at
  %flushing = icmp ne i64 %flushes, 0
  br i1 %flushing, label %flush, label %plain
flush:
  %mode = call i64 @flush_subnormals()
  call void @steps(ptr %context, i64 %thread)
  call void @restore(i64 %mode)
  ret void
plain:
  call void @steps(ptr %context, i64 %thread)
  ret void
}}

define internal void @steps(ptr %context, i64 %thread) {{
  %tables.at = getelementptr i64, ptr %context, i64 {TABLES}
  %tables = load ptr, ptr %tables.at
  %count.at = getelementptr i64, ptr %context, i64 {RECORDS}
  %count = load i64, ptr %count.at
  %threads.at = getelementptr i64, ptr %context, i64 {THREADS}
  %threads = load i64, ptr %threads.at
  %steps.at = getelementptr i64, ptr %context, i64 {STEPS}
  %steps = load i64, ptr %steps.at
  %system.at = getelementptr i64, ptr %context, i64 {SYSTEM}
  %system = load ptr, ptr %system.at
  %alone = icmp eq i64 %threads, 1
  %words = mul i64 %count, {RECORD_WORDS}
  %skipped = mul i64 %words, %thread
  %first = getelementptr i64, ptr %tables, i64 %skipped
  %end = getelementptr i64, ptr %first, i64 %words
  br label %next.step
next.step:
  %step = phi i64 [0, %0], [%step.after, %step.done]
  %all.done = icmp eq i64 %step, %steps
  br i1 %all.done, label %finish, label %next.record
next.record:
  %record = phi ptr [%first, %next.step], [%record.after, %record.done]
  %records.done = icmp eq ptr %record, %end
  br i1 %records.done, label %step.done, label %look
look:
  %low.at = getelementptr i64, ptr %record, i64 2
  %high.at = getelementptr i64, ptr %record, i64 3
  %low = load i64, ptr %low.at
  %high = load i64, ptr %high.at
  %some = icmp slt i64 %low, %high
  br i1 %some, label %call, label %after
call:
  %function = load ptr, ptr %record
  %args.at = getelementptr i64, ptr %record, i64 1
  %args = load ptr, ptr %args.at
  call void %function(ptr %args, i64 %low, i64 %high)
  br label %after
after:
  br i1 %alone, label %check.alone, label %check.flags
check.alone:
  %failure = load i64, ptr %context
  %failed = icmp ne i64 %failure, 0
  br i1 %failed, label %finish, label %record.done
check.flags:
  %flags.at = getelementptr i64, ptr %record, i64 4
  %flags = load i64, ptr %flags.at
  %waits = and i64 %flags, {BARRIER}
  %meets = icmp ne i64 %waits, 0
  br i1 %meets, label %meet, label %record.done
meet:
  %stops = call i1 @barrier(ptr %context, ptr %system, i64 %threads)
  br i1 %stops, label %finish, label %record.done
record.done:
  %record.after = getelementptr i64, ptr %record, i64 {RECORD_WORDS}
  br label %next.record
step.done:
  %step.after = add i64 %step, 1
  br label %next.step
finish:
  %leads = icmp eq i64 %thread, 0
  br i1 %leads, label %tell, label %return
tell:
  %completed.at = getelementptr i64, ptr %context, i64 {COMPLETED}
  %before = load i64, ptr %completed.at
  %completed = add i64 %before, %step
  store i64 %completed, ptr %completed.at
  br label %return
return:
  ret void
}}
"""

_POST = f"""
define void @{POST}(ptr %box, ptr %context, i64 %thread) {{
  %context.at = getelementptr i64, ptr %box, i64 {JOB_CONTEXT}
  store ptr %context, ptr %context.at
  %thread.at = getelementptr i64, ptr %box, i64 {JOB_THREAD}
  store i64 %thread, ptr %thread.at
  %system.at = getelementptr i64, ptr %box, i64 {BOX_SYSTEM}
  %system = load ptr, ptr %system.at
  %job = load i64, ptr %box
  %new = add i64 %job, 1
  call void @open(ptr %system, ptr %box, i64 %new)
  ret void
}}
"""

_LEAD = f"""
define void @{LEAD}(ptr %context) {{
  %threads.at = getelementptr i64, ptr %context, i64 {THREADS}
  %threads = load i64, ptr %threads.at
  %boxes.at = getelementptr i64, ptr %context, i64 {MAILBOXES}
  %boxes = load ptr, ptr %boxes.at
  %system.at = getelementptr i64, ptr %context, i64 {SYSTEM}
  %system = load ptr, ptr %system.at
  br label %posting
posting:
  %t = phi i64 [1, %0], [%t.after, %post]
  %posted = icmp eq i64 %t, %threads
  br i1 %posted, label %work, label %post
post:
  %slot = sub i64 %t, 1
  %box.at = getelementptr ptr, ptr %boxes, i64 %slot
  %box = load ptr, ptr %box.at
  call void @{POST}(ptr %box, ptr %context, i64 %t)
  %t.after = add i64 %t, 1
  br label %posting
work:
  call void @walk(ptr %context, i64 0)
  br label %joining
joining:
  %j = phi i64 [1, %work], [%j.after, %join]
  %joined = icmp eq i64 %j, %threads
  br i1 %joined, label %return, label %join
join: ; the context may be freed once nobody looks at it any more
  %place = sub i64 %j, 1
  %other.at = getelementptr ptr, ptr %boxes, i64 %place
  %other = load ptr, ptr %other.at
  %job = load i64, ptr %other
  %old = sub i64 %job, 1
  %done = getelementptr i64, ptr %other, i64 {DONE}
  call void @wait_here(ptr %context, ptr %system, ptr %done, i64 %old)
  %j.after = add i64 %j, 1
  br label %joining
return:
  ret void
}}
"""

_SERVE = f"""
define void @{SERVE}(ptr %box) {{
  %done = getelementptr i64, ptr %box, i64 {DONE}
  %watch.at = getelementptr i64, ptr %box, i64 {WATCH}
  %watch = load i64, ptr %watch.at
  %system.at = getelementptr i64, ptr %box, i64 {BOX_SYSTEM}
  %system = load ptr, ptr %system.at
  %context.at = getelementptr i64, ptr %box, i64 {JOB_CONTEXT}
  %thread.at = getelementptr i64, ptr %box, i64 {JOB_THREAD}
  br label %idle
idle:
  %last = phi i64 [0, %0], [%job, %work]
  %soon = call i1 @wait_at(ptr %system, ptr %box, i64 %last, i64 %watch)
  %job = add i64 %last, 1
  %context = load ptr, ptr %context.at
  %thread = load i64, ptr %thread.at
  %over = icmp eq ptr %context, null
  br i1 %over, label %return, label %work
work:
  call void @walk(ptr %context, i64 %thread)
  call void @open(ptr %system, ptr %done, i64 %job)
  br label %idle
return:
  ret void
}}
"""


def texts() -> dict[str, str]:
    """What to compile: whoever compiles a program as well has the two done at once."""
    return {f"{LEAD} {SERVE} {POST} {PAUSES}": source(host().triple)}


@cache
def functions() -> dict[str, int]:
    """The addresses of the driver's functions, made once a process."""
    return jit.compile_functions(texts())
