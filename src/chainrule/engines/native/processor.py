"""What differs between processors, in LLVM text: how a core waits, and how it treats subnormal numbers."""

from __future__ import annotations


def source(triple: str) -> str:
    """The text that defines ``@pause``, ``@flush_subnormals`` and ``@restore``."""
    machine = triple.split("-")[0].replace("arm64", "aarch64")
    return _pause(machine) + _SUBNORMALS.get(machine, _SUBNORMALS["other"])


def _pause(machine: str) -> str:
    """The one instruction that differs between machines: what tells a core that it is only waiting."""
    declared, pause = "", 'call void asm sideeffect "", "~{memory}"()'
    if machine in ("x86_64", "i686", "i386"):
        declared, pause = "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
    elif machine == "aarch64":
        pause = 'call void asm sideeffect "isb", "~{memory}"()'
    return f"{declared}\ndefine internal void @pause() alwaysinline {{\n  {pause}\n  ret void\n}}\n"


# Arithmetic that takes subnormal numbers for 0, and gives 0 for them; what was before, to go back to.
_SUBNORMALS = {
    "x86_64": """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal i64 @flush_subnormals() {
  %word = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %word)
  %before = load i32, ptr %word
  %flushing = or i32 %before, 32832 ; results, and operands
  store i32 %flushing, ptr %word
  call void @llvm.x86.sse.ldmxcsr(ptr %word)
  %mode = zext i32 %before to i64
  ret i64 %mode
}
define internal void @restore(i64 %mode) {
  %word = alloca i32
  %before = trunc i64 %mode to i32
  store i32 %before, ptr %word
  call void @llvm.x86.sse.ldmxcsr(ptr %word)
  ret void
}
""",
    "aarch64": """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define internal i64 @flush_subnormals() {
  %mode = call i64 @llvm.aarch64.get.fpcr()
  %flushing = or i64 %mode, 16777216
  call void @llvm.aarch64.set.fpcr(i64 %flushing)
  ret i64 %mode
}
define internal void @restore(i64 %mode) {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
""",
    "other": """
define internal i64 @flush_subnormals() {
  ret i64 0
}
define internal void @restore(i64 %mode) {
  ret void
}
""",
}
