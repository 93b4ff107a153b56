# This is the launcher where no C compiler was found: `podwire install` writes it under a plugin's name,
# with the two names below filled in. It does what launcher.c does. Only modules that are built into the
# interpreter are imported, and nothing of `site`: a start takes some 7 ms.
import _socket
import posix
import sys
import time

TYPE = "@TYPE@"
INTERPRETER = "@INTERPRETER@"

STDIN_LIMIT = 4 << 20  # bytes; cni_spec/json_input.py has the same
VARIABLES_LIMIT = 128 << 10
ANSWER_LIMIT = 5 << 20
DEADLINE = 150  # seconds, for all of the agent's answer
PATIENCE = 1000  # milliseconds for a part of VERSION's stdin, which may never come
NOT_SERVED = 0xFFFFFFFF
SENT = (b"CNI_", b"PODWIRE_", b"TRACEPARENT=", b"TRACESTATE=", b"PATH=")
SERVICE = "systemctl start podwire-agent.service"
UCRED_SIZE = 12  # bytes (unix(7), SO_PEERCRED): pid, uid, gid

environment: "dict[bytes, bytes]" = posix.environ


def fail(code: int, message: str) -> None:
    said = f'{{\n    "cniVersion": "1.1.0",\n    "code": {code},\n    "msg": "{message}"\n}}'
    write_all(1, said.encode())
    posix._exit(1)


def write_all(descriptor: int, data: bytes) -> None:
    try:
        while data:
            data = data[posix.write(descriptor, data) :]
    except OSError:  # there is nobody to tell
        posix._exit(1)


def log_all(data: bytes) -> None:
    try:
        while data:
            data = data[posix.write(2, data) :]
    except OSError:  # where a log cannot be kept, the answer counts nevertheless
        pass


def open_standard_files() -> None:
    """Open what the caller left closed of stdin, stdout and stderr, or a socket would take its place.

    A result that nobody hears is no success: for stdout it is a file that takes nothing.
    """
    while (file := posix.open("/dev/null", posix.O_RDWR)) <= 2:
        if file == 1:
            full = posix.open("/dev/full", posix.O_WRONLY)
            posix.dup2(full, 1)
            posix.close(full)
        posix.set_inheritable(file, True)
    posix.close(file)


def restore_input(given: bytes) -> None:
    """Give the fallback the bytes that were read from stdin, as a file in memory."""
    try:
        file = posix.memfd_create("stdin", 0)
        while given:
            given = given[posix.write(file, given) :]
        posix.lseek(file, 0, 0)
        posix.dup2(file, 0)
        posix.close(file)
    except OSError:
        fail(5, "the configuration could not be kept in memory")


def run_in_python(given: "bytes | None") -> None:
    """Become a Python that runs the plugin by itself, with the stdin that was read already."""
    if given is not None:
        restore_input(given)
    code = f"from cni_plugins.skeleton import run; run('{TYPE}')"
    try:
        posix.execve(INTERPRETER, [INTERPRETER, "-I", "-c", code], environment)
    except OSError:
        fail(11, "try again later: podwire's node agent does not answer and its Python cannot be run; "
             f"start the agent ({SERVICE}) or install podwire again")  # fmt: skip


def read_input(is_version: bool) -> bytes:
    parts, size = [], 0
    try:
        while (not is_version or has_input()) and (part := posix.read(0, 1 << 16)):
            parts.append(part)
            size += len(part)
            if size > STDIN_LIMIT:
                fail(6, "network configuration: larger than 4 MiB")
    except OSError:
        if not is_version:
            fail(5, "the configuration could not be read from stdin")
    return b"".join(parts)


def has_input() -> bool:
    # VERSION needs no stdin, and a terminal gives none
    import select

    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    return bool(waiting.poll(PATIENCE))


def socket_path() -> bytes:
    if chosen := environment.get(b"PODWIRE_SOCKET"):
        return chosen
    if posix.geteuid() == 0:
        return b"/run/podwire/agent.sock"
    return environment.get(b"XDG_RUNTIME_DIR", b"") + b"/podwire/agent.sock"


def connect() -> "_socket.socket | None":
    """Connect to an agent of root's or our own."""
    agent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    agent.settimeout(DEADLINE)
    try:
        agent.connect(socket_path())
        peer = agent.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, UCRED_SIZE)
    except OSError:
        return None
    is_trusted = int.from_bytes(peer[4:8], sys.byteorder) in (0, posix.geteuid())
    return agent if is_trusted else None


def descriptors() -> bytes:
    """Open our own network namespace and the container's, as what SCM_RIGHTS carries."""
    flags = posix.O_RDONLY | posix.O_CLOEXEC
    files = [posix.open("/proc/self/ns/net", flags)]
    try:
        files.append(posix.open(environment.get(b"CNI_NETNS", b""), flags | posix.O_NONBLOCK))
    except OSError:  # there is none: the agent says what that means
        files = files[:1]
    return b"".join(one.to_bytes(4, sys.byteorder) for one in files)


def variables() -> bytes:
    """Return what the request says before stdin: the type and the environment, up to an empty string."""
    pairs = [key + b"=" + value for key, value in environment.items()]
    sent = b"".join(pair + b"\0" for pair in pairs if pair.startswith(SENT))
    if len(TYPE) + 1 + len(sent) > VARIABLES_LIMIT - 8:  # launcher.c counts the header too
        fail(4, "the environment is larger than 128 KiB")
    return TYPE.encode() + b"\0" + sent + b"\0"


def ask(agent: "_socket.socket", body: bytes) -> bytes:
    """Send the request and return what comes back, no more than an answer may be; b"" if nothing does."""
    data = b"PWR1" + len(body).to_bytes(4, "little") + body
    end = time.monotonic() + DEADLINE
    try:
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors())]
        if rest := data[agent.sendmsg([data], rights) :]:  # sending nothing fails where it has answered
            agent.sendall(rest)
        parts, size = [], 0
        while size <= ANSWER_LIMIT and (part := agent.recv(1 << 16)):
            parts.append(part)
            size += len(part)
            agent.settimeout(max(end - time.monotonic(), 0.001))  # 0 would mean: do not wait at all
        return b"".join(parts) if size <= ANSWER_LIMIT else b""
    except TimeoutError:
        fail(11, "try again later: podwire's node agent did not answer in 150 s")
    except OSError:  # it died: the answer will be our own
        pass
    return b""


def main() -> None:
    open_standard_files()
    command = environment.get(b"CNI_COMMAND", b"")
    if not command or environment.get(b"PODWIRE_AGENT") == b"never":
        run_in_python(None)
        return
    said = variables()
    agent = connect()
    if agent is None:
        run_in_python(None)
        return
    given = read_input(command == b"VERSION")
    answer = ask(agent, said + given)
    status, out, err = (int.from_bytes(answer[at : at + 4], "little") for at in (4, 8, 12))
    if answer[:4] != b"PWA1" or len(answer) != 16 + out + err or status == NOT_SERVED:
        run_in_python(given)
        return
    log_all(answer[16 + out :])
    write_all(1, answer[16 : 16 + out])
    posix._exit(status & 0xFF)


main()
