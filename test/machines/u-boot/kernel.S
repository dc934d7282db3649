// What stands in for Linux: an arm64 image that `booti` starts. It says on the serial line (PL011) which slot it came
// from, and resets the machine, as a panic does.
    .text
    .globl _start
_start:
    b       main
    .long   0
    .quad   0                       // text_offset
    .quad   _end - _start           // image_size
    .quad   0xa                     // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0
main:
    mov     x1, #0x09000000
    adr     x2, text
next:
    ldrb    w3, [x2], #1
    cbz     w3, done
    str     w3, [x1]
    b       next
done:
    movz    w0, #0x8400, lsl #16    // PSCI SYSTEM_RESET
    movk    w0, #0x0009
    hvc     #0
    b       .
text:
    .asciz  "kernel: running from slot " SLOT "\r\n"
    .balign 8
_end:
