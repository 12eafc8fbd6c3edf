"""Runs `nmt` commands in forks of one process that has imported what they need: each saves two seconds.

python command_server.py SOCKET          the server
python command_server.py SOCKET WORD…    one command, in this folder and with these standard streams
"""

import os
import socket
import sys


def serve(address: str) -> None:
    import signal

    from nmt.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children leave nothing behind
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    while True:
        client, _ = listener.accept()
        message, streams, _, _ = socket.recv_fds(client, 2**16, 3)
        if os.fork() == 0:
            break
        for handle in (client.detach(), *streams):
            os.close(handle)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    listener.close()
    folder, *words = message.decode().split("\0")
    os.chdir(folder)
    for number, handle in enumerate(streams):
        os.dup2(handle, number)
    sys.argv = ["nmt", *words]
    code: object = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    client.send(bytes([code if isinstance(code, int) else 0]))
    os._exit(0)


def ask(address: str, words: list[str]) -> int:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, ["\0".join([os.getcwd(), *words]).encode()], [0, 1, 2])
        answer = server.recv(1)
    return answer[0] if answer else 1


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
    serve(sys.argv[1])
