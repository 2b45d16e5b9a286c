"""The kernel's surface, and a network that must not be there."""

from __future__ import annotations

import platform

from tests.sandbox.hostile.table import NUMBERS, Probe, py, sh

_SKIP = {"clone", "ioctl", "personality", "socket", "socketpair", "clone3", "memfd_create"}
_INT80 = """
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))
pid = os.fork()
if pid == 0:
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    os._exit(0)
status = os.waitpid(pid, 0)[1]
print(signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else 'ran')
"""
KERNEL = [
    *(
        py("kernel", name, f"print(call({name!r}, 0, 0, 0, 0, 0, 0))", "EPERM|ENOSYS|absent")
        for name in sorted(NUMBERS)
        if name not in _SKIP
    ),
    py("kernel", "clone with a namespace", "print(call('clone', 0x10000000 | 17, 0, 0, 0, 0))", "EPERM"),
    py("kernel", "clone with a network", "print(call('clone', 0x40000000 | 17, 0, 0, 0, 0))", "EPERM"),
    py("kernel", "clone3", "print(call('clone3', 0, 0))", "ENOSYS"),
    py("kernel", "above the ceiling", "print(call(470), call(471), call(9999))", "ENOSYS ENOSYS ENOSYS"),
    py("kernel", "odd personality", "print(call('personality', 0x0040000))", "EPERM"),
    py("kernel", "plain personality", "print(call('personality', 0xffffffff))", "done"),
    sh("kernel", "namespaces by tool", "unshare -U true 2>/dev/null; echo $?", "[1-9][0-9]*"),
    sh(
        "kernel",
        "threads still work",
        "python3 -c 'import threading; t = threading.Thread(target=print, args=(1,)); t.start()'",
        "1",
    ),
    *(
        py(
            "kernel",
            f"socket of {what}",
            f"print(tried(lambda: socket.socket({family}, {kind}, {protocol})))",
            "EAFNOSUPPORT|EPERM|EPROTONOSUPPORT",
        )
        for what, family, kind, protocol in (
            ("vsock", 40, 1, 0),
            ("packets", 17, 3, 0),
            ("crypto", 38, 5, 0),
            ("bluetooth", 31, 3, 1),
            ("can", 29, 3, 1),
            ("audit", 16, 3, 9),
            ("kernel events", 16, 3, 15),
            ("netfilter", 16, 3, 12),
            ("raw", 2, 3, 1),
        )
    ),
    py(
        "kernel",
        "typing into a terminal",
        "import fcntl, pty; m, s = pty.openpty(); print(tried(lambda: fcntl.ioctl(s, 0x5412, b'x')))",
        "EPERM",
    ),
    py(
        "kernel",
        "the same, high bits set",
        "print(call('ioctl', 0, ctypes.c_ulong(0x100005412), b'x'))",
        "EPERM",
    ),
]
if platform.machine() == "x86_64":
    KERNEL += [
        py("kernel", "32-bit entry", _INT80, "SIGSYS"),
        py("kernel", "x32 entry", "print(call(0x40000000 + 39))", "ENOSYS"),
    ]
_GONE = "ENETUNREACH|ECONNREFUSED|EHOSTUNREACH|EADDRNOTAVAIL|EPERM"
NETWORK = [
    sh("network", "interfaces", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo"),
    sh("network", "routes", "tail -n +2 /proc/net/route | wc -l", "0"),
    py("network", "loopback of the host", "print(connect(2, ('127.0.0.1', int(os.environ['PORT4']))))", _GONE),
    py("network", "the same over IPv6", "print(connect(10, ('::1', int(os.environ['PORT6']))))", _GONE),
    py("network", "the same, mapped", "print(connect(10, ('::ffff:127.0.0.1', int(os.environ['PORT4']))))", _GONE),
    py("network", "the same, as a number", "print(connect(2, ('2130706433', int(os.environ['PORT4']))))", _GONE),
    py("network", "abstract socket", "print(connect(1, chr(0) + os.environ['ABSTRACT']))", "ECONNREFUSED|EPERM"),
    py("network", "metadata", "print(connect(2, ('169.254.169.254', 80)))", _GONE),
    py("network", "an address", "print(connect(2, ('192.0.2.1', 80)))", _GONE),
    py("network", "an address over IPv6", "print(connect(10, ('2001:db8::1', 80)))", _GONE),
    py(
        "network", "datagram", "s = socket.socket(2, 2); print(tried(lambda: s.sendto(b'x', ('192.0.2.1', 53))))", _GONE
    ),
    py(
        "network",
        "broadcast",
        "s = socket.socket(2, 2); print(tried(lambda: s.sendto(b'x', ('255.255.255.255', 9))))",
        "EACCES|" + _GONE,
    ),
    py(
        "network",
        "multipath",
        "print(tried(lambda: socket.socket(2, 1, 262).connect(('192.0.2.1', 80))))",
        _GONE + "|EPROTONOSUPPORT|ENOPROTOOPT",
    ),
    py("network", "names", "print(tried(lambda: socket.getaddrinfo('example.invalid', 80)))", "gaierror"),
    py(
        "network",
        "ping",
        "print(tried(lambda: socket.socket(2, 2, 1).sendto(b'x', ('192.0.2.1', 0))))",
        "EACCES|EPERM|" + _GONE,
    ),
    py(
        "network",
        "own loopback",
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); print('done')",
        "done",
    ),
    py(
        "network",
        "new address",
        "s = socket.socket(16, 3, 0); s.bind((0, 0)); "
        "s.send(struct.pack('=IHHIIBBBBI', 24, 20, 0x605, 1, 0, 2, 24, 0, 0, 1)); "
        "r = s.recv(4096); print(name(-struct.unpack_from('=i', r, 16)[0]))",
        "EPERM",
    ),
]
PROBES: list[Probe] = [*KERNEL, *NETWORK]
